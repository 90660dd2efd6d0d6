//! Where a client may connect to, and whom it believes there.
//!
//! A URL says a name, and a name may stand for any address, another one each time. So in production
//! the address is looked at that is really connected to: `resolver` gives none that is not public.
//! A redirect is followed to the same origin only, and goes the same way.

mod address;
mod resolver;

pub(crate) use resolver::Guarded;

use crate::HttpTarget;
use address::is_public;
use reqwest::Url;
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
};

/// Where a client may connect to, and whom it believes there.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Guard {
    /// Only `https` and `wss`, no user in the URL, no proxy, and no address that is not public: not
    /// loopback, private, link-local, or one where a cloud keeps its metadata.
    pub production: bool,
    /// The only hosts allowed; `*.example.test` stands for all below. Empty allows all.
    pub allowed_hosts: Vec<String>,
    /// Certificates of own authorities, in PEM, believed beside those of the system.
    pub authorities: Option<Arc<[u8]>>,
    /// Believes any certificate, which is no protection at all: for tests.
    pub danger_accept_invalid_certificates: bool,
}

/// Why an address is not connected to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuardError {
    /// The URL is not encrypted.
    #[error("the URL must start with https:// or wss:// in production, not {0}:")]
    Scheme(String),
    /// The URL holds a user, which hides where it leads to.
    #[error("the URL must not hold a user in production")]
    User,
    /// The host is not among those allowed.
    #[error("the host {0} is not among the allowed ones")]
    Host(String),
    /// The address is not public.
    #[error("{host} is at {address}, which is not public")]
    Address {
        /// The host.
        host: String,
        /// Its address.
        address: IpAddr,
    },
}

impl Guard {
    /// Reads a file of certificates in PEM, for [`Guard::authorities`].
    ///
    /// # Errors
    /// When it cannot be read, or holds none; names the file.
    pub fn read_authorities(path: &Path) -> Result<Arc<[u8]>, String> {
        let shown = path.display();
        let pem = std::fs::read(path).map_err(|error| format!("cannot read {shown}: {error}"))?;
        Self::authorities_of(&pem).ok_or_else(|| format!("{shown} holds no certificate in PEM"))
    }

    /// Certificates in PEM that were read already, for [`Guard::authorities`]; `None` when there is
    /// none among these bytes.
    #[must_use]
    pub fn authorities_of(pem: &[u8]) -> Option<Arc<[u8]>> {
        let certificates = reqwest::Certificate::from_pem_bundle(pem);
        certificates.is_ok_and(|all| !all.is_empty()).then(|| pem.into())
    }

    /// Whether the URL of the target may be used at all. What its name stands for is looked at
    /// when it is known.
    pub(crate) fn check(&self, target: &HttpTarget) -> Result<(), GuardError> {
        self.check_url(&target.url)
    }

    fn check_url(&self, url: &Url) -> Result<(), GuardError> {
        let host = url.host_str().unwrap_or_default();
        let bare = bare(host);
        if !self.allows(&bare) {
            return Err(GuardError::Host(bare));
        }
        if !self.production {
            return Ok(());
        }
        if !matches!(url.scheme(), "https" | "wss") {
            return Err(GuardError::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(GuardError::User);
        }
        match bare.parse() {
            Ok(address) => self.check_address(&bare, address),
            Err(_) => Ok(()),
        }
    }

    /// Whether all of these may be connected to. One that may not spoils all: whoever mixes them
    /// has something in mind.
    pub(crate) fn check_addresses(
        &self,
        host: &str,
        addresses: &[SocketAddr],
    ) -> Result<(), GuardError> {
        addresses.iter().try_for_each(|address| self.check_address(host, address.ip()))
    }

    fn check_address(&self, host: &str, address: IpAddr) -> Result<(), GuardError> {
        if self.production && !is_public(address) {
            return Err(GuardError::Address { host: host.to_owned(), address });
        }
        Ok(())
    }

    fn allows(&self, host: &str) -> bool {
        let matches = |allowed: &String| {
            let allowed = bare(allowed);
            match allowed.strip_prefix("*.") {
                Some(domain) => host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')),
                None => host == allowed,
            }
        };
        self.allowed_hosts.is_empty() || self.allowed_hosts.iter().any(matches)
    }
}

/// A host without brackets, the dot at its end, and capitals.
fn bare(host: &str) -> String {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.trim_end_matches('.').to_ascii_lowercase()
}

impl fmt::Debug for Guard {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Guard")
            .field("production", &self.production)
            .field("allowed_hosts", &self.allowed_hosts)
            .field("authorities", &self.authorities.is_some())
            .field("danger", &self.danger_accept_invalid_certificates)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn production() -> Guard {
        Guard { production: true, ..Guard::default() }
    }

    fn check(guard: &Guard, url: &str) -> Result<(), GuardError> {
        guard.check_url(&Url::parse(url).expect(url))
    }

    #[test]
    fn no_spelling_of_an_inner_address_gets_through() {
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0x7f.0.0.1",
            "0177.0.0.1",
            "017700000001",
            "127.0.0.1.",
            "１２７.０.０.１",
            "0",
            "0.0.0.0",
            "10.1.2.3",
            "167772161",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "0xC0A80101",
            "100.64.0.1",
            "100.100.100.200",
            "169.254.169.254",
            "2852039166",
            "0xA9FEA9FE",
            "0251.0376.0251.0376",
            "168.63.129.16",
            "192.0.0.192",
            "224.0.0.1",
            "255.255.255.255",
            "[::]",
            "[::1]",
            "[::127.0.0.1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::ffff:10.0.0.1]",
            "[0:0:0:0:0:ffff:a9fe:a9fe]",
            "[64:ff9b::10.0.0.1]",
            "[64:ff9b:1::1]",
            "[2002:7f00:1::]",
            "[2002:a00:1::]",
            "[2001:0:7f00:1::]",
            "[2001:db8::1]",
            "[fc00::1]",
            "[fd00:ec2::254]",
            "[fe80::1]",
            "[fec0::1]",
            "[ff02::1]",
        ] {
            for scheme in ["https", "wss"] {
                let refused = check(&production(), &format!("{scheme}://{host}/mcp"));
                assert!(matches!(refused, Err(GuardError::Address { .. })), "{host}: {refused:?}");
            }
            for scheme in ["http", "ws"] {
                let url = format!("{scheme}://{host}/mcp");
                assert_eq!(check(&Guard::default(), &url), Ok(()), "{host}");
            }
        }
        for host in
            ["example.test", "8.8.8.8", "172.32.0.1", "[2606:4700::1111]", "[64:ff9b::8.8.8.8]"]
        {
            for scheme in ["https", "wss"] {
                assert_eq!(
                    check(&production(), &format!("{scheme}://{host}/mcp")),
                    Ok(()),
                    "{host}"
                );
            }
        }
    }

    #[test]
    fn a_name_is_judged_by_all_its_addresses() {
        let at = |addresses: &[&str]| {
            let all: Vec<SocketAddr> =
                addresses.iter().map(|address| address.parse().expect("an address")).collect();
            production().check_addresses("example.test", &all)
        };
        assert_eq!(at(&["8.8.8.8:443", "[2606:4700::1111]:443"]), Ok(()));
        for inner in ["10.0.0.1:443", "[::1]:443", "[::ffff:192.168.0.1]:443"] {
            assert!(at(&[inner]).is_err() && at(&["8.8.8.8:443", inner]).is_err(), "{inner}");
        }
    }

    #[test]
    fn tricks_with_users_and_schemes_are_refused() {
        for url in [
            "https://example.test@10.0.0.1/",
            "https://me:pw@example.test/",
            "https://me@example.test/",
            "wss://me:pw@example.test/",
        ] {
            assert_eq!(check(&production(), url), Err(GuardError::User), "{url}");
        }
        for plain in ["http", "ws"] {
            let refused = Err(GuardError::Scheme(plain.to_owned()));
            assert_eq!(check(&production(), &format!("{plain}://example.test/")), refused);
        }
        // What looks like a host in the path, the query or behind a backslash is none.
        for url in [
            "https://10.0.0.1/example.test",
            "https://10.0.0.1\\@example.test/",
            "https://10.0.0.1?example.test",
        ] {
            assert!(matches!(check(&production(), url), Err(GuardError::Address { .. })), "{url}");
        }
    }

    #[test]
    fn only_allowed_hosts_are_allowed() {
        let hosts = ["example.test", "*.inner.test"].map(ToOwned::to_owned).to_vec();
        let guard = Guard { allowed_hosts: hosts, ..Guard::default() };
        for url in ["http://example.test/", "http://EXAMPLE.test./", "http://a.b.inner.test:8/"] {
            assert_eq!(check(&guard, url), Ok(()), "{url}");
        }
        for url in [
            "http://inner.test/",
            "http://notinner.test/",
            "http://example.test.evil.test/",
            "http://example.test@evil.test/",
            "http://sub.example.test/",
            "ws://sub.example.test/",
        ] {
            assert!(matches!(check(&guard, url), Err(GuardError::Host(_))), "{url}");
        }
    }
}

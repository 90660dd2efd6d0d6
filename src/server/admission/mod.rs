//! Who may come in: the name a client called us by, the page it comes from, its token.
//!
//! Pure decisions over headers. `Host` and `Origin` keep web pages out that reach a loopback
//! listener through DNS rebinding; the token says which principal calls.

use crate::{
    call::{Principal, Refusal, Rejection},
    config::AuthConfig,
};
use http::{
    HeaderMap,
    header::{AUTHORIZATION, HOST, ORIGIN},
    uri::Authority,
};
use mcp_telemetry::AuthCause;
use sha2::{Digest, Sha256};
use std::{
    collections::HashSet,
    net::{IpAddr, SocketAddr},
};
use subtle::ConstantTimeEq;

/// The guard at the door.
#[derive(Debug)]
pub(crate) struct Admission {
    token_digest: Option<[u8; 32]>,
    origins: HashSet<String>,
    hosts: HashSet<String>,
}

impl Admission {
    /// A guard for a listener; `auth.token` of `None` asks for no token.
    pub(crate) fn new(auth: &AuthConfig, listen: SocketAddr) -> Self {
        let token = auth.token.as_ref().filter(|_| !auth.disabled);
        let mut hosts: HashSet<String> =
            auth.allowed_hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        if !listen.ip().is_unspecified() {
            hosts.insert(host_text(listen.ip()));
        }
        let origins = auth
            .allowed_origins
            .iter()
            .map(|origin| origin.trim_end_matches('/').to_ascii_lowercase());
        Self {
            token_digest: token.map(|token| Sha256::digest(token.expose()).into()),
            origins: origins.collect(),
            hosts,
        }
    }

    /// Checks `Host` and `Origin`.
    pub(crate) fn check_door(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        let forbidden = |sentence: &str| Err(Rejection::new(Refusal::Forbidden, sentence));
        let mut hosts = headers.get_all(HOST).iter();
        let host = hosts
            .next()
            .and_then(|host| host.to_str().ok())
            .and_then(|host| host.parse::<Authority>().ok());
        let known = host.is_some_and(|host| self.is_known_host(host.host()));
        if !known || hosts.next().is_some() {
            return forbidden(
                "This server is not called by that name. Use a loopback address, or add the name to `auth.allowed_hosts`.",
            );
        }
        match headers.get(ORIGIN).map(|origin| origin.to_str()) {
            None => Ok(()),
            Some(Ok(origin)) if self.is_known_origin(origin) => Ok(()),
            Some(_) => forbidden(
                "Pages of that origin may not call this server. Add it to `auth.allowed_origins`.",
            ),
        }
    }

    fn is_known_host(&self, host: &str) -> bool {
        is_loopback(host) || self.hosts.contains(&host.to_ascii_lowercase())
    }

    fn is_known_origin(&self, origin: &str) -> bool {
        if self.origins.contains(&origin.to_ascii_lowercase()) {
            return true;
        }
        let rest = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        rest.and_then(|rest| rest.parse::<Authority>().ok()).is_some_and(|authority| {
            !authority.as_str().contains('@') && is_loopback(authority.host())
        })
    }

    /// Finds the principal of the bearer token, comparing digests in constant time.
    pub(crate) fn principal(&self, headers: &HeaderMap) -> Result<Principal, AuthCause> {
        let Some(expected) = &self.token_digest else { return Ok(Principal::anonymous()) };
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let value = values.next().ok_or(AuthCause::Missing)?;
        let (scheme, token) = value
            .to_str()
            .ok()
            .and_then(|value| value.split_once(' '))
            .ok_or(AuthCause::Malformed)?;
        if !scheme.eq_ignore_ascii_case("bearer") || values.next().is_some() {
            return Err(AuthCause::Malformed);
        }
        let digest: [u8; 32] = Sha256::digest(token.trim()).into();
        if digest.ct_eq(expected).into() {
            Ok(Principal::named("token"))
        } else {
            Err(AuthCause::Wrong)
        }
    }
}

/// The sentence for a client without a valid token; it never says what the token looked like.
pub(crate) fn unauthorized(cause: AuthCause) -> Rejection {
    let sentence = match cause {
        AuthCause::Missing => "A bearer token is needed: send `Authorization: Bearer <token>`.",
        AuthCause::Malformed => "The Authorization header must be `Bearer <token>`, once.",
        AuthCause::Wrong => {
            "That token is not valid here. `mcp-orchestrator token show` prints the right one."
        }
    };
    Rejection::new(Refusal::Unauthorized, sentence)
}

fn host_text(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn admission() -> Admission {
        let auth = AuthConfig {
            token: Some("right".to_owned().into()),
            allowed_origins: vec!["https://app.example".into()],
            allowed_hosts: vec!["mcp-server".into()],
            ..AuthConfig::default()
        };
        Admission::new(&auth, SocketAddr::from(([127, 0, 0, 1], 3001)))
    }

    fn headers(pairs: &[(http::HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, HeaderValue::from_str(value).expect("a header"));
        }
        headers
    }

    #[test]
    fn only_known_names_and_pages_come_in() {
        let admission = admission();
        for host in [
            "127.0.0.1:3001",
            "localhost:1",
            "[::1]:3001",
            "LOCALHOST",
            "mcp-server:3001",
            "127.9.9.9",
        ] {
            assert!(admission.check_door(&headers(&[(HOST, host)])).is_ok(), "{host}");
        }
        for host in ["evil.example", "127.0.0.1.evil.example", "localhost.evil", "", "10.0.0.1"] {
            assert!(admission.check_door(&headers(&[(HOST, host)])).is_err(), "{host}");
        }
        assert!(admission.check_door(&headers(&[])).is_err(), "no Host at all");
        assert!(
            admission.check_door(&headers(&[(HOST, "localhost"), (HOST, "localhost")])).is_err()
        );
        let with = |origin| {
            admission.check_door(&headers(&[(HOST, "localhost"), (ORIGIN, origin)])).is_ok()
        };
        for origin in [
            "http://localhost:5173",
            "https://127.0.0.1",
            "http://[::1]:8080",
            "https://app.example",
        ] {
            assert!(with(origin), "{origin}");
        }
        for origin in [
            "null",
            "https://evil.example",
            "http://localhost.evil",
            "http://localhost@evil.example",
            "ftp://localhost",
        ] {
            assert!(!with(origin), "{origin}");
        }
    }

    #[test]
    fn only_the_right_token_opens() {
        let admission = admission();
        let with = |value| admission.principal(&headers(&[(AUTHORIZATION, value)]));
        assert!(with("Bearer right").is_ok() && with("bearer right").is_ok());
        assert_eq!(admission.principal(&headers(&[])), Err(AuthCause::Missing));
        for value in ["right", "Basic right", ""] {
            assert_eq!(with(value), Err(AuthCause::Malformed), "{value}");
        }
        for value in ["Bearer righ", "Bearer rightt", "Bearer Right", "Bearer "] {
            assert_eq!(with(value), Err(AuthCause::Wrong), "{value}");
        }
        let twice = headers(&[(AUTHORIZATION, "Bearer right"), (AUTHORIZATION, "Bearer right")]);
        assert_eq!(admission.principal(&twice), Err(AuthCause::Malformed));
    }
}

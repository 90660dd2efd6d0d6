//! The client's address: the socket's, or the one a proxy of ours names.

use super::AuthError;
use http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The proxies that are believed.
#[derive(Debug)]
pub(super) struct Proxies(Vec<IpNet>);

impl Proxies {
    pub(super) fn new(texts: &[String]) -> Result<Self, AuthError> {
        let parse = |text: &String| {
            let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
            network.map_err(|_| AuthError::Proxy(text.chars().take(64).collect()))
        };
        texts.iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// Who asks: the last hop that is no proxy of ours. What stands before it may be made up.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if self.0.is_empty() {
            return client;
        }
        for value in headers.get_all(FORWARDED_FOR).iter().rev() {
            for hop in value.to_str().unwrap_or_default().rsplit(',') {
                if !self.trusts(client) {
                    return client;
                }
                match address(hop.trim()) {
                    Some(address) => client = address.to_canonical(),
                    None => return client,
                }
            }
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// An address, also with a port, as some proxies write it.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_proxies_are_believed() {
        let proxies = Proxies::new(&["10.0.0.0/8".into(), "::1".into()]).expect("right");
        for (peer, forwarded, client) in [
            ("192.0.2.1", &["203.0.113.9"][..], "192.0.2.1"),
            ("10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["1.1.1.1", "203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["203.0.113.9, 10.9.9.9"], "203.0.113.9"),
            ("10.0.0.1", &["203.0.113.9, made up"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.9:4711"], "203.0.113.9"),
            ("::1", &["[2001:db8::1]:80"], "2001:db8::1"),
            ("::ffff:10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
        ] {
            let mut headers = HeaderMap::new();
            for value in forwarded {
                headers.append(FORWARDED_FOR, value.parse().expect("a header"));
            }
            let peer = peer.parse().expect("an address");
            assert_eq!(proxies.client(peer, &headers).to_string(), client, "{peer} {forwarded:?}");
        }
        assert!(Proxies::new(&["proxy.example".into()]).is_err());
    }
}

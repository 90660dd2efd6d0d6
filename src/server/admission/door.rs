//! The name a client called us by and the page it comes from. They keep web pages out that
//! reach a loopback listener through DNS rebinding.

use crate::{
    call::{Refusal, Rejection},
    config::AuthConfig,
};
use http::{
    HeaderMap, HeaderValue,
    header::{HOST, ORIGIN},
    uri::Authority,
};
use std::{
    collections::HashSet,
    net::{IpAddr, SocketAddr},
};

/// The names and pages that are known.
#[derive(Debug)]
pub(super) struct Door {
    origins: HashSet<String>,
    hosts: HashSet<String>,
}

impl Door {
    pub(super) fn new(auth: &AuthConfig, listen: SocketAddr) -> Self {
        let mut hosts: HashSet<String> =
            auth.allowed_hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        if !listen.ip().is_unspecified() {
            hosts.insert(host_text(listen.ip()));
        }
        let origins = auth
            .allowed_origins
            .iter()
            .map(|origin| origin.trim_end_matches('/').to_ascii_lowercase());
        Self { origins: origins.collect(), hosts }
    }

    /// Checks `Host` and `Origin`.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        let forbidden = |sentence: &str| Err(Rejection::new(Refusal::Forbidden, sentence));
        let mut hosts = headers.get_all(HOST).iter();
        let known = hosts.next().and_then(|host| host.to_str().ok()).is_some_and(|host| {
            match plain_host(host) {
                Some(host) => self.is_known_host(host),
                None => host.parse::<Authority>().is_ok_and(|host| self.is_known_host(host.host())),
            }
        });
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

    /// The origin of the page, if its pages were said to be allowed to read our answers.
    pub(super) fn shared_with(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        if self.origins.is_empty() {
            return None;
        }
        let origin = headers.get(ORIGIN)?;
        let text = origin.to_str().ok()?.to_ascii_lowercase();
        self.origins.contains(&text).then(|| origin.clone())
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
}

/// The host of a `Host` header that holds nothing but a name or an IPv4 address, and perhaps a
/// port. Nearly all do, and need no parser.
fn plain_host(header: &str) -> Option<&str> {
    let (host, port) = header.split_once(':').unwrap_or((header, "80"));
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    (is_port && !host.is_empty() && host.bytes().all(is_plain)).then_some(host)
}

fn host_text(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

/// Whether a host of a URL or a `Host` header is this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

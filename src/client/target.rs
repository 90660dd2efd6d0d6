//! Where a server is, and what it needs to be reached.

use crate::Secret;
use http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::Url;
use std::{
    collections::BTreeMap,
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    path::PathBuf,
};

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A child process, spoken to over its standard streams.
    Stdio(StdioTarget),
    /// A Streamable HTTP endpoint.
    Http(HttpTarget),
    /// A WebSocket, which begins as an HTTP request.
    WebSocket(HttpTarget),
}

/// What carries the messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Network {
    /// Streamable HTTP over TCP.
    Http,
    /// A WebSocket over TCP.
    WebSocket,
    /// The pipes of a child process.
    Stdio,
}

/// How to start a server as a child process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StdioTarget {
    /// The program: a path, or a name looked up in `PATH`.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables set on top of the inherited ones.
    pub env: BTreeMap<String, Secret>,
    /// Its working directory; `None` is ours.
    pub cwd: Option<PathBuf>,
}

/// How to reach a server over HTTP, or over a WebSocket.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpTarget {
    /// The endpoint. May hold secrets: it is shown without its user, password and query.
    pub url: Url,
    /// Headers sent with every request, or with the one that opens a socket; checked to be valid.
    pub headers: BTreeMap<String, Secret>,
}

/// Why a URL or its headers are no target. Never shows a header's value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The text is no URL.
    #[error("it is no URL ({0}); write it as http://127.0.0.1:3001/mcp")]
    Url(String),
    /// The URL is of no transport that is spoken.
    #[error("the URL must start with http://, https://, ws:// or wss://, not {0}:")]
    Scheme(String),
    /// A header's name or value cannot be sent.
    #[error("the header `{0}` has a name or a value that HTTP does not allow")]
    Header(String),
}

impl Target {
    /// A child process.
    #[must_use]
    pub fn stdio(
        command: String,
        args: Vec<String>,
        env: BTreeMap<String, Secret>,
        cwd: Option<PathBuf>,
    ) -> Self {
        Self::Stdio(StdioTarget { command, args, env, cwd })
    }

    /// A server at a URL: over Streamable HTTP (`http`, `https`) or a WebSocket (`ws`, `wss`).
    ///
    /// # Errors
    /// When the URL is none of these, or a header cannot be sent.
    pub fn url(url: &str, headers: BTreeMap<String, Secret>) -> Result<Self, TargetError> {
        let url = Url::parse(url).map_err(|error| {
            let is_bare = !url.contains("://");
            let why =
                if is_bare { "no http:// is before it".to_owned() } else { error.to_string() };
            TargetError::Url(why)
        })?;
        let kind = match url.scheme() {
            "http" | "https" => Self::Http,
            "ws" | "wss" => Self::WebSocket,
            other => return Err(TargetError::Scheme(other.to_owned())),
        };
        let target = HttpTarget { url, headers };
        target.header_map()?;
        Ok(kind(target))
    }

    /// A Streamable HTTP endpoint.
    ///
    /// # Errors
    /// When the URL is no http(s) URL, or a header cannot be sent.
    pub fn http(url: &str, headers: BTreeMap<String, Secret>) -> Result<Self, TargetError> {
        match Self::url(url, headers)? {
            Self::WebSocket(target) => Err(TargetError::Scheme(target.url.scheme().to_owned())),
            target @ (Self::Http(_) | Self::Stdio(_)) => Ok(target),
        }
    }

    /// What carries the messages.
    #[must_use]
    pub const fn network(&self) -> Network {
        match self {
            Self::Stdio(_) => Network::Stdio,
            Self::Http(_) => Network::Http,
            Self::WebSocket(_) => Network::WebSocket,
        }
    }
}

impl fmt::Display for Target {
    /// The command, or the URL without what may be secret.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdio(target) => out.write_str(&target.command),
            Self::Http(target) | Self::WebSocket(target) => out.write_str(&target.shown_url()),
        }
    }
}

impl HttpTarget {
    /// The headers as HTTP wants them, marked as sensitive.
    pub(crate) fn header_map(&self) -> Result<HeaderMap, TargetError> {
        let mut map = HeaderMap::with_capacity(self.headers.len());
        for (name, value) in &self.headers {
            let invalid = || TargetError::Header(name.clone());
            let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid())?;
            let mut value = HeaderValue::from_str(value.expose()).map_err(|_| invalid())?;
            value.set_sensitive(true);
            map.insert(header, value);
        }
        Ok(map)
    }

    /// Whether the URL asks for a secure connection.
    pub(crate) fn is_secure(&self) -> bool {
        matches!(self.url.scheme(), "https" | "wss")
    }

    /// The same as the HTTP request with which a WebSocket begins sees it.
    pub(crate) fn over_http(&self) -> Self {
        let mut target = self.clone();
        let scheme = if self.is_secure() { "https" } else { "http" };
        // Cannot fail: all of these are special schemes.
        let _set = target.url.set_scheme(scheme);
        target
    }

    /// Whether the endpoint is on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        let host = self.url.host_str().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost"
            || host.ends_with(".localhost")
            || bare.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
            || bare.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
    }

    fn shown_url(&self) -> String {
        let mut url = self.url.clone();
        // Both fail only for URLs without a host, and an http URL has one.
        let _user = url.set_username("");
        let _password = url.set_password(None);
        if url.query().is_some() {
            url.set_query(Some("***"));
        }
        url.set_fragment(None);
        url.into()
    }
}

impl fmt::Debug for HttpTarget {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.shown_url();
        out.debug_struct("HttpTarget").field("url", &url).field("headers", &self.headers).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(entries: &[(&str, &str)]) -> BTreeMap<String, Secret> {
        entries.iter().map(|(key, value)| ((*key).to_owned(), Secret::from(*value))).collect()
    }

    #[test]
    fn no_view_of_a_target_shows_a_secret() {
        let http = Target::url(
            "https://me:hunter2@example.test/mcp?key=hunter2#hunter2",
            secrets(&[("authorization", "Bearer hunter2")]),
        )
        .expect("valid");
        let stdio = Target::stdio("server".into(), vec![], secrets(&[("KEY", "hunter2")]), None);
        let shown = format!("{http:?} {http} {stdio:?} {stdio}");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("https://example.test/mcp?***") && shown.contains("KEY"), "{shown}");
    }

    #[test]
    fn the_scheme_says_what_carries_the_messages() {
        for (url, network, asked) in [
            ("http://x/mcp", Network::Http, "http://x/mcp"),
            ("https://x/mcp", Network::Http, "https://x/mcp"),
            ("ws://x/ws", Network::WebSocket, "http://x/ws"),
            ("wss://x/ws", Network::WebSocket, "https://x/ws"),
            ("wss://x:80/ws", Network::WebSocket, "https://x:80/ws"),
        ] {
            let target = Target::url(url, secrets(&[])).expect(url);
            assert_eq!(target.network(), network);
            let (Target::Http(target) | Target::WebSocket(target)) = target else {
                panic!("{url}")
            };
            assert_eq!(target.over_http().url.as_str(), asked);
            assert_eq!(target.is_secure(), asked.starts_with("https"));
        }
    }

    #[test]
    fn what_cannot_be_sent_is_refused_by_name() {
        assert_eq!(Target::url("ftp://x/", secrets(&[])), Err(TargetError::Scheme("ftp".into())));
        assert!(matches!(Target::url("nowhere", secrets(&[])), Err(TargetError::Url(_))));
        let refused =
            Target::url("http://x/", secrets(&[("x-key", "line\nbreak")])).expect_err("no header");
        assert_eq!(refused, TargetError::Header("x-key".into()));
        assert!(!refused.to_string().contains("break"));
    }

    #[test]
    fn loopback_is_known_in_every_spelling() {
        let loopback = |url: &str| match Target::url(url, secrets(&[])) {
            Ok(Target::Http(target)) => target.is_loopback(),
            other => panic!("{other:?}"),
        };
        for url in
            ["http://localhost:1/", "http://127.0.0.9/", "http://[::1]:80/", "http://a.localhost/"]
        {
            assert!(loopback(url), "{url}");
        }
        assert!(!loopback("http://localhost.example.test/") && !loopback("http://10.0.0.1/"));
    }
}

//! Tells whether an upstream is this very server, which would call itself without end.

use mcp_client::{Secret, Target};
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::Path,
};

/// What this server is known by.
#[derive(Debug)]
pub(crate) struct Ourselves<'a> {
    /// Where it listens.
    pub(crate) listen: SocketAddr,
    /// Its program file, if known.
    pub(crate) program: Option<&'a Path>,
}

impl Ourselves<'_> {
    /// Whether `target` leads back here, directly or through a bridge that is given our
    /// address.
    pub(crate) fn is(&self, target: &Target) -> bool {
        match target {
            Target::Http(http) | Target::WebSocket(http) => {
                self.is_at(http.url.host_str(), http.url.port_or_known_default())
            }
            Target::Stdio(stdio) => {
                stdio.args.iter().any(|arg| self.is_address(arg))
                    || (self.is_program(&stdio.command) && serves(&stdio.args))
            }
        }
    }

    fn is_address(&self, arg: &str) -> bool {
        match Target::url(arg, BTreeMap::<String, Secret>::new()) {
            Ok(Target::Http(http) | Target::WebSocket(http)) => {
                self.is_at(http.url.host_str(), http.url.port_or_known_default())
            }
            Ok(Target::Stdio(_)) | Err(_) => false,
        }
    }

    fn is_at(&self, host: Option<&str>, port: Option<u16>) -> bool {
        let own = self.listen.ip();
        if self.listen.port() == 0 || port != Some(self.listen.port()) {
            return false;
        }
        let host = host.unwrap_or_default().trim_matches(['[', ']']);
        match host.parse::<IpAddr>() {
            Ok(ip) if ip == own => true,
            Ok(ip) if own.is_unspecified() => ip.is_loopback() || ip.is_unspecified(),
            Ok(ip) => own.is_loopback() && ip.is_unspecified(),
            Err(_) => host == "localhost" && (own.is_loopback() || own.is_unspecified()),
        }
    }

    fn is_program(&self, command: &str) -> bool {
        let real = |path: &Path| path.canonicalize().ok();
        let is_same =
            self.program.and_then(real).is_some_and(|own| real(Path::new(command)) == Some(own));
        is_same || command == env!("CARGO_PKG_NAME")
    }
}

/// Whether these arguments of our own program start a server.
fn serves(args: &[String]) -> bool {
    args.first().is_none_or(|first| first == "serve" || first.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(url: &str) -> Target {
        Target::url(url, BTreeMap::new()).expect("a URL")
    }

    fn stdio(command: &str, args: &[&str]) -> Target {
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        Target::stdio(command.to_owned(), args, BTreeMap::new(), None)
    }

    #[test]
    fn our_own_address_is_known_in_its_spellings() {
        for (listen, url, is_ours) in [
            ("127.0.0.1:3001", "http://127.0.0.1:3001/mcp", true),
            ("127.0.0.1:3001", "http://localhost:3001/mcp", true),
            ("127.0.0.1:3001", "http://0.0.0.0:3001/mcp", true),
            ("127.0.0.1:3001", "http://localhost:3002/mcp", false),
            ("127.0.0.1:3001", "http://example.test:3001/mcp", false),
            ("127.0.0.1:3001", "http://127.0.0.2:3001/mcp", false),
            ("0.0.0.0:3001", "http://127.0.0.1:3001/mcp", true),
            ("[::]:3001", "http://[::1]:3001/mcp", true),
            ("127.0.0.1:80", "http://localhost/mcp", true),
            ("127.0.0.1:0", "http://localhost:3001/mcp", false),
            ("127.0.0.1:3001", "ws://localhost:3001/ws", true),
            ("127.0.0.1:3001", "wss://localhost:3002/ws", false),
        ] {
            let ourselves =
                Ourselves { listen: listen.parse().expect("an address"), program: None };
            assert_eq!(ourselves.is(&http(url)), is_ours, "{listen} {url}");
        }
    }

    #[test]
    fn our_own_program_is_refused_only_when_it_would_serve() {
        let program = std::env::current_exe().expect("a program");
        let ourselves = Ourselves {
            listen: "127.0.0.1:3001".parse().expect("an address"),
            program: Some(&program),
        };
        let own = program.to_string_lossy().into_owned();
        for (command, args, is_ours) in [
            ("mcp-orchestrator", &[][..], true),
            ("mcp-orchestrator", &["serve", "--listen", "127.0.0.1:4000"][..], true),
            (own.as_str(), &["--no-auth"][..], true),
            ("mcp-orchestrator", &["agent"][..], false),
            ("mcp-orchestrator", &["connect", "http://localhost:3001/mcp"][..], true),
            ("mcp-orchestrator", &["connect", "ws://localhost:3001/ws"][..], true),
            ("npx", &["mcp-remote", "http://localhost:3001/mcp"][..], true),
            ("npx", &["mcp-remote", "http://localhost:4001/mcp"][..], false),
            ("node", &["server.js"][..], false),
        ] {
            assert_eq!(ourselves.is(&stdio(command, args)), is_ours, "{command} {args:?}");
        }
    }
}

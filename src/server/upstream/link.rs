//! One live connection to an upstream, and what the upstream said it offers there.

use super::listing::Kind;
use futures_util::FutureExt;
use mcp_client::{ClientError, Connection, Ending, Network, Trouble};
use mcp_protocol::{Era, RawValue, Revision};
use mcp_telemetry as telemetry;
use tokio_util::sync::CancellationToken;

/// One live connection.
pub(super) struct Link {
    /// Tells this link from those before it. Unique among all upstreams.
    pub(super) id: u64,
    /// The connection.
    pub(super) connection: Connection,
    /// What carries it.
    pub(super) network: Network,
    /// What the upstream offers on it.
    pub(super) offers: Offers,
    /// Cancelled when nobody uses it any more.
    pub(super) unused: CancellationToken,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.unused.cancel();
    }
}

impl Link {
    /// A link over a fresh connection.
    pub(super) fn new(id: u64, connection: Connection, network: Network) -> Self {
        let offers = Offers::of(&connection.server().capabilities);
        Self { id, connection, network, offers, unused: CancellationToken::new() }
    }

    /// The era spoken.
    pub(super) fn era(&self) -> Era {
        self.connection.era()
    }

    /// The revision spoken.
    pub(super) fn revision(&self) -> Revision {
        self.connection.revision()
    }

    /// Whether nothing is known of its end.
    pub(super) fn is_live(&self) -> bool {
        self.connection.closed().now_or_never().is_none()
    }

    /// What carries it, in the words of telemetry.
    pub(super) const fn counted_network(&self) -> telemetry::Network {
        match self.network {
            Network::Http => telemetry::Network::Http,
            Network::Stdio => telemetry::Network::Stdio,
        }
    }
}

/// Whether the link is of no use after this error.
pub(super) fn is_lost(error: &ClientError) -> bool {
    error.trouble() == Some(Trouble::Lost)
}

/// Whether it is because the upstream does not answer any more.
pub(super) const fn is_silent(error: &ClientError) -> bool {
    matches!(error, ClientError::Closed { ending: Ending::Silent { .. }, .. })
}

/// The capabilities of an upstream that matter to us.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Offers {
    /// It has tools.
    pub(super) tools: bool,
    /// It says when they change.
    pub(super) tools_changes: bool,
    /// It has prompts.
    pub(super) prompts: bool,
    /// It says when they change.
    pub(super) prompts_changes: bool,
    /// It has resources.
    pub(super) resources: bool,
    /// It says when their list changes.
    pub(super) resources_changes: bool,
    /// It says when the content of one changes.
    pub(super) subscriptions: bool,
    /// It completes arguments.
    pub(super) completions: bool,
    /// It sends log messages.
    pub(super) logging: bool,
}

impl Offers {
    fn of(capabilities: &RawValue) -> Self {
        let said: serde_json::Value = serde_json::from_str(capabilities.get()).unwrap_or_default();
        let has = |name: &str| said.get(name).is_some_and(|value| !value.is_null());
        let says = |path: &str| said.pointer(path).is_some_and(|value| value == true);
        Self {
            tools: has("tools"),
            tools_changes: says("/tools/listChanged"),
            prompts: has("prompts"),
            prompts_changes: says("/prompts/listChanged"),
            resources: has("resources"),
            resources_changes: says("/resources/listChanged"),
            subscriptions: says("/resources/subscribe"),
            completions: has("completions"),
            logging: has("logging"),
        }
    }

    /// Whether it has such a list.
    pub(super) const fn has(&self, kind: Kind) -> bool {
        match kind {
            Kind::Tools => self.tools,
            Kind::Prompts => self.prompts,
            Kind::Resources => self.resources,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_protocol::raw;

    #[test]
    fn capabilities_are_read_as_declared() {
        let offers = Offers::of(
            &raw(r#"{"tools":{"listChanged":true},"resources":{"subscribe":true},"logging":{}}"#)
                .unwrap(),
        );
        assert!(offers.tools && offers.tools_changes && offers.subscriptions && offers.logging);
        assert!(!offers.prompts && !offers.resources_changes && !offers.completions);
        assert_eq!(Offers::of(&raw("{}").unwrap()), Offers::default());
    }
}

//! Which era to try first, and what the server turned out to speak.

use super::config::Eras;
use crate::{ClientError, Connection, Identity, Options, Sink, Target};
use mcp_protocol::Era;
use std::sync::Arc;

/// What is known about the server's era.
#[derive(Debug, Clone, Copy)]
pub(super) struct EraSearch {
    wanted: Eras,
    known: Option<Era>,
}

impl EraSearch {
    /// Nothing is known.
    pub(super) const fn new(wanted: Eras) -> Self {
        Self { wanted, known: None }
    }

    /// Opens a connection in the era that is known to work or wanted, else in whichever does.
    pub(super) async fn open(&mut self, opening: &Opening<'_>) -> Result<Connection, ClientError> {
        let first = self.first();
        let opened = match opening.open(first).await {
            Err(error) if self.may_try_another(&error) && first.is_some() => {
                self.known = None;
                opening.open(None).await
            }
            opened => opened,
        };
        let connection = opened?;
        self.known = Some(connection.era());
        Ok(connection)
    }

    fn first(&self) -> Option<Era> {
        self.known.or(match self.wanted {
            Eras::PreferModern => None,
            Eras::PreferLegacy => Some(Era::Legacy),
            Eras::Only(era) => Some(era),
        })
    }

    /// Whether the answer sounds like that of a server of the other era.
    fn may_try_another(&self, error: &ClientError) -> bool {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "no other comes from a server that answers"
        )]
        let refused = match error {
            ClientError::Refused(_) | ClientError::Protocol(_) => true,
            ClientError::Http { status, .. } => (400..500).contains(status) && *status != 429,
            _ => false,
        };
        refused && !matches!(self.wanted, Eras::Only(_))
    }
}

/// All that opening a connection needs.
pub(super) struct Opening<'a> {
    pub(super) target: &'a Target,
    pub(super) identity: &'a Identity,
    pub(super) sink: Arc<dyn Sink>,
    pub(super) options: &'a Options,
}

impl Opening<'_> {
    async fn open(&self, era: Option<Era>) -> Result<Connection, ClientError> {
        let sink = Arc::clone(&self.sink);
        Connection::open(self.target, era, self.identity, sink, self.options).await
    }
}

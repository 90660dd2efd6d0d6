//! How a connection ended: decided once, seen by everyone.

use crate::{ClientError, Ending};
use std::sync::{Arc, OnceLock};
use tokio_util::sync::CancellationToken;

/// The end of one connection, not yet come or come for good.
#[derive(Clone, Default)]
pub(crate) struct Fate {
    why: Arc<OnceLock<ClientError>>,
    over: CancellationToken,
}

impl Fate {
    /// Ends the connection; the first reason stays.
    pub(crate) fn end(&self, why: ClientError) {
        let _first_stays = self.why.set(why);
        self.over.cancel();
    }

    /// Why it ended, if it did.
    pub(crate) fn why(&self) -> Option<ClientError> {
        self.why.get().cloned()
    }

    /// Waits for the end.
    pub(crate) async fn wait(&self) -> ClientError {
        self.over.cancelled().await;
        self.why().unwrap_or_else(|| closed(false, Ending::ByUs))
    }
}

/// The error of a call whose connection ended.
pub(crate) const fn closed(sent: bool, ending: Ending) -> ClientError {
    ClientError::Closed { sent, ending }
}

/// What a call that has no answer is told when its connection ended for this reason.
pub(crate) fn for_call(why: ClientError, sent: bool) -> ClientError {
    #[expect(clippy::wildcard_enum_match_arm, reason = "only `Closed` speaks about one call")]
    match why {
        ClientError::Closed { ending, .. } => closed(sent, ending),
        other => other,
    }
}

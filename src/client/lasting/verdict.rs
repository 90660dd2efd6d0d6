//! What becomes of a call whose sending failed. Decides only.

use crate::{ClientError, Ending, Ran, Retry};

/// What becomes of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It ends with the error.
    End,
    /// It ends, and nobody knows whether it ran.
    Unknown,
    /// It is sent again once the server is there again.
    AfterReturn,
    /// It is sent again after a pause.
    AfterPause,
}

/// The verdict on a call and on its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) what: Verdict,
    /// Whether the connection is in trouble, and if so whether it surely is.
    pub(super) trouble: Option<bool>,
}

/// Judges one failure.
pub(super) fn judge(error: &ClientError, may_repeat: bool) -> Judged {
    let trouble = trouble(error);
    let may_again = error.ran() == Ran::No || may_repeat;
    let what = if !may_again {
        Verdict::Unknown
    } else if is_final(error) {
        Verdict::End
    } else if trouble.is_some() {
        Verdict::AfterReturn
    } else {
        Verdict::AfterPause
    };
    Judged { what, trouble }
}

/// Whether the connection may be lost, and whether it surely is.
fn trouble(error: &ClientError) -> Option<bool> {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "all others came over a connection that works"
    )]
    match error {
        ClientError::Connect(_) | ClientError::SessionLost => Some(true),
        ClientError::Tls(_) => Some(true),
        ClientError::Closed { ending: Ending::Withdrawn, .. } => None,
        ClientError::Closed { sent: false, .. } => Some(true),
        ClientError::Closed { .. } => Some(false),
        _ => None,
    }
}

/// Whether the same would come of it again. A connection that we closed is followed by another,
/// unless the client is closed.
fn is_final(error: &ClientError) -> bool {
    let closed_by_us = matches!(error, ClientError::Closed { ending: Ending::ByUs, .. });
    (error.retry() == Retry::Never && !closed_by_us)
        || matches!(error, ClientError::Busy | ClientError::Protocol(_))
}

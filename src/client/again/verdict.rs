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

#[cfg(test)]
mod tests {
    use super::*;

    fn closed(sent: bool, ending: Ending) -> ClientError {
        ClientError::Closed { sent, ending }
    }

    #[test]
    fn only_what_did_not_run_or_may_run_twice_is_sent_again() {
        use Verdict::{AfterPause, AfterReturn, End, Unknown};
        let lost = || Ending::Lost("reset".into());
        let http = |status| ClientError::Http { status, retry_after: None };
        // The failure; the verdict; the verdict where it may run twice.
        let table = [
            (ClientError::Connect("refused".into()), AfterReturn, AfterReturn),
            (ClientError::Tls("expired".into()), AfterReturn, AfterReturn),
            (ClientError::SessionLost, AfterReturn, AfterReturn),
            (closed(false, lost()), AfterReturn, AfterReturn),
            (closed(true, lost()), Unknown, AfterReturn),
            (closed(true, Ending::Exited("1".into())), Unknown, AfterReturn),
            (closed(true, Ending::ByUs), Unknown, AfterReturn),
            (closed(true, Ending::Withdrawn), Unknown, AfterPause),
            (http(429), AfterPause, AfterPause),
            (http(503), Unknown, AfterPause),
            (ClientError::Auth { status: 401 }, End, End),
            (ClientError::Auth { status: 403 }, Unknown, End),
            (ClientError::Protocol("x".into()), Unknown, End),
            (ClientError::TooLarge { limit: 1 }, Unknown, End),
            (ClientError::Invalid("x".into()), End, End),
            (ClientError::Busy, End, End),
        ];
        for (error, verdict, repeatable) in table {
            assert_eq!(judge(&error, false).what, verdict, "{error:?}");
            assert_eq!(judge(&error, true).what, repeatable, "{error:?}");
        }
    }
}

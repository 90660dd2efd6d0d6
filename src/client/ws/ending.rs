//! What follows from the way a socket ended.

use super::drive::Lost;
use crate::error::plainly;
use tokio_tungstenite::tungstenite::{
    Error,
    error::CapacityError,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

/// What follows for the session that the socket had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follows {
    /// It may be waiting for another socket.
    MayGoOn,
    /// It has ended.
    IsOver,
}

/// Reads the close frame of the server.
pub(super) fn closed(frame: Option<&CloseFrame>) -> (Follows, Lost) {
    let Some(CloseFrame { code, reason }) = frame else {
        return (Follows::MayGoOn, Lost::Gone("the server closed without a reason".to_owned()));
    };
    let told = format!("the server closed with {}: {reason}", u16::from(*code));
    (after(*code), Lost::Gone(told))
}

fn after(code: CloseCode) -> Follows {
    match u16::from(code) {
        // It closed on its own account, we broke the protocol, sent too much, or did not read; or
        // the session is another socket's now, which has it for good.
        1000 | 1002 | 1003 | 1007 | 1009 | 1013 | 4001 => Follows::IsOver,
        // The server stops, or could not see us; all else asks the server.
        _ => Follows::MayGoOn,
    }
}

/// Reads what went wrong with the socket.
pub(super) fn failed(error: &Error, limit: usize) -> (Follows, Lost) {
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others are losses of the socket")]
    match error {
        // It would come again with each socket.
        Error::Capacity(CapacityError::MessageTooLong { .. }) => {
            (Follows::IsOver, Lost::TooLarge(limit))
        }
        Error::Protocol(_) | Error::Utf8(_) if !is_reset(error) => {
            (Follows::IsOver, Lost::Broken(format!("a frame broke RFC 6455: {error}")))
        }
        _ => (Follows::MayGoOn, Lost::Gone(format!("the socket was lost: {}", plainly(error)))),
    }
}

/// The peer vanished without a closing handshake; the library calls that a protocol error.
const fn is_reset(error: &Error) -> bool {
    use tokio_tungstenite::tungstenite::error::ProtocolError;
    matches!(error, Error::Protocol(ProtocolError::ResetWithoutClosingHandshake))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_close_code_says_whether_the_session_may_go_on() {
        for (code, follows) in [
            (1000, Follows::IsOver),
            (1001, Follows::MayGoOn),
            (1002, Follows::IsOver),
            (1003, Follows::IsOver),
            (1007, Follows::IsOver),
            (1008, Follows::MayGoOn),
            (1009, Follows::IsOver),
            (1011, Follows::MayGoOn),
            (1012, Follows::MayGoOn),
            (1013, Follows::IsOver),
            (4001, Follows::IsOver),
            (4000, Follows::MayGoOn),
        ] {
            let frame = CloseFrame { code: code.into(), reason: "why".into() };
            let (found, Lost::Gone(told)) = closed(Some(&frame)) else { panic!("{code}") };
            assert_eq!(found, follows, "{code}");
            assert!(told.contains("why") && told.contains(&code.to_string()), "{told}");
        }
        assert_eq!(closed(None).0, Follows::MayGoOn);
    }
}

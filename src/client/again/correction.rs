//! Errors with which a modern server says that it did not run a call because of how it was sent, and
//! what can be done about it. Who sends it again does so once.

use mcp_protocol::{RawObject, Revision, RpcError, code};

/// What was wrong with a call, as far as its sender can mend it. A missing capability (-32021) is
/// not ours to declare: the answer says which, and is passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Correction {
    /// Its revision was refused and offered in the same breath (-32022), as by a server that was
    /// just replaced: the same call may do now.
    SendAgain,
    /// Its headers do not fit its body (-32020): arguments that the tool wants repeated may be
    /// others than when it was listed.
    ListTools,
}

impl Correction {
    /// What can be done about an answer of a modern server.
    #[must_use]
    pub fn of(refused: &RpcError) -> Option<Self> {
        match refused.code {
            code::UNSUPPORTED_PROTOCOL_VERSION if offers_ours(refused) => Some(Self::SendAgain),
            code::HEADER_MISMATCH => Some(Self::ListTools),
            _ => None,
        }
    }
}

/// Whether the error says that our revision is spoken.
fn offers_ours(refused: &RpcError) -> bool {
    let data = refused.data.as_deref().and_then(RawObject::parse);
    let supported = data
        .and_then(|data| serde_json::from_str::<Vec<String>>(data.get("supported")?.get()).ok());
    supported.is_some_and(|all| all.iter().any(|one| one == Revision::LATEST_MODERN.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_protocol::raw;

    #[test]
    fn only_what_can_be_mended_is() {
        let error = |code, data: &str| {
            let mut error = RpcError::new(code, "no");
            error.data = raw(data);
            Correction::of(&error)
        };
        let ours = r#"{"supported":["2025-11-25","2026-07-28"],"requested":"2026-07-28"}"#;
        assert_eq!(error(-32022, ours), Some(Correction::SendAgain));
        assert_eq!(error(-32022, r#"{"supported":["2025-11-25"]}"#), None);
        assert_eq!(error(-32022, "null"), None);
        assert_eq!(error(-32020, "null"), Some(Correction::ListTools));
        assert_eq!(error(-32021, r#"{"requiredCapabilities":{"sampling":{}}}"#), None);
        assert_eq!(error(-32602, ours), None);
    }
}

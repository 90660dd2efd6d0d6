//! What a stdio bridge (`mcp-orchestrator connect`) says of its way back to us, in the `_meta` of
//! its next request: it has no port of its own to be asked at.

use super::Stages;
use mcp_protocol::{RawObject, RawValue, Request};
use mcp_telemetry::{Event, ReconnectOutcome};
use std::time::Duration;

const ATTEMPTS: &str = "mcp-orchestrator/bridge_attempts";
const AWAY_MS: &str = "mcp-orchestrator/bridge_away_ms";
const RETURN: &str = "mcp-orchestrator/bridge_return";
/// Whoever says that it tried more often is not believed.
const MOST_ATTEMPTS: u64 = 100_000;

impl Stages {
    /// Counts a return, if the request speaks of one.
    pub(super) fn count_bridge(&self, request: &Request) {
        let params = request.params.as_deref().filter(|params| params.get().contains(ATTEMPTS));
        if let Some(event) = params.and_then(returned) {
            self.telemetry.emit(&event);
        }
    }
}

fn returned(params: &RawValue) -> Option<Event<'static>> {
    let params = RawObject::parse(params)?;
    let meta = params.get("_meta").and_then(RawObject::parse)?;
    let number = |key: &str| meta.get(key)?.get().parse::<u64>().ok();
    let attempts = number(ATTEMPTS).filter(|attempts| (1..=MOST_ATTEMPTS).contains(attempts))?;
    let outcome = match meta.get_str(RETURN).as_deref() {
        Some("resumed") => ReconnectOutcome::Resumed,
        _ => ReconnectOutcome::Reinitialized,
    };
    let away = Duration::from_millis(number(AWAY_MS).unwrap_or_default());
    Some(Event::BridgeReturned { outcome, failed: attempts - 1, away })
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_protocol::raw;

    #[test]
    fn only_what_a_bridge_may_have_done_is_believed() {
        let read = |meta: &str| returned(&raw(&format!(r#"{{"_meta":{meta}}}"#)).expect("JSON"));
        let three = format!(r#"{{"{ATTEMPTS}":3,"{AWAY_MS}":1500,"{RETURN}":"resumed"}}"#);
        let Some(Event::BridgeReturned { outcome, failed, away }) = read(&three) else {
            panic!("no return: {three}")
        };
        assert_eq!((outcome, failed), (ReconnectOutcome::Resumed, 2));
        assert_eq!(away, Duration::from_millis(1_500));
        for meta in [
            "{}",
            "7",
            r#"{"mcp-orchestrator/bridge_attempts":0}"#,
            r#"{"mcp-orchestrator/bridge_attempts":100001}"#,
            r#"{"mcp-orchestrator/bridge_attempts":"3"}"#,
        ] {
            assert!(read(meta).is_none(), "{meta}");
        }
    }
}

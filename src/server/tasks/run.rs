//! The calls that tasks are made of. Each lives by itself: no client need wait for it.

use super::{Shared, now};
use crate::{
    call::{BoxFuture, Caller, Downstream, Principal, Question, code},
    upstream::ToolEntry,
};
use mcp_protocol::{
    Era, Method, ModernMeta, Payload, RawObject, RawValue, Revision, RpcError, raw_value,
};
use mcp_store::TaskState;
use mcp_telemetry::Outcome;
use serde_json::json;
use std::{
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::time::sleep;

/// Largest result that is kept, in bytes.
const LARGEST_RESULT: usize = 4 << 20;
/// How long to wait where an upstream wants to be called again and asks nothing.
const PAUSE: Duration = Duration::from_secs(1);

impl Shared {
    /// Makes the call of a task that is known to run.
    pub(super) fn start(
        self: &Arc<Self>,
        principal: &Principal,
        tool: &Arc<ToolEntry>,
        id: &Arc<str>,
    ) {
        let (shared, principal) = (Arc::clone(self), principal.clone());
        let (tool, id) = (Arc::clone(tool), Arc::clone(id));
        self.calls.spawn(async move {
            let closing = shared.closing.clone();
            // One that is cut off by our end is found again as one that ran, and told so then.
            closing.run_until_cancelled(shared.run(&principal, &tool, &id)).await;
        });
    }

    async fn run(self: &Arc<Self>, principal: &Principal, tool: &ToolEntry, id: &Arc<str>) {
        while let Some((caller, params, cancel)) = self.call(principal, id) {
            let call = Box::pin(self.upstreams.tool(&caller, tool, Some(&params)));
            let Some(reply) = cancel.run_until_cancelled(call).await else {
                return self.settle(id, |kept| kept.give_up(now())).await;
            };
            // It was cut off by our end, and is found again as one that ran.
            if self.closing.is_cancelled() && reply.outcome == Outcome::OutcomeUnknown {
                return;
            }
            let mut goes_on = false;
            // What it asks stands there twice.
            let has_room = |bytes: usize| self.state().has_room(principal.name(), 2 * bytes);
            let payload = bounded(reply.payload, has_room);
            self.settle(id, |kept| goes_on = kept.answered(payload, now())).await;
            if !goes_on {
                return;
            }
            sleep(PAUSE).await;
        }
    }

    /// The call as it is to be made next; `None` when the task is none that runs.
    fn call(
        self: &Arc<Self>,
        principal: &Principal,
        id: &Arc<str>,
    ) -> Option<(Caller, Box<RawValue>, tokio_util::sync::CancellationToken)> {
        let state = self.state();
        let kept = state.get(id).filter(|kept| kept.record.state == TaskState::Running)?;
        let meta = ModernMeta {
            protocol_version: Revision::LATEST_MODERN.as_str().to_owned(),
            client_capabilities: kept.capabilities(),
            client_info: None,
            log_level: None,
        };
        let caller = Caller {
            principal: principal.clone(),
            era: Era::Modern,
            session: None,
            modern: Some(Arc::new(meta)),
            downstream: Arc::new(Progress { shared: Arc::downgrade(self), id: Arc::clone(id) }),
        };
        Some((caller, kept.params(), kept.cancel.clone()))
    }
}

/// What a call says on its way: its progress is how the task is.
struct Progress {
    shared: Weak<Shared>,
    id: Arc<str>,
}

impl Downstream for Progress {
    fn notify(&self, method: &str, params: Option<Box<RawValue>>) {
        if method != Method::Progress.as_str() {
            return;
        }
        let message = params.as_deref().and_then(RawObject::parse);
        let message = message.and_then(|params| params.get_str("message"));
        if let (Some(shared), Some(message)) = (self.shared.upgrade(), message) {
            shared.state().change(&self.id, |kept| kept.says(&message, now()));
        }
    }

    fn ask(&self, question: Question<'_>) -> BoxFuture<'static, Payload> {
        Box::pin(std::future::ready(Err(RpcError::method_not_found(question.method))))
    }
}

/// An answer that is small enough to be kept; `has_room` says whether so many bytes have room.
fn bounded(payload: Payload, has_room: impl Fn(usize) -> bool) -> Payload {
    let fits = |bytes: usize| bytes <= LARGEST_RESULT && has_room(bytes);
    match payload {
        Ok(result) if !fits(result.get().len()) => {
            let text = "It was done, and the answer was too large to be kept.";
            let data = json!({ "code": "too_large", "ran": "yes" });
            Err(RpcError::new(code::OVER_LIMIT, text).with_data(&data))
        }
        Err(error) if !fits(raw_value(&error).get().len()) => {
            let text = "It failed, and what was said of it was too large to be kept.";
            let data = json!({ "code": "too_large", "ran": "unknown" });
            Err(RpcError::new(error.code, text).with_data(&data))
        }
        payload => payload,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_and_errors_are_kept_within_bounds() {
        let large = raw_value(&"x".repeat(LARGEST_RESULT));
        let told = |payload: Payload, room: bool| {
            bounded(payload, |_| room).err().map(|error| (error.code, error.message.len() < 100))
        };
        assert_eq!(told(Ok(raw_value(&1)), true), None);
        assert_eq!(told(Ok(raw_value(&1)), false), Some((code::OVER_LIMIT, true)));
        assert_eq!(told(Ok(large.clone()), true), Some((code::OVER_LIMIT, true)));
        let error = RpcError::new(-5, "no").with_data(&json!(large.get()));
        assert_eq!(told(Err(error), true), Some((-5, true)));
    }
}

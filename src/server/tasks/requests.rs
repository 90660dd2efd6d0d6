//! `tasks/get`, `tasks/update` and `tasks/cancel`.

use super::{Shared, Tasks, kept::Kept, now, told::Told};
use crate::{
    call::{Caller, code},
    upstream::{Reply, ToolEntry},
};
use mcp_protocol::{Era, Method, RawObject, RawValue, RpcError, raw_value, tasks_not_declared};
use mcp_store::TaskState;
use mcp_telemetry::Outcome;
use serde_json::json;
use std::sync::Arc;

impl Tasks {
    /// Answers a request of the extension.
    pub(crate) async fn answer(
        &self,
        caller: &Caller,
        method: Method,
        params: Option<&RawValue>,
    ) -> Reply {
        if !caller.takes_tasks() {
            return refused(tasks_not_declared());
        }
        let object = RawObject::of_params(params).unwrap_or_default();
        let Some(id) = object.get_str("taskId") else {
            return refused(RpcError::invalid_params("`taskId` must be the id of a task."));
        };
        let responses = object.get("inputResponses").and_then(RawObject::parse);
        if method == Method::TasksUpdate && responses.is_none() {
            return refused(RpcError::invalid_params("`inputResponses` must be an object."));
        }
        if let Some(reply) = self.0.kept(caller, method, &id, responses).await {
            return reply;
        }
        if let Some(reply) = self.0.of_agents(caller.principal.name(), method, &id).await {
            return reply;
        }
        let relayed = self.0.upstreams.relay_task(caller, method, (&id, params)).await;
        relayed.unwrap_or_else(|| {
            let sentence = "Task not found: it is none of yours, or is kept no longer.";
            refused(RpcError::invalid_params(sentence))
        })
    }
}

impl Shared {
    /// The answer to a request about a task that is kept here; `None` when it is not.
    async fn kept(
        self: &Arc<Self>,
        caller: &Caller,
        method: Method,
        id: &str,
        responses: Option<RawObject<'_>>,
    ) -> Option<Reply> {
        let told = {
            let state = self.state();
            let kept = state.of(caller.principal.name(), id)?;
            if method == Method::TasksCancel && kept.record.state == TaskState::Running {
                // Its call ends it.
                kept.cancel.cancel();
                return Some(acknowledged());
            }
            kept.told(self.config.ttl)
        };
        Some(match (method, responses) {
            (Method::TasksGet, _) => detailed(&told),
            (Method::TasksUpdate, Some(responses)) => self.update(caller, id, &responses),
            (Method::TasksCancel, _) => {
                let (shared, id) = (Arc::clone(self), id.to_owned());
                let ending = async move { shared.change(&id, |kept| kept.give_up(now())).await };
                // A panic in it would leave the task ended here all the same.
                let _done = self.calls.spawn(ending).await.is_ok();
                acknowledged()
            }
            _ => return None,
        })
    }

    /// Takes answers of a client, and goes on with the call when they are all there.
    fn update(self: &Arc<Self>, caller: &Caller, id: &str, responses: &RawObject<'_>) -> Reply {
        let mut goes_on = None;
        {
            let mut state = self.state();
            let Some(tool) = state.get(id).map(|kept| Arc::clone(&kept.record.tool)) else {
                return acknowledged();
            };
            let tool = self.upstreams.catalogue().tool(Era::Modern, &tool);
            let tool = tool.filter(|tool| caller.principal.tools().allows(&tool.name));
            let Some(tool) = tool else { return gone() };
            let changed = state.change(id, |kept| {
                goes_on = kept.answer(responses, now()).then_some(tool);
            });
            if let Some(kept) = changed {
                let id = Arc::clone(&kept.record.id);
                drop(state);
                self.go_on(caller, id, goes_on);
            }
        }
        acknowledged()
    }

    /// Writes the answers down, and makes the call again if it has a tool.
    fn go_on(self: &Arc<Self>, caller: &Caller, id: Arc<str>, tool: Option<Arc<ToolEntry>>) {
        let (shared, principal) = (Arc::clone(self), caller.principal.clone());
        self.calls.spawn(async move {
            let written = shared.write_down(&id).await;
            let Some(tool) = tool else { return shared.tell(&id) };
            match written {
                Ok(()) => {
                    shared.tell(&id);
                    shared.start(&principal, &tool, &id);
                }
                // After a crash it would look as if it waited, and could be made once more.
                Err(error) => {
                    let text = format!(
                        "It did not go on, because that could not be written down: {error}."
                    );
                    let error = RpcError::new(code::UNAVAILABLE, text);
                    shared.change(&id, |kept: &mut Kept| kept.fail(&error, now())).await;
                }
            }
        });
    }
}

pub(super) fn detailed(told: &Told) -> Reply {
    let mut object = told.detailed();
    object.set_value("resultType", &"complete");
    Reply { payload: Ok(object.to_raw()), outcome: Outcome::Ok }
}

pub(super) fn acknowledged() -> Reply {
    let payload = Ok(raw_value(&json!({ "resultType": "complete" })));
    Reply { payload, outcome: Outcome::Ok }
}

fn refused(error: RpcError) -> Reply {
    Reply { payload: Err(error), outcome: Outcome::ClientError }
}

fn gone() -> Reply {
    let sentence = "The tool that asked is not there now. The task waits: answer again later.";
    Reply {
        payload: Err(RpcError::new(code::UNAVAILABLE, sentence)),
        outcome: Outcome::Unavailable,
    }
}

//! `tasks/get`, `tasks/update` and `tasks/cancel`.

use super::{Shared, Tasks, kept::Kept, now, told::Told};
use crate::{
    call::{Caller, Principal, code},
    upstream::{Reply, ToolEntry},
};
use mcp_protocol::{Era, Method, RawObject, RawValue, RpcError, raw_value, tasks_not_declared};
use mcp_store::TaskState;
use mcp_telemetry::Outcome;
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

/// Longest time for what is told to be written down.
const SAFE_WITHIN: Duration = Duration::from_secs(2);

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
        let responses = object.get("inputResponses").filter(|given| given.get().starts_with('{'));
        if method == Method::TasksUpdate && responses.is_none() {
            return refused(RpcError::invalid_params("`inputResponses` must be an object."));
        }
        if self.0.state().of(caller.principal.name(), &id).is_some() {
            return match (method, responses) {
                (Method::TasksUpdate, Some(given)) => self.0.update(caller, &id, given).await,
                (Method::TasksCancel, _) => self.0.cancel(&id).await,
                _ => self.0.get(&id).await,
            };
        }
        if let Some(reply) = self.0.of_agents(caller.principal.name(), method, &id).await {
            return reply;
        }
        let relayed = self.0.upstreams.relay_task(caller, method, (&id, params)).await;
        relayed.unwrap_or_else(not_found)
    }
}

impl Shared {
    /// How a task that is kept here is. What is told of it is safe, unless that takes too long.
    async fn get(&self, id: &str) -> Reply {
        let turn = self.state().get(id).map(|kept| Arc::clone(&kept.turn));
        let _turn = match &turn {
            Some(turn) => timeout(SAFE_WITHIN, turn.lock()).await.ok(),
            None => None,
        };
        self.told(id).map_or_else(not_found, |told| detailed(&told))
    }

    async fn cancel(self: &Arc<Self>, id: &str) -> Reply {
        let runs = {
            let state = self.state();
            let kept = state.get(id).filter(|kept| kept.record.state == TaskState::Running);
            // Its call ends it.
            kept.map(|kept| kept.cancel.cancel()).is_some()
        };
        if !runs {
            let (shared, id) = (Arc::clone(self), id.to_owned());
            let ending = async move { shared.settle(&id, |kept| kept.give_up(now())).await };
            // A panic in it would leave the task ended here all the same.
            let _done = self.calls.spawn(ending).await.is_ok();
        }
        acknowledged()
    }

    /// Takes answers of a client, and goes on with the call when they are all there.
    async fn update(self: &Arc<Self>, caller: &Caller, id: &str, given: &RawValue) -> Reply {
        let Some(name) = self.state().get(id).map(|kept| Arc::clone(&kept.record.tool)) else {
            return not_found();
        };
        let tool = self.upstreams.catalogue().tool(Era::Modern, &name);
        let Some(tool) = tool.filter(|tool| caller.principal.tools().allows(&tool.name)) else {
            return gone();
        };
        // They stand there twice, as what was asked does.
        if !self.state().has_room(caller.principal.name(), 2 * given.get().len()) {
            return no_room();
        }
        let (shared, principal) = (Arc::clone(self), caller.principal.clone());
        let (id, given) = (Arc::<str>::from(id), given.to_owned());
        let going_on = async move { shared.go_on(&principal, &tool, (&id, &given)).await };
        // A client that goes away meanwhile has answered all the same.
        let _done = self.calls.spawn(going_on).await.is_ok();
        acknowledged()
    }

    async fn go_on(
        self: &Arc<Self>,
        principal: &Principal,
        tool: &Arc<ToolEntry>,
        (id, given): (&Arc<str>, &RawValue),
    ) {
        let mut goes_on = false;
        let answer = |kept: &mut Kept| {
            let given = RawObject::parse(given).unwrap_or_default();
            goes_on = kept.answer(&given, now());
        };
        match self.change(id, answer).await {
            Some(Ok(())) if goes_on => self.start(principal, tool, id),
            // After a crash it would look as if it waited, and could be made once more.
            Some(Err(error)) if goes_on => {
                let text =
                    format!("It did not go on, because that could not be written down: {error}.");
                let error = RpcError::new(code::UNAVAILABLE, text);
                self.settle(id, |kept| kept.fail(&error, now())).await;
            }
            _ => {}
        }
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

fn not_found() -> Reply {
    let sentence = "Task not found: it is none of yours, or is kept no longer.";
    refused(RpcError::invalid_params(sentence))
}

fn gone() -> Reply {
    later("The tool that asked is not there now. The task waits: answer again later.")
}

fn no_room() -> Reply {
    later(
        "Your tasks take all the room that they may. The task waits: answer again when others have ended.",
    )
}

fn later(sentence: &str) -> Reply {
    Reply {
        payload: Err(RpcError::new(code::UNAVAILABLE, sentence)),
        outcome: Outcome::Unavailable,
    }
}

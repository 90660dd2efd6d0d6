//! Runs one task on one agent, at most once.

use super::{
    Shared,
    agent::AgentState,
    change_of, now,
    supervise::Post,
    task::{Code, End},
};
use mcp_client::{ClientError, Connection, OutCall, Ran};
use mcp_protocol::{Payload, RawObject, RawValue, raw, raw_value};
use mcp_store::TaskRecord;
use serde_json::{Value, json};
use std::{collections::HashMap, sync::Arc};

/// Most pages of tools that are read of one agent, and most tools.
const MOST_PAGES: usize = 10;
const MOST_TOOLS: usize = 1_000;
/// Largest result that is kept, in bytes.
const LARGEST_RESULT: usize = 1 << 20;

/// The tools of an agent, and whether each may be called again when nobody knows whether it ran.
pub(super) struct Tools(HashMap<String, bool>);

impl Tools {
    /// Asks the agent.
    pub(super) async fn read(connection: &Connection) -> Result<Self, ClientError> {
        let mut tools = HashMap::new();
        let mut cursor: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let params = cursor.as_ref().map_or(json!({}), |cursor| json!({ "cursor": cursor }));
            let page = match connection.call(OutCall::new("tools/list", raw_value(&params))).await?
            {
                Ok(page) => serde_json::from_str::<Value>(page.get()).unwrap_or_default(),
                Err(error) => return Err(ClientError::Refused(error)),
            };
            for tool in page["tools"].as_array().into_iter().flatten() {
                let (Some(name), hints) = (tool["name"].as_str(), &tool["annotations"]) else {
                    continue;
                };
                let repeatable = hints["readOnlyHint"] == true || hints["idempotentHint"] == true;
                if tools.len() < MOST_TOOLS {
                    tools.insert(name.to_owned(), repeatable);
                }
            }
            cursor = page["nextCursor"].as_str().map(ToOwned::to_owned);
            if cursor.is_none() {
                break;
            }
        }
        Ok(Self(tools))
    }
}

/// What became of the agent with the task.
pub(super) enum Ended {
    /// It answered.
    Answered,
    /// It did not, for a reason of the task's, or because it died.
    NotAnswered,
    /// It did not answer in time.
    Hung,
    /// It is to stop.
    Stopped,
}

impl Shared {
    /// Runs a task that was taken for this agent, to an end or back to the queue.
    pub(super) async fn place(
        &self,
        post: &Post,
        connection: &Connection,
        tools: &Tools,
        id: Arc<str>,
    ) -> Ended {
        let Some(task) = self.mark(&id, tools) else { return Ended::NotAnswered };
        self.set(&post.id, |agent| {
            (agent.state, agent.task) = (AgentState::Busy, Some(Arc::clone(&id)));
        });
        let ended = self.run(post, connection, tools, &task).await;
        self.set(&post.id, |agent| {
            (agent.state, agent.task) = (AgentState::Idle, None);
            agent.done += u64::from(matches!(ended, Ended::Answered));
        });
        ended
    }

    fn mark(&self, id: &str, tools: &Tools) -> Option<Marked> {
        let mut state = self.state();
        let tool = state.tasks.get(id)?.record.tool.to_string();
        let repeatable = tools.0.get(&tool).copied().unwrap_or(false);
        let task = state.tasks.repeatable(id, repeatable)?;
        Some(Marked { record: task.record.clone(), cancel: task.cancel.clone() })
    }

    async fn run(
        &self,
        post: &Post,
        connection: &Connection,
        tools: &Tools,
        task: &Marked,
    ) -> Ended {
        let id = &task.record.id;
        if !tools.0.contains_key(&*task.record.tool) {
            let text = format!("The agent has no tool `{}`.", task.record.tool);
            self.end(id, End::failed(Code::UnknownTool, "no", text)).await;
            return Ended::NotAnswered;
        }
        // A call is made only once it is safe that nobody will take it for one that waits.
        if let Err(error) = self.write(mcp_store::WorkChange::Task(task.record.clone())).await {
            let text = format!("It was not run, because that could not be written down: {error}.");
            self.end(id, End::failed(Code::Unavailable, "no", text)).await;
            return Ended::NotAnswered;
        }
        let call = OutCall::new("tools/call", params(&task.record));
        let answer = tokio::select! {
            biased;
            () = task.cancel.cancelled() => {
                let text = "It was cancelled while it ran, and may be done in part or whole.";
                self.end(id, End::failed(Code::Cancelled, "unknown", text)).await;
                return Ended::NotAnswered;
            }
            answer = tokio::time::timeout(self.config.task_timeout, connection.call(call)) => answer,
            () = post.stop.cancelled() => {
                self.lost(id, Ran::Unknown, "it was stopped").await;
                return Ended::Stopped;
            }
        };
        match answer {
            Err(_elapsed) => {
                let text = format!(
                    "Its agent did not answer within {} s, and was started anew. It may have been done, in part or whole.",
                    self.config.task_timeout.as_secs_f64()
                );
                self.end(id, End::failed(Code::OutcomeUnknown, "unknown", text)).await;
                Ended::Hung
            }
            Ok(Ok(payload)) => {
                self.end(id, end_of(payload)).await;
                Ended::Answered
            }
            Ok(Err(ClientError::TooLarge { limit })) => {
                self.end(id, too_large(limit)).await;
                Ended::Answered
            }
            Ok(Err(error)) => {
                self.lost(id, error.ran(), &error.to_string()).await;
                Ended::NotAnswered
            }
        }
    }

    /// The agent of a task was lost.
    async fn lost(&self, id: &Arc<str>, ran: Ran, why: &str) {
        let lost = {
            let mut state = self.state();
            let lost = state.tasks.lost(id, ran, why, now());
            lost.map(|task| (change_of(task), task.record.state))
        };
        let Some((change, state)) = lost else { return };
        if state.has_ended() {
            let code = if ran == Ran::No { Code::Unavailable } else { Code::OutcomeUnknown };
            return self.settle(Some(change), &End::failed(code, "", why)).await;
        }
        // Where it cannot be written that it waits, it stays one that runs there: the safe side.
        let _written = self.write(change).await.is_ok();
        self.queue(id);
    }
}

/// A task that is about to run.
struct Marked {
    record: TaskRecord,
    cancel: tokio_util::sync::CancellationToken,
}

fn params(task: &TaskRecord) -> Box<RawValue> {
    let mut params = RawObject::default();
    params.set_value("name", &&*task.tool);
    if let Some(arguments) = raw(&task.arguments) {
        params.set("arguments", arguments);
    }
    params.to_raw()
}

fn end_of(payload: Payload) -> End {
    match payload {
        Ok(result) if result.get().len() > LARGEST_RESULT => too_large(LARGEST_RESULT),
        Ok(result) => End::Answered(result.get().into()),
        Err(error) => {
            let text: String = error.message.chars().take(1_000).collect();
            let text = format!("The agent answered with an error: {text} ({}).", error.code);
            End::failed(Code::AgentError, "unknown", text)
        }
    }
}

fn too_large(limit: usize) -> End {
    let text =
        format!("It was done, and the answer is larger than {limit} bytes and was not kept.");
    End::failed(Code::TooLarge, "yes", text)
}

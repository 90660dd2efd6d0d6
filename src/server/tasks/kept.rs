//! One task that is kept here: a call of an upstream's tool, how far it is, and what its upstream
//! wants to know of the client meanwhile. Pure.

use super::told::Told;
use crate::{
    call::{Caller, code},
    upstream::ToolEntry,
};
use mcp_protocol::{
    Payload, RawObject, RawValue, RpcError, TASKS_EXTENSION, TaskStatus, key, raw, raw_value,
    without_extension,
};
use mcp_store::{TaskRecord, TaskRunner, TaskState, UtcMillis, WorkChange};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// Most rounds of questions in one call.
const MOST_ROUNDS: u32 = 100;
/// Longest sentence on how a task is, in letters.
const LONGEST_MESSAGE: usize = 500;

/// A task.
pub(super) struct Kept {
    pub(super) record: TaskRecord,
    talk: Talk,
    /// How it is, as its upstream last said.
    message: Option<String>,
    /// Ends its call.
    pub(super) cancel: CancellationToken,
    /// Whoever writes it down waits for its turn, so that the newest is written last.
    pub(super) turn: Arc<Mutex<()>>,
}

/// What is known of its client, and asked of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Talk {
    capabilities: Box<RawValue>,
    round: u32,
    /// Questions that wait, by a key that no other question of this task has.
    asked: BTreeMap<String, Asked>,
    /// Answers to this round, by the upstream's keys.
    answers: BTreeMap<String, Box<RawValue>>,
    /// The upstream's state, sealed.
    state: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Asked {
    key: String,
    request: Box<RawValue>,
}

impl Kept {
    /// One that is about to run.
    pub(super) fn new(
        caller: &Caller,
        tool: &ToolEntry,
        params: Option<&RawValue>,
        now: UtcMillis,
    ) -> Self {
        let capabilities = caller.modern.as_ref().map(|meta| &*meta.client_capabilities);
        let capabilities = capabilities
            .map_or_else(|| raw_value(&json!({})), |all| without_extension(all, TASKS_EXTENSION));
        let talk = Talk {
            capabilities,
            round: 0,
            asked: BTreeMap::new(),
            answers: BTreeMap::new(),
            state: None,
        };
        let record = TaskRecord {
            id: uuid::Uuid::new_v4().to_string().into(),
            principal: caller.principal.shared_name(),
            runner: TaskRunner::Upstream,
            kind: Arc::clone(&tool.upstream),
            task: "".into(),
            tool: Arc::clone(&tool.name),
            arguments: to_be_sent(params).get().into(),
            state: TaskState::Running,
            attempts: 1,
            repeatable: false,
            created: now,
            changed: now,
            result: None,
            history: raw_value(&talk).get().into(),
        };
        Self::of(record, talk)
    }

    fn of(record: TaskRecord, talk: Talk) -> Self {
        let (cancel, turn) = (CancellationToken::new(), Arc::default());
        Self { record, talk, message: None, cancel, turn }
    }

    /// One as it was stored; `None` when what is stored cannot be read.
    pub(super) fn stored(record: TaskRecord) -> Option<Self> {
        let talk = serde_json::from_str(&record.history).ok()?;
        Some(Self::of(record, talk))
    }

    /// What its client declared, but for tasks: this call is one already.
    pub(super) fn capabilities(&self) -> Box<RawValue> {
        self.talk.capabilities.clone()
    }

    /// The params of the call, with the answers of this round.
    pub(super) fn params(&self) -> Box<RawValue> {
        let mut params = RawObject::parse_str(&self.record.arguments).unwrap_or_default();
        if self.talk.round > 0 {
            params.set_value("inputResponses", &self.talk.answers);
            params.remove("requestState");
            if let Some(state) = &self.talk.state {
                params.set_value("requestState", state);
            }
        }
        params.to_raw()
    }

    /// Takes what its call was answered. Whether there is a call to be made again: its upstream
    /// asked for another round without a question.
    pub(super) fn answered(&mut self, payload: Payload, now: UtcMillis) -> bool {
        let asked = payload.as_ref().ok().and_then(|result| Questions::of(result));
        match (asked, payload) {
            // Its client was told so before the questions came.
            (Some(_), _) if self.cancel.is_cancelled() => self.give_up(now),
            (Some(questions), _) if self.talk.round < MOST_ROUNDS => {
                self.ask(questions, now);
                return self.record.state == TaskState::Running;
            }
            (Some(_), _) => {
                let text = format!("Its upstream asked in {MOST_ROUNDS} rounds, and was given up.");
                self.fail(&RpcError::new(code::NOT_BRIDGED, text), now);
            }
            (None, Ok(result)) => self.stop(TaskState::Completed, Some(result.get()), now),
            (None, Err(error)) => self.fail(&error, now),
        }
        false
    }

    fn ask(&mut self, questions: Questions, now: UtcMillis) {
        let talk = &mut self.talk;
        talk.round += 1;
        talk.answers.clear();
        talk.state = questions.state;
        talk.asked = questions
            .requests
            .into_iter()
            .map(|(key, request)| (format!("{}.{key}", talk.round), Asked { key, request }))
            .collect();
        let waits = !talk.asked.is_empty();
        self.note(if waits { TaskState::Queued } else { TaskState::Running }, now);
    }

    /// Takes answers of its client. Whether that was the last one, so that its call goes on.
    pub(super) fn answer(&mut self, responses: &RawObject<'_>, now: UtcMillis) -> bool {
        if self.record.state != TaskState::Queued {
            return false;
        }
        for (key, response) in responses.iter() {
            // What nobody asked, or asked once and was told, is passed over.
            if let Some(asked) = self.talk.asked.remove(key) {
                self.talk.answers.insert(asked.key, response.to_owned());
            }
        }
        let goes_on = self.talk.asked.is_empty();
        self.note(if goes_on { TaskState::Running } else { TaskState::Queued }, now);
        goes_on
    }

    /// Ends it with an error.
    pub(super) fn fail(&mut self, error: &RpcError, now: UtcMillis) {
        self.message = Some(shortened(&error.message));
        self.stop(TaskState::Failed, Some(raw_value(error).get()), now);
    }

    /// Ends it because its client wants no more of it.
    pub(super) fn give_up(&mut self, now: UtcMillis) {
        // A call of it that was just begun ends too.
        self.cancel.cancel();
        let runs = self.record.state == TaskState::Running;
        let text = if runs {
            "It was cancelled while it ran, and may be done in part or whole."
        } else {
            "It was cancelled while it waited for an answer."
        };
        self.message = Some(text.to_owned());
        self.stop(TaskState::Cancelled, None, now);
    }

    fn stop(&mut self, state: TaskState, result: Option<&str>, now: UtcMillis) {
        self.record.result = result.map(Into::into);
        // What it was called with is of no use any more.
        self.record.arguments = "{}".into();
        self.talk.asked.clear();
        self.talk.answers.clear();
        self.talk.state = None;
        if state == TaskState::Completed {
            self.message = None;
        }
        self.note(state, now);
    }

    fn note(&mut self, state: TaskState, now: UtcMillis) {
        self.record.state = state;
        self.record.changed = now;
        self.record.history = raw_value(&self.talk).get().into();
    }

    /// Its upstream says how it is.
    pub(super) fn says(&mut self, message: &str, now: UtcMillis) {
        self.message = Some(shortened(message));
        self.record.changed = now;
    }

    /// As it is to be written.
    pub(super) fn change(&self) -> WorkChange {
        WorkChange::Task(self.record.clone())
    }

    /// How it ended, if it has: its state, and why there is no answer.
    pub(super) fn end(&self) -> Option<(&'static str, Option<&'static str>)> {
        let state = self.record.state;
        let code = match state {
            TaskState::Failed => Some("error"),
            TaskState::Queued
            | TaskState::Running
            | TaskState::Completed
            | TaskState::Cancelled => None,
        };
        state.has_ended().then_some((state.as_str(), code))
    }

    /// About how much memory it takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let result = self.record.result.as_ref().map_or(0, |result| result.len());
        // What it is asked stands there twice.
        self.record.arguments.len() + result + 2 * self.record.history.len()
    }

    /// As its client is told of it.
    pub(super) fn told(&self, ttl: Duration) -> Told {
        let result = self.record.result.as_deref().unwrap_or("null");
        let told = |status| Told::new(&self.record, status, ttl).saying(self.message.as_deref());
        match self.record.state {
            TaskState::Running => told(TaskStatus::Working),
            TaskState::Queued => {
                let questions: BTreeMap<&String, &RawValue> =
                    self.talk.asked.iter().map(|(key, asked)| (key, &*asked.request)).collect();
                told(TaskStatus::InputRequired).with("inputRequests", raw_value(&questions).get())
            }
            TaskState::Completed => told(TaskStatus::Completed).with("result", result),
            TaskState::Failed => {
                let error =
                    raw(result).and_then(|error| RawObject::parse(&error)?.get_str("message"));
                let message = self.message.clone().or(error);
                told(TaskStatus::Failed).saying(message.as_deref()).with("error", result)
            }
            TaskState::Cancelled => told(TaskStatus::Cancelled),
        }
    }
}

/// What an upstream asks instead of giving a result.
struct Questions {
    requests: BTreeMap<String, Box<RawValue>>,
    state: Option<String>,
}

impl Questions {
    fn of(result: &RawValue) -> Option<Self> {
        let object = RawObject::parse(result)?;
        if object.get_str("resultType").as_deref() != Some("input_required") {
            return None;
        }
        let requests = object.get("inputRequests").and_then(RawObject::parse).unwrap_or_default();
        let requests = requests.iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
        Some(Self { requests: requests.collect(), state: object.get_str("requestState") })
    }
}

/// The params with a token of ours, so that the upstream reports progress, which gives the call
/// more time; and without a wish for log messages, for which there is no stream.
fn to_be_sent(params: Option<&RawValue>) -> Box<RawValue> {
    let mut params = RawObject::of_params(params).unwrap_or_default();
    let meta = params.get("_meta").map(ToOwned::to_owned);
    let mut meta = meta.as_deref().and_then(RawObject::parse).unwrap_or_default();
    meta.set_value(key::PROGRESS_TOKEN, &"task");
    meta.remove(key::LOG_LEVEL);
    let meta = meta.to_raw();
    params.set("_meta", meta);
    params.to_raw()
}

fn shortened(text: &str) -> String {
    text.chars().take(LONGEST_MESSAGE).collect()
}

#[cfg(test)]
#[path = "kept_tests.rs"]
mod tests;

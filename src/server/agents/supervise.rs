//! Keeps one agent running until it is no longer wanted, or has died too often.

use super::{
    Shared,
    agent::AgentState,
    now,
    place::{Ended, Tools},
    table::Lane,
};
use mcp_client::{
    Backoff, ClientError, Connection, Identity, Options, Pulse, Sink, Target, Tries, chance,
};
use mcp_protocol::{Notification, raw_value};
use mcp_telemetry::{AgentEvent, Event, Telemetry};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

/// An agent that lived this long is healthy: its next death is its first.
const HEALTHY: Duration = Duration::from_secs(30);
/// Largest message of an agent, in bytes.
const LARGEST_MESSAGE: usize = 4 << 20;
/// Longest time for an agent to say what it is.
const START_WITHIN: Duration = Duration::from_secs(30);

/// What one agent's task needs.
pub(super) struct Post {
    pub(super) id: Arc<str>,
    pub(super) lane: Lane,
    pub(super) target: Target,
    pub(super) wake: Arc<Notify>,
    pub(super) stop: CancellationToken,
    pub(super) gone: CancellationToken,
}

/// How one life of an agent ended.
enum Life {
    /// We ended it.
    Stopped,
    /// It died; whether it had answered a task or lived for a while.
    Died { healthy: bool, why: String },
}

/// Runs until the agent is to stop.
pub(super) async fn supervise(shared: Arc<Shared>, post: Post) {
    let mut tries = Tries::new(Backoff {
        first: Duration::from_millis(200),
        longest: Duration::from_secs(10),
        attempts: Some(shared.config.restarts.saturating_add(1)),
        ..Backoff::default()
    });
    loop {
        let Life::Died { healthy, why } = live(&shared, &post).await else { break };
        if healthy {
            tries.reset();
        }
        let wait = tries.fail(Instant::now(), chance());
        let state = if wait.is_some() { AgentState::Restarting } else { AgentState::Failed };
        shared.set(&post.id, |agent| {
            (agent.state, agent.process, agent.error) = (state, None, Some(why));
        });
        let Some(wait) = wait else { break };
        if post.stop.run_until_cancelled(sleep(wait)).await.is_none() {
            break;
        }
        shared.set(&post.id, |agent| {
            agent.restarts += 1;
            agent.state = AgentState::Starting;
        });
    }
    post.gone.cancel();
}

async fn live(shared: &Arc<Shared>, post: &Post) -> Life {
    let opened = post.stop.run_until_cancelled(open(shared, post)).await;
    let (connection, tools) = match opened {
        None => return Life::Stopped,
        Some(Ok(opened)) => opened,
        Some(Err(error)) => return Life::Died { healthy: false, why: error.to_string() },
    };
    let begun = Instant::now();
    shared.set(&post.id, |agent| {
        agent.state = AgentState::Idle;
        agent.process = connection.process_id();
        agent.error = None;
    });
    let (mut done, pulse) = (false, pulse(shared));
    let why = loop {
        let next = tokio::select! {
            biased;
            () = post.stop.cancelled() => break None,
            why = connection.closed() => break Some(why.to_string()),
            task = next(shared, post) => task,
            // One that works may be too busy to say so: its task has a timeout.
            why = connection.pulse(&pulse, |_| {}) => break Some(why.to_string()),
        };
        match shared.place(post, &connection, &tools, next).await {
            Ended::Answered => done = true,
            Ended::NotAnswered => {}
            Ended::Hung => break Some("it did not answer in time".to_owned()),
            Ended::Stopped => break None,
        }
    };
    connection.close().await;
    match why {
        None => Life::Stopped,
        Some(why) => Life::Died { healthy: done || begun.elapsed() >= HEALTHY, why },
    }
}

/// How an agent that has nothing to do is asked whether it is there.
fn pulse(shared: &Shared) -> Pulse {
    let every = shared.config.ping;
    let pulse = Pulse::default();
    Pulse { every, within: every.min(pulse.within), ..pulse }
}

/// Starts the process and reads what it can do. Few do this at once.
async fn open(shared: &Shared, post: &Post) -> Result<(Connection, Tools), ClientError> {
    let _turn = shared.starts.acquire().await;
    let info = json!({ "name": "mcp-orchestrator", "version": env!("CARGO_PKG_VERSION") });
    let identity = Identity { info: raw_value(&info), capabilities: raw_value(&json!({})) };
    let options = Options {
        request_timeout: START_WITHIN,
        discover_timeout: START_WITHIN / 3,
        max_message: LARGEST_MESSAGE,
        max_calls: 4,
        queue: 16,
        ..Options::default()
    };
    let sink = Arc::new(Ear { agent: Arc::clone(&post.id), telemetry: shared.telemetry.clone() });
    let connection = Connection::open(&post.target, None, &identity, sink, &options).await?;
    let tools = tokio::time::timeout(START_WITHIN, Tools::read(&connection)).await;
    let late = |_| ClientError::Timeout { method: "tools/list", after: START_WITHIN };
    Ok((connection, tools.map_err(late)??))
}

/// Waits for the next task of the lane; its id.
async fn next(shared: &Shared, post: &Post) -> Arc<str> {
    loop {
        let woken = post.wake.notified();
        {
            let mut state = shared.state();
            let taken = state.tasks.take(&post.lane, &post.id, now());
            if let Some(id) = taken.map(|task| Arc::clone(&task.record.id)) {
                // Of several that were about to wait, one alone may have been woken.
                if state.tasks.has_waiting(&post.lane) {
                    post.wake.notify_one();
                }
                return id;
            }
        }
        woken.await;
    }
}

/// Hears what an agent says unasked. It may ask nothing of us.
struct Ear {
    agent: Arc<str>,
    telemetry: Telemetry,
}

impl Sink for Ear {
    fn notification(&self, _notification: Notification) {}

    fn log_line(&self, line: &str) {
        self.telemetry.emit(&Event::Agent(AgentEvent::Log { agent: &self.agent, line }));
    }
}

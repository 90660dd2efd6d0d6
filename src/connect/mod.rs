//! `connect`: an MCP server on standard input and output that is always there, and behind it a
//! server at a URL that may come and go.
//!
//! `bridge` finds who answers what the agent sends: `answers` from what is `known` (and `kept` on
//! disk for the next time), `forward` with what the server says, `listening` for modern
//! subscriptions, `wishes` what is set while the server is away. `server` is the way there, `agent` the way back, `news`
//! what the server sends unasked, `forms` the words of the other era.
//!
//! Nothing but MCP is written to standard output; what a person should know goes to standard error.

mod agent;
mod answers;
mod bridge;
mod cut;
mod forms;
mod forward;
mod headers;
mod kept;
mod known;
mod listening;
mod news;
mod pages;
mod server;
mod settings;
mod wishes;

pub(crate) use settings::{Given, LONGEST, check_url};

use crate::{config::Environment, failure::Failure};
use agent::Agent;
use bridge::Bridge;
use kept::Kept;
use mcp_client::{Line, Lines};
use mcp_protocol::{Body, EnvelopeError, Message, RpcError, code, parse_body};
use settings::Settings;
use std::{
    io::{self, Write as _},
    sync::Arc,
    time::Duration,
};
use tokio::{
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
    time::timeout,
};

/// Longest message that the agent may send, in bytes.
const MOST_BYTES: usize = 16 << 20;
/// How long calls may still take once the agent has closed our standard input.
const DRAIN: Duration = Duration::from_secs(5);
/// How long an agent may take to read the last answers.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Bridges until standard input is closed, or a signal comes.
///
/// # Errors
/// When what was given cannot be used.
pub(crate) fn connect(given: Given, environment: &Environment) -> Result<(), Failure> {
    let settings = Settings::new(given, environment)?;
    let kept = Kept::at(settings.data_dir.as_deref(), &settings.url, &settings.headers);
    let runtime = Runtime::new()
        .map_err(|error| Failure::run(format!("the system gives no threads: {error}")))?;
    let ended = runtime.block_on(run(settings, kept));
    // A thread that reads standard input cannot be ended; it goes with the process.
    runtime.shutdown_background();
    ended
}

async fn run(settings: Settings, kept: Kept) -> Result<(), Failure> {
    let failed = |error| Failure::run(format!("signals cannot be waited for: {error}"));
    let mut interrupted = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminated = signal(SignalKind::terminate()).map_err(failed)?;
    let (agent, lines) = Agent::new();
    let bridge = Bridge::new(Arc::clone(&agent), settings, kept);
    let mut writer = Box::pin(agent::write(lines, tokio::io::stdout()));
    let mut drain = DRAIN;
    tokio::select! {
        () = read(&bridge) => {}
        // Nobody hears us any more.
        () = &mut writer => return end(bridge, Duration::ZERO).await,
        _signal = interrupted.recv() => drain = Duration::ZERO,
        _signal = terminated.recv() => drain = Duration::ZERO,
    }
    drop(agent);
    let ending = async { end(bridge, drain).await };
    let mut ending = Box::pin(ending);
    tokio::select! {
        ended = &mut ending => {
            // The rest is written once nobody has anything to say.
            let _written = timeout(LAST_WORDS, writer).await;
            ended
        }
        () = &mut writer => ending.await,
    }
}

async fn end(bridge: Arc<Bridge>, drain: Duration) -> Result<(), Failure> {
    bridge.end(drain).await;
    Ok(())
}

/// Takes the agent's messages until there are no more.
async fn read(bridge: &Arc<Bridge>) {
    let mut lines = Lines::new(tokio::io::stdin(), MOST_BYTES);
    loop {
        match lines.next().await {
            Ok(Some(Line::Whole(line))) => take(bridge, &line).await,
            Ok(Some(Line::Cut { head, tail })) => {
                let id = cut::id(&head, &tail);
                let message = format!("Invalid request: a message has at most {MOST_BYTES} bytes");
                let error = RpcError::new(code::INVALID_REQUEST, message);
                refuse(bridge, EnvelopeError { id, error }).await;
            }
            Ok(None) => return,
            Err(error) => return say(&format!("standard input cannot be read: {error}")),
        }
    }
}

async fn take(bridge: &Arc<Bridge>, line: &[u8]) {
    if line.trim_ascii().is_empty() {
        return;
    }
    let items: Vec<Result<Message, EnvelopeError>> = match parse_body(line) {
        Ok(Body::One(message)) => vec![Ok(message)],
        Ok(Body::Batch(items)) => items,
        Err(error) => vec![Err(error)],
    };
    for item in items {
        match item {
            Ok(message) => bridge.take(message).await,
            Err(error) => refuse(bridge, error).await,
        }
    }
}

async fn refuse(bridge: &Bridge, refused: EnvelopeError) {
    bridge.agent.answer(refused.id.as_ref(), &Err(refused.error)).await;
}

/// Tells a person something.
fn say(text: &str) {
    // With nobody to read it, there is nobody to tell.
    let _told = writeln!(io::stderr().lock(), "mcp-orchestrator connect: {text}");
}

//! `mcp-orchestrator agent`: a small MCP server on standard input and output, which `agent_spawn`
//! starts where no other template is configured. Lines in, lines out; what a message means is in
//! `answers`, what the tools do in `tools`. It ends when its input does.

mod answers;
mod tools;

use crate::failure::Failure;
use answers::{Asked, read};
use mcp_client::{Line, Lines};
use mcp_protocol::{Id, Payload, RpcError, code, encode_error, encode_result};
use std::{collections::HashMap, future::Future, io, time::Duration};
use tokio::{
    io::AsyncWriteExt as _,
    sync::mpsc,
    task::{AbortHandle, JoinSet},
};

/// Longest line, in bytes.
const LONGEST_LINE: usize = 4 << 20;
/// Most calls at once.
const MOST_CALLS: usize = 64;
/// Most answers that wait to be written.
const MOST_ANSWERS: usize = 64;
/// Longest time for the last calls to end after the input has, and for their answers to be written.
const LAST_ANSWERS: Duration = Duration::from_millis(200);

/// Serves until the input ends.
///
/// # Errors
/// When the input or the output fails.
pub(crate) fn run() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.map_err(anyhow::Error::from)?;
    let served = runtime.block_on(serve());
    // Reading the input blocks a thread that nobody can stop.
    runtime.shutdown_background();
    served.map_err(|error| Failure::run(format!("the agent cannot be spoken to: {error}")))
}

async fn serve() -> io::Result<()> {
    let (out, lines) = mpsc::channel(MOST_ANSWERS);
    let mut writer = JoinSet::new();
    writer.spawn(write_lines(lines));
    let mut calls = Calls { out, running: JoinSet::new(), known: HashMap::new() };
    let mut input = Lines::new(tokio::io::stdin(), LONGEST_LINE);
    while let Some(line) = input.next().await? {
        calls.receive(&line).await;
    }
    let _ended = tokio::time::timeout(LAST_ANSWERS, calls.end()).await;
    drop(calls);
    // Whoever closed our input may have closed our output as well.
    let _written = tokio::time::timeout(LAST_ANSWERS, writer.join_next()).await;
    Ok(())
}

async fn write_lines(mut lines: mpsc::Receiver<String>) -> io::Result<()> {
    let mut output = tokio::io::stdout();
    while let Some(mut line) = lines.recv().await {
        line.push('\n');
        output.write_all(line.as_bytes()).await?;
        output.flush().await?;
    }
    Ok(())
}

/// The calls that run. Dropping it ends them.
struct Calls {
    out: mpsc::Sender<String>,
    running: JoinSet<Id>,
    known: HashMap<Id, AbortHandle>,
}

impl Calls {
    async fn end(&mut self) {
        while self.running.join_next().await.is_some() {}
    }

    async fn receive(&mut self, line: &Line) {
        while let Some(ended) = self.running.try_join_next() {
            if let Ok(id) = ended {
                self.known.remove(&id);
            }
        }
        let asked = match line {
            Line::Whole(line) if line.trim_ascii().is_empty() => return,
            Line::Whole(line) => read(line),
            Line::Cut { .. } => {
                Asked::Known(None, Err(RpcError::new(code::PARSE, "The line is too long.")))
            }
        };
        match asked {
            Asked::Nothing => {}
            Asked::Withdrawn(id) => {
                if let Some(call) = self.known.remove(&id) {
                    call.abort();
                }
            }
            Asked::Known(id, payload) => send(&self.out, id.as_ref(), payload).await,
            Asked::Call(id, call) => self.start(id, call.run()).await,
        }
    }

    async fn start(&mut self, id: Id, call: impl Future<Output = Payload> + Send + 'static) {
        if self.running.len() >= MOST_CALLS {
            let busy = RpcError::new(code::INTERNAL, "Too many calls at once; nothing was run.");
            return send(&self.out, Some(&id), Err(busy)).await;
        }
        let (out, key) = (self.out.clone(), id.clone());
        let call = self.running.spawn(async move {
            let payload = call.await;
            send(&out, Some(&id), payload).await;
            id
        });
        self.known.insert(key, call);
    }
}

async fn send(out: &mpsc::Sender<String>, id: Option<&Id>, payload: Payload) {
    let text = match (id, payload) {
        (Some(id), Ok(result)) => encode_result(id, &result),
        (id, Err(error)) => encode_error(id, &error),
        (None, Ok(_)) => return,
    };
    // Nobody reads any more: then nobody waits for it either.
    let _gone = out.send(text).await.is_err();
}

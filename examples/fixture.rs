//! An upstream MCP server for the tests, over stdio, speaking both eras.
//!
//! It has every tool, resource and prompt that the official conformance suite asks of a server
//! under test, and some tools of our own that make upstream behaviour visible. Each message is
//! answered in the era it came in: legacy after `initialize`, modern by its `_meta`. Calls run
//! side by side.
//!
//! | Variable | Meaning |
//! |---|---|
//! | `FIXTURE_ERAS` | `legacy`, `modern` or `both` (default): what it speaks |
//! | `FIXTURE_DELAY_MS` | how long it waits before it reads its first message |
//! | `FIXTURE_LOG` | a file to which `sleep` appends `start`, `done` and `cancelled` lines, and `record` `ran` lines |
//! | `FIXTURE_PAGE_SIZE` | how many entries a list answers at a time; all by default |
//! | `FIXTURE_NAME` | the name it gives itself (default `fixture`) |
//! | `FIXTURE_WARMING_UP` | a file with a number: so many more lists of tools are empty |
//! | `FIXTURE_ORACLE` | a file in which `oracle_run` counts, so that the count outlives the process |
//! | `FIXTURE_STUBBORN` | if set, the end of its input and SIGTERM do not end it |

#[path = "fixture/basic.rs"]
mod basic;
#[path = "fixture/call.rs"]
mod call;
#[path = "fixture/changes.rs"]
mod changes;
#[path = "fixture/content.rs"]
mod content;
#[path = "fixture/dispatch.rs"]
mod dispatch;
#[path = "fixture/oracle.rs"]
mod oracle;
#[path = "fixture/own.rs"]
mod own;
#[path = "fixture/prompts.rs"]
mod prompts;
#[path = "fixture/questions.rs"]
mod questions;
#[path = "fixture/resources.rs"]
mod resources;
#[path = "fixture/rounds.rs"]
mod rounds;
#[path = "fixture/settings.rs"]
mod settings;
#[path = "fixture/state.rs"]
mod state;
#[path = "fixture/tools.rs"]
mod tools;

use settings::Settings;
use state::Fixture;
use std::{io, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    signal::unix::{SignalKind, signal},
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    task::JoinSet,
};

/// Longest time for the answers of the last calls after the end of the input.
const LAST_ANSWERS: Duration = Duration::from_millis(200);

#[tokio::main]
async fn main() -> io::Result<()> {
    let settings = Settings::from_env();
    tokio::time::sleep(settings.delay).await;
    let stubborn = settings.stubborn;
    let (out, lines) = unbounded_channel();
    let mut writer = JoinSet::new();
    writer.spawn(write_lines(lines));
    let fixture = Fixture::new(settings, out);
    let _sigterm = stubborn.then(|| signal(SignalKind::terminate())).transpose()?;
    read_lines(&fixture).await?;
    if stubborn {
        std::future::pending::<()>().await;
    }
    fixture.finish(LAST_ANSWERS).await;
    drop(fixture);
    let _written = tokio::time::timeout(LAST_ANSWERS, writer.join_next()).await;
    Ok(())
}

async fn read_lines(fixture: &std::sync::Arc<Fixture>) -> io::Result<()> {
    let mut input = BufReader::new(tokio::io::stdin());
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line).await? > 0 {
        if !line.trim_ascii().is_empty() {
            dispatch::receive(fixture, &line);
        }
        line.clear();
    }
    Ok(())
}

async fn write_lines(mut lines: UnboundedReceiver<String>) -> io::Result<()> {
    let mut output = tokio::io::stdout();
    while let Some(mut line) = lines.recv().await {
        line.push('\n');
        output.write_all(line.as_bytes()).await?;
        output.flush().await?;
    }
    Ok(())
}

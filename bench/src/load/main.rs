//! The loader: MCP clients on one thread that call, shake hands or sit idle, and one line of JSON
//! on stdout about how it went. Latencies are of whole exchanges, up to the end of the answer,
//! and every answer is read and compared with what it must be.

mod client;
mod cold;
mod connect;
mod http;
mod latency;
mod message;
mod process;
mod scrape;
mod sessions;
mod steady;
mod ws;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand, ValueEnum};
use client::{Client, Target};
use serde_json::{Value, json};
use std::{io::Write as _, time::Duration};
use tokio::time::{Instant, sleep};

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    work: Work,
}

#[derive(Subcommand)]
enum Work {
    /// Call a tool, each connection in a session of its own
    Call {
        #[command(flatten)]
        whom: Whom,
        #[command(flatten)]
        load: Load,
        /// The tool, which must give its argument `message` back
        #[arg(long, default_value = "echo")]
        tool: String,
        /// Calls per second in all, sent when they are due; without it, as fast as answers come
        #[arg(long)]
        rate: Option<f64>,
    },
    /// Open and end sessions: initialize, notifications/initialized, DELETE
    Handshake {
        #[command(flatten)]
        whom: Whom,
        #[command(flatten)]
        load: Load,
    },
    /// Connect with the client library, each time anew, up to a session that calls may use
    Connect {
        #[command(flatten)]
        whom: Whom,
        /// How often
        #[arg(long, default_value_t = 200)]
        count: usize,
    },
    /// Hold many idle sessions open and close them again, several times
    Sessions {
        #[command(flatten)]
        whom: Whom,
        /// How many
        #[arg(long, default_value_t = 10_000)]
        count: usize,
        /// Hold an event stream open for each (HTTP only)
        #[arg(long)]
        streams: bool,
        /// How often
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        /// Calls to time, with one session open and with all of them
        #[arg(long, default_value_t = 5_000)]
        probes: usize,
        /// Seconds to wait before memory is read
        #[arg(long, default_value_t = 2.0)]
        settle: f64,
    },
    /// Start a server several times, each time up to the first handshake
    ColdStart {
        #[command(flatten)]
        whom: Whom,
        /// How often
        #[arg(long, default_value_t = 5)]
        count: usize,
        /// The server's command, which must not fork
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Wait until a server answers a handshake
    Ready {
        #[command(flatten)]
        whom: Whom,
        /// Longest time to wait, in seconds
        #[arg(long, default_value_t = 10.0)]
        within: f64,
        /// Wait until this tool can be called, too
        #[arg(long)]
        tool: Option<String>,
    },
    /// Get a page of JSON or text
    Fetch {
        #[command(flatten)]
        whom: Whom,
    },
    /// Print a port of 127.0.0.1 that is free
    FreePort,
}

/// Whom to talk to, and what to call the result.
#[derive(Args)]
struct Whom {
    /// The server: `http://127.0.0.1:PORT/mcp` or `ws://127.0.0.1:PORT/ws`
    #[arg(long)]
    url: String,
    /// Bearer token to send
    #[arg(long)]
    token: Option<String>,
    /// The server's process: its CPU time and memory are told
    #[arg(long)]
    pid: Option<u32>,
    /// Put this into the result as `label`
    #[arg(long, default_value = "")]
    label: String,
    /// Put this into the result as `side`
    #[arg(long, value_enum, default_value_t = Side::Server)]
    side: Side,
}

/// Which of the two that are compared.
#[derive(Clone, Copy, ValueEnum)]
enum Side {
    Server,
    Floor,
}

/// How much of it.
#[derive(Args, Clone, Copy)]
pub(crate) struct Load {
    /// Connections
    #[arg(long, short, default_value_t = 16)]
    connections: usize,
    /// Length of the window that counts
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Time before it
    #[arg(long, default_value_t = 0.3)]
    warm_up: f64,
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(cli.work))
}

async fn run(work: Work) -> anyhow::Result<()> {
    let (whom, report) = match work {
        Work::Call { whom, load, tool, rate } => {
            let target = target(&whom, &tool)?;
            let report = steady::call(&target, load, rate, whom.pid).await?;
            (whom, report)
        }
        Work::Handshake { whom, load } => {
            let report = steady::handshake(&target(&whom, "echo")?, load, whom.pid).await?;
            (whom, report)
        }
        Work::Connect { whom, count } => {
            let report = connect::connect(&whom.url, whom.token.as_deref(), count).await?;
            (whom, report)
        }
        Work::Sessions { whom, count, streams, rounds, probes, settle } => {
            let settle = Duration::from_secs_f64(settle);
            let plan = sessions::Plan { count, streams, rounds, probes, settle };
            let report = sessions::hold(&target(&whom, "echo")?, &plan, whom.pid).await?;
            (whom, report)
        }
        Work::ColdStart { whom, count, command } => {
            let report = cold::start(&target(&whom, "echo")?, count, &command).await?;
            (whom, report)
        }
        Work::Ready { whom, within, tool } => return ready(&whom, within, tool.as_deref()).await,
        Work::Fetch { whom } => {
            let text = http::fetch(&target(&whom, "echo")?).await?;
            (whom, serde_json::from_str(&text).unwrap_or(json!({ "text": text })))
        }
        Work::FreePort => {
            let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
            return print(&listener.local_addr()?.port().into());
        }
    };
    print(&labelled(&whom, report))
}

fn target(whom: &Whom, tool: &str) -> anyhow::Result<Target> {
    Target::new(&whom.url, whom.token.as_deref(), tool)
}

fn labelled(whom: &Whom, mut report: Value) -> Value {
    report["label"] = json!(whom.label);
    report["side"] = match whom.side {
        Side::Server => json!("server"),
        Side::Floor => json!("floor"),
    };
    report
}

fn print(line: &Value) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout().lock(), "{line}")?)
}

async fn ready(whom: &Whom, within: f64, tool: Option<&str>) -> anyhow::Result<()> {
    let target = target(whom, tool.unwrap_or("echo"))?;
    let end = Instant::now() + Duration::from_secs_f64(within);
    loop {
        let error = match once(&target, tool.is_some()).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        if Instant::now() > end {
            return Err(error).with_context(|| format!("{} is not ready", whom.url));
        }
        sleep(Duration::from_millis(20)).await;
    }
}

async fn once(target: &Target, is_called: bool) -> anyhow::Result<()> {
    let mut client = Client::open(target).await?;
    if is_called {
        client.call().await?;
    }
    client.end().await
}

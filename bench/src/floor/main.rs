//! Servers that do no more than the work itself asks for: what the orchestrator is measured
//! against, an upstream for it to forward to, and a receiver for its spans. Started by
//! `bench/run`, talked to by `mcp-bench-load` and by the orchestrator.

mod answer;
mod mcp;
mod sink;
mod ws;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use tokio::net::TcpListener;

/// Serves on 127.0.0.1 until it is killed.
#[derive(Parser)]
struct Cli {
    /// What to be
    mode: Mode,
    /// Port of 127.0.0.1 to listen on
    port: u16,
}

#[derive(Clone, Copy, ValueEnum)]
enum Mode {
    /// An MCP server over Streamable HTTP at /mcp
    Mcp,
    /// An MCP server over WebSocket at any path
    Ws,
    /// A receiver of OTLP spans over HTTP that counts and forgets them
    Sink,
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", cli.port))
            .await
            .with_context(|| format!("cannot listen on port {}", cli.port))?;
        match cli.mode {
            Mode::Mcp => serve(listener, mcp::router()).await,
            Mode::Ws => ws::serve(listener).await,
            Mode::Sink => serve(listener, sink::router()).await,
        }
    })
}

async fn serve(listener: TcpListener, router: axum::Router) -> anyhow::Result<()> {
    use axum::serve::ListenerExt as _;
    let listener = listener.tap_io(|socket| {
        // A socket that refuses the option is about to fail anyway.
        let _without_delay = socket.set_nodelay(true).is_ok();
    });
    Ok(axum::serve(listener, router).await?)
}

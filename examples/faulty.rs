//! A small MCP server over Streamable HTTP (legacy era) that is correct, or is broken in one way.
//!
//! The tests of the lab start it to see that the lab finds what is broken and names it. It has the
//! tools of the oracle, gives sessions, answers calls on streams that can be resumed, and stands
//! before a process of its own without which no tool can be called.
//!
//! ```sh
//! cargo run --example faulty -- --listen 127.0.0.1:3002 --fault hang-call
//! ```

#[path = "faulty/exchange.rs"]
mod exchange;
#[path = "faulty/fault.rs"]
mod fault;
#[path = "faulty/http.rs"]
mod http;
#[path = "faulty/session.rs"]
mod session;
#[path = "faulty/tools.rs"]
mod tools;
#[path = "faulty/upstream.rs"]
mod upstream;

use fault::Fault;
use std::{env, error::Error, path::PathBuf, process::ExitCode};
use tokio::net::TcpListener;

/// What was asked for on the command line.
#[derive(Debug)]
struct Settings {
    listen: String,
    fault: Option<Fault>,
    /// A file in which runs are counted, so that the count outlives the process.
    counts: Option<PathBuf>,
}

impl Settings {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut settings = Self { listen: "127.0.0.1:0".to_owned(), fault: None, counts: None };
        while let Some(word) = words.next() {
            let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
            match word.as_str() {
                "--listen" => settings.listen = value,
                "--fault" => settings.fault = Some(value.parse()?),
                "--counts" => settings.counts = Some(value.into()),
                _ => return Err(format!("{word} is not known: --listen, --fault, --counts")),
            }
        }
        Ok(settings)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut words = env::args().skip(1).peekable();
    if words.next_if(|word| word == upstream::WORD).is_some() {
        return upstream::run();
    }
    match serve(words).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(words: impl Iterator<Item = String>) -> Result<(), Box<dyn Error>> {
    let settings = Settings::read(words)?;
    let listener = TcpListener::bind(&settings.listen).await?;
    eprintln!("listening on http://{}/mcp", listener.local_addr()?);
    axum::serve(listener, http::router(settings.fault, settings.counts)?).await?;
    Ok(())
}

//! A client that does not give up: connects, lists tools, calls one, and tells what happens.
//!
//! ```sh
//! cargo run --example lasting -- http://127.0.0.1:3001/mcp TOKEN
//! cargo run --example lasting -- target/debug/examples/fixture
//! MCP_SERVER_URL=http://127.0.0.1:3001/mcp MCP_API_KEY=TOKEN cargo run --example lasting
//! ```
//!
//! While it runs, stop the server and start it again: calls wait, and go on.

use mcp_client::{Client, ClientConfig, ConfigError, Identity, OutCall, Secret, Sink, Terms};
use mcp_protocol::{Notification, raw_value};
use serde_json::json;
use std::{error::Error, io::Write, sync::Arc, time::Duration};
use tokio::time::sleep;

/// Shows what the server says unasked.
struct Show;

impl Sink for Show {
    fn notification(&self, notification: Notification) {
        say(&format!("the server says {}", notification.name));
    }

    fn log_line(&self, line: &str) {
        say(&format!("the server logs {line}"));
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let config = match args.next() {
        Some(place) => config(place, args.next())?,
        None => {
            ClientConfig::from_env()?.ok_or("name a URL or a command, and for a URL a token")?
        }
    };
    let identity = Identity {
        info: raw_value(&json!({ "name": "lasting-example", "version": "1" })),
        capabilities: raw_value(&json!({})),
    };
    let client = Client::start(config, identity, Arc::new(Show))?;
    let mut events = client.events();
    // A read: it may run twice.
    let terms = Terms { may_repeat: true, ..Terms::default() };
    for _ in 0..10 {
        let list = OutCall::new("tools/list", raw_value(&json!({})));
        match client.call(list, terms).await {
            Ok(Ok(result)) => say(&format!("tools/list: {} bytes", result.get().len())),
            Ok(Err(error)) => say(&format!("the server refuses: {error}")),
            Err(error) => say(&format!("{error} (ran: {:?})", error.ran())),
        }
        while let Ok(event) = events.try_recv() {
            say(&format!("{event:?}"));
        }
        sleep(Duration::from_millis(200)).await;
    }
    for step in client.diagnose().await.steps {
        say(&format!("{:?} after {:?}: {:?}", step.what, step.took, step.outcome));
    }
    say(&format!("{:#?}", client.stats()));
    client.close().await;
    Ok(())
}

fn config(place: String, token: Option<String>) -> Result<ClientConfig, ConfigError> {
    if !place.contains("://") {
        return ClientConfig::to_command(place, Vec::new()).build();
    }
    let mut to = ClientConfig::to_url(place);
    if let Some(token) = token {
        to = to.token(&Secret::from(token));
    }
    to.build()
}

fn say(line: &str) {
    // Nobody may be reading.
    let _written = writeln!(std::io::stdout(), "{line}").is_ok();
}

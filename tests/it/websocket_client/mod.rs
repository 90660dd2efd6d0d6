//! The client library over WebSockets, against the real server: calls, in both eras and over TLS,
//! and sessions that outlive every way in which a socket is lost.

mod away;
mod cuts;
mod plain;
mod upstream;
mod wire;

use crate::support::{Server, Setup, until};
use mcp_client::{
    Backoff, Client, ClientConfig, ClientError, ClientEvent, Identity, OutCall, Return, Secret,
    Sink, State, Target, Terms,
};
use mcp_protocol::{Notification, raw_value};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::broadcast;

/// Remembers what the server says unasked.
#[derive(Default)]
struct Ear(Mutex<Vec<(String, Value)>>);

impl Ear {
    /// The progress that was reported, in its order.
    fn progress(&self) -> Vec<f64> {
        let heard = self.0.lock().expect("no panic");
        let progress = heard.iter().filter(|(name, _)| name == "notifications/progress");
        progress.map(|(_, params)| params["progress"].as_f64().expect("a number")).collect()
    }
}

impl Sink for Ear {
    fn notification(&self, notification: Notification) {
        let params = notification.params.as_ref().map(|params| params.get());
        let params = params.map(|params| serde_json::from_str(params).expect("JSON"));
        let heard = (notification.name.to_string(), params.unwrap_or_default());
        self.0.lock().expect("no panic").push(heard);
    }

    fn log_line(&self, line: &str) {
        panic!("no message of this server is broken: {line}");
    }
}

/// A server with the fixture, which writes what it ran into that file.
async fn server(log: &Path) -> Server {
    start(Setup::new(), log).await
}

async fn start(setup: Setup, log: &Path) -> Server {
    let server = setup.fixture("fix", json!({"FIXTURE_LOG": log})).start().await;
    server.upstreams(&["fix"], "connected").await;
    server
}

/// Where it is, at a WebSocket of that URL.
fn target(server: &Server, url: &str) -> Target {
    let bearer = Secret::from(format!("Bearer {}", server.token()));
    Target::url(url, BTreeMap::from([("authorization".to_owned(), bearer)])).expect("a URL")
}

/// A client that tries often, so that tests are short.
fn config(target: Target) -> ClientConfig {
    let fast = Duration::from_millis(50);
    ClientConfig {
        backoff: Backoff { first: fast, longest: fast, attempts: None, ..Backoff::default() },
        connection_rate: None,
        breaker: None,
        lists: false,
        ..ClientConfig::new(target)
    }
}

fn client(config: ClientConfig) -> (Client, Arc<Ear>) {
    let identity = Identity {
        info: raw_value(&json!({"name": "websocket-test", "version": "1"})),
        capabilities: raw_value(&json!({})),
    };
    let ear = Arc::<Ear>::default();
    let client = Client::start(config, identity, Arc::clone(&ear) as _).expect("it makes sense");
    (client, ear)
}

fn tool(name: &str, arguments: &Value) -> OutCall {
    OutCall::new("tools/call", raw_value(&json!({"name": name, "arguments": arguments})))
}

/// The result of a tool.
async fn call(client: &Client, name: &str, arguments: Value) -> Result<Value, ClientError> {
    let answer = client.call(tool(name, &arguments), Terms::default()).await?;
    let result = answer.unwrap_or_else(|error| panic!("{name}: {error}"));
    Ok(serde_json::from_str(result.get()).expect("JSON"))
}

async fn stands(client: &Client, state: State) {
    until(&format!("it is {state:?}"), || async { client.state() == state }).await;
}

/// How the server came back next.
async fn returned(events: &mut broadcast::Receiver<ClientEvent>) -> Return {
    let find = async {
        loop {
            if let ClientEvent::Returned { how, .. } = events.recv().await.expect("few events") {
                return how;
            }
        }
    };
    crate::support::within(30, "it comes back", find).await
}

//! The chaos proxy before a real server: what each fault does, measured against what it claims.

mod bytes;
mod command;
mod docs;
mod mcp;
mod process;
mod repeat;

use crate::support::{Messages, Server, Setup, pooled};
use mcp_chaos::{Fault, Kind, Plan, Proxy, ProxyOptions};
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// A server that asks for no token.
async fn server() -> Server {
    Setup::new().open().start().await
}

/// A server with the fixture behind it.
async fn with_fixture() -> Server {
    let server = Setup::new().open().fixture("fix", json!({})).start().await;
    server.upstreams(&["fix"], "connected").await;
    server
}

fn address(server: &Server) -> &str {
    server.base().split_once("://").expect("a URL").1
}

/// A proxy before a server, with these faults from the start on.
async fn before(server: &Server, faults: Vec<Fault>) -> Proxy {
    let plan = Plan { seed: Some(7), faults };
    let options = ProxyOptions { plan, ..ProxyOptions::before(address(server)) };
    Proxy::start(options).await.expect("it starts")
}

fn fault(kind: Kind) -> Fault {
    Fault::new("f", kind)
}

/// A legacy client through a proxy, over one connection at a time.
struct Client {
    url: String,
    http: reqwest::Client,
    session: String,
    asked: AtomicU64,
}

impl Client {
    async fn open(proxy: &Proxy) -> Self {
        let url = format!("http://{}/mcp", proxy.address());
        let mut client = Self { url, http: pooled(), session: String::new(), asked: 0.into() };
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": {"name": "raw", "version": "1"}});
        let response = client.send("initialize", params).await.expect("an answer");
        let session = response.headers()["mcp-session-id"].to_str().expect("text").to_owned();
        assert!(Messages::of(response).answer().await["result"].is_object());
        client.session = session;
        let said = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        let taken = client.post().json(&said).send().await.expect("an answer");
        assert_eq!(taken.status(), 202);
        client
    }

    fn post(&self) -> RequestBuilder {
        let request = self.http.post(&self.url).timeout(Duration::from_secs(60));
        let request = request.header("accept", "application/json, text/event-stream");
        if self.session.is_empty() {
            return request;
        }
        let version = request.header("mcp-protocol-version", "2025-11-25");
        version.header("mcp-session-id", &self.session)
    }

    async fn send(&self, method: &str, params: Value) -> reqwest::Result<Response> {
        let id = self.asked.fetch_add(1, Ordering::Relaxed);
        let body = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.post().json(&body).send().await
    }

    /// The answer to a request.
    async fn ask(&self, method: &str, params: Value) -> Value {
        Messages::of(self.send(method, params).await.expect("an answer")).answer().await
    }

    async fn echo(&self, text: &str) -> reqwest::Result<Response> {
        self.send("tools/call", json!({"name": "echo", "arguments": {"message": text}})).await
    }

    /// The status that a ping is answered with.
    async fn ping(&self) -> u16 {
        self.send("ping", json!({})).await.expect("an answer").status().as_u16()
    }
}

/// How often the fault was done to something.
fn injected(proxy: &Proxy) -> u64 {
    proxy.list().iter().map(|state| state.injected).sum()
}

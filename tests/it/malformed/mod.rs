//! Every kind of malformed input is answered as protocol.md says: HTTP status, JSON-RPC code, the
//! request's id where there is one, as JSON, or in band as the one message of a stream. No other
//! session notices.

mod http_edge;
mod legacy;
mod modern;

use crate::support::{Legacy, Reply, Server, Setup, http, until};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

/// One malformed request and what must come back.
struct Row {
    what: &'static str,
    verb: reqwest::Method,
    headers: HeaderMap,
    body: String,
    status: u16,
    code: i64,
    id: Value,
}

impl Row {
    /// A POST with those headers and that body.
    fn post(what: &'static str, headers: HeaderMap, body: impl ToString) -> Self {
        let verb = reqwest::Method::POST;
        Self {
            what,
            verb,
            headers,
            body: body.to_string(),
            status: 400,
            code: -32600,
            id: Value::Null,
        }
    }

    fn verb(mut self, verb: reqwest::Method) -> Self {
        self.verb = verb;
        self
    }

    /// Removes a header.
    fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    /// Sets a header.
    fn with(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().unwrap();
        self.headers.insert(name, HeaderValue::from_str(value).unwrap());
        self
    }

    /// Adds a header once more.
    fn twice(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().unwrap();
        self.headers.append(name, HeaderValue::from_str(value).unwrap());
        self
    }

    /// What must come back.
    fn gives(mut self, status: u16, code: i64, id: impl Into<Value>) -> Self {
        (self.status, self.code, self.id) = (status, code, id.into());
        self
    }

    async fn send(&self, server: &Server) -> Reply {
        let request = http().request(self.verb.clone(), server.url()).headers(self.headers.clone());
        let sent = request.body(self.body.clone()).send().await;
        Reply::of(sent.unwrap_or_else(|error| panic!("{}: {error}", self.what))).await
    }

    /// The one message of an answer. One in band is an event of a stream when it took its time.
    fn message(&self, reply: &Reply) -> Value {
        let kind = reply.header("content-type");
        let text = if self.status == 200 && kind.starts_with("text/event-stream") {
            let data: Vec<_> =
                reply.text.lines().filter_map(|line| line.strip_prefix("data:")).collect();
            data.concat()
        } else if kind.starts_with("application/json") {
            reply.text.clone()
        } else {
            String::new()
        };
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Sends it; what does not come back as it must is told in one line.
    async fn fault(&self, server: &Server) -> Option<String> {
        let reply = self.send(server).await;
        let kind = reply.header("content-type").to_owned();
        let body = self.message(&reply);
        let is = (reply.status, body["error"]["code"].as_i64(), &body["id"]);
        let sentence = body["error"]["message"].as_str().unwrap_or_default();
        let right = is == (self.status, Some(self.code), &self.id)
            && body["jsonrpc"] == "2.0"
            && !sentence.is_empty();
        let must = (self.status, self.code, &self.id);
        (!right).then(|| {
            format!("{}: must be {must:?}, is {} {kind} {}", self.what, reply.status, reply.text)
        })
    }
}

/// The headers every client sends with a POST.
fn plain(server: &Server) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut set = |name: &'static str, value: &str| {
        headers.insert(name, HeaderValue::from_str(value).unwrap())
    };
    set("accept", "application/json, text/event-stream");
    set("content-type", "application/json");
    set("authorization", &format!("Bearer {}", server.token()));
    headers
}

/// A JSON-RPC request with id 7.
fn request(method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})
}

/// Sends all rows while another session stands by; that one notices nothing, and every call that
/// was begun also ended.
async fn check(server: Server, rows: Vec<Row>) {
    let bystander = Legacy::open(&server).await;
    let mut faults = Vec::new();
    for row in &rows {
        faults.extend(row.fault(&server).await);
    }
    assert!(faults.is_empty(), "{} of {} rows:\n{}", faults.len(), rows.len(), faults.join("\n"));
    assert!(bystander.ask("ping", json!({})).await.get("result").is_some());
    assert_eq!(server.scrape().await.sum("mcp_active_sessions", &[]), 1.0);
    bystander.close().await;
    until("all that started ended", || async {
        let scrape = server.scrape().await;
        crate::support::assert_sums(&scrape);
        scrape.sum("mcp_requests_in_flight", &[]) == 0.0
            && scrape.sum("mcp_active_connections", &[]) == 0.0
    })
    .await;
}

async fn server() -> Server {
    let setup = Setup::new().fixture("fix", json!({})).set("limits.body_bytes", 100_000);
    let server = setup.start().await;
    // What names a tool waits until it is known which there are.
    let client = Legacy::open(&server).await;
    until("the upstream's tools are listed", || async {
        client.tools().await.iter().any(|tool| tool == "fix__sleep")
    })
    .await;
    client.close().await;
    server
}

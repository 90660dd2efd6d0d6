//! Clients that speak MCP as raw JSON over HTTP, one for each era, and count what they send.

use super::{Messages, Server};
use reqwest::{
    RequestBuilder,
    header::{HeaderMap, HeaderValue},
};
use serde_json::{Value, json};
use std::sync::{
    LazyLock, Mutex,
    atomic::{AtomicI64, Ordering},
};

/// What clients of this process trust.
static TRUSTED: Mutex<Vec<reqwest::Certificate>> = Mutex::new(Vec::new());

/// Lets all clients made from here on trust that certificate (PEM).
pub fn trust(certificate: &str) {
    let certificate = reqwest::Certificate::from_pem(certificate.as_bytes());
    TRUSTED.lock().expect("no panic").push(certificate.expect("a certificate"));
}

/// An HTTP client that opens a connection for every request, so that dropping an answer is felt.
pub fn http() -> reqwest::Client {
    built(reqwest::Client::builder().pool_max_idle_per_host(0))
}

/// An HTTP client that keeps its connections: for many requests.
pub fn pooled() -> reqwest::Client {
    built(reqwest::Client::builder())
}

/// A client of ours with such settings.
pub fn built(mut builder: reqwest::ClientBuilder) -> reqwest::Client {
    static CLIENT: LazyLock<()> = LazyLock::new(|| {
        // Another test of this process may have installed the same one already.
        drop(rustls::crypto::ring::default_provider().install_default());
    });
    LazyLock::force(&CLIENT);
    builder = builder.no_proxy();
    let trusted = TRUSTED.lock().expect("no panic").clone();
    if !trusted.is_empty() {
        builder = builder.tls_certs_only(trusted);
    }
    builder.build().expect("a client without TLS files")
}

/// A whole HTTP answer.
#[derive(Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The HTTP headers.
    pub headers: HeaderMap,
    /// The body as text.
    pub text: String,
}

impl Reply {
    /// Reads an answer to its end.
    pub async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, text: response.text().await.expect("a body of text") }
    }

    /// The body as JSON; fails the test if it is none or does not say that it is.
    pub fn json(&self) -> Value {
        assert!(self.header("content-type").starts_with("application/json"), "not JSON: {self:?}");
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// A header's value, empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// A client of the legacy era in a session of its own.
pub struct Legacy<'a> {
    server: &'a Server,
    http: reqwest::Client,
    /// The session's id.
    pub session: String,
    /// The answer to `initialize`.
    pub welcome: Value,
    revision: String,
    next: AtomicI64,
}

impl<'a> Legacy<'a> {
    /// Opens a session of 2025-11-25 that declares nothing.
    pub async fn open(server: &'a Server) -> Self {
        Self::with(server, "2025-11-25", json!({})).await
    }

    /// Opens a session of that revision with those client capabilities.
    pub async fn with(server: &'a Server, revision: &str, capabilities: Value) -> Self {
        let http = http();
        let info = json!({"name": "raw-legacy", "version": "1"});
        let params =
            json!({"protocolVersion": revision, "capabilities": capabilities, "clientInfo": info});
        server.sent("initialize");
        let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
        let response = server.post(&http).json(&body).send().await.expect("initialize is answered");
        let session = response.headers().get("mcp-session-id").map(value_text).unwrap_or_default();
        let welcome = Messages::of(response).answer().await["result"].clone();
        assert!(!session.is_empty(), "no session id: {welcome}");
        let revision = welcome["protocolVersion"].as_str().expect("a revision").to_owned();
        let client = Self { server, http, session, welcome, revision, next: AtomicI64::new(1) };
        client.notify("notifications/initialized", json!({})).await;
        client
    }

    /// Goes on with a session that was opened before, maybe with an earlier process.
    pub fn knowing(server: &'a Server, session: &str) -> Self {
        Self {
            server,
            http: http(),
            session: session.to_owned(),
            welcome: Value::Null,
            revision: "2025-11-25".to_owned(),
            next: AtomicI64::new(1_000),
        }
    }

    /// A POST with the headers of this session and no body yet.
    pub fn post(&self) -> RequestBuilder {
        self.headers(self.server.post(&self.http))
    }

    fn headers(&self, request: RequestBuilder) -> RequestBuilder {
        request
            .header("mcp-session-id", &self.session)
            .header("mcp-protocol-version", &self.revision)
    }

    /// Sends a request; its answer may still be arriving.
    pub async fn start(&self, method: &str, params: Value) -> Messages {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.server.sent(method);
        let body = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        Messages::of(self.post().json(&body).send().await.expect("a request is answered"))
    }

    /// Sends a request and gives the whole JSON-RPC answer.
    pub async fn ask(&self, method: &str, params: Value) -> Value {
        self.start(method, params).await.answer().await
    }

    /// Calls a tool and gives its result; fails the test on an error.
    pub async fn call(&self, tool: &str, arguments: Value) -> Value {
        result(self.ask("tools/call", json!({"name": tool, "arguments": arguments})).await)
    }

    /// The names of all tools.
    pub async fn tools(&self) -> Vec<String> {
        names(&result(self.ask("tools/list", json!({})).await)["tools"])
    }

    /// Sends a notification; fails the test unless it is accepted.
    pub async fn notify(&self, method: &str, params: Value) {
        self.deliver(json!({"jsonrpc": "2.0", "method": method, "params": params})).await;
    }

    /// Answers what the server asked.
    pub async fn answer(&self, question: &Value, result: Value) {
        self.deliver(json!({"jsonrpc": "2.0", "id": question["id"], "result": result})).await;
    }

    async fn deliver(&self, body: Value) {
        let response = self.post().json(&body).send().await.expect("a message is taken");
        assert_eq!(response.status(), 202, "{body}");
    }

    /// Opens the session's GET stream.
    pub async fn stream(&self) -> Messages {
        self.get(|request| request).await
    }

    /// Comes back to the stream of an event that was seen last.
    pub async fn resume(&self, last: &str) -> Messages {
        self.get(|request| request.header("last-event-id", last)).await
    }

    async fn get(&self, change: impl FnOnce(RequestBuilder) -> RequestBuilder) -> Messages {
        let request = self.server.get(&self.http, "/mcp").header("accept", "text/event-stream");
        let request = change(request);
        let response = self.headers(request).send().await.expect("the stream opens");
        assert_eq!(response.status(), 200);
        Messages::of(response)
    }

    /// Ends the session.
    pub async fn close(self) {
        let request = self.http.delete(self.server.url()).bearer_auth(self.server.token());
        let response = self.headers(request).send().await.expect("DELETE is answered");
        assert!(response.status().is_success(), "{}", response.status());
    }
}

/// A client of the modern era.
pub struct Modern<'a> {
    server: &'a Server,
    http: reqwest::Client,
    name: String,
    capabilities: Value,
    next: AtomicI64,
}

impl<'a> Modern<'a> {
    /// A client that declares nothing.
    pub fn new(server: &'a Server) -> Self {
        Self::with(server, "raw-modern", json!({}))
    }

    /// A client of that name with those capabilities.
    pub fn with(server: &'a Server, name: &str, capabilities: Value) -> Self {
        Self { server, http: http(), name: name.to_owned(), capabilities, next: AtomicI64::new(1) }
    }

    /// Sends a request; its answer may still be arriving. Keys of `params._meta` are kept.
    pub async fn start(&self, method: &str, params: Value) -> Messages {
        self.start_with(method, params, |request| request).await
    }

    /// The same, with a change to the HTTP request.
    pub async fn start_with(
        &self,
        method: &str,
        mut params: Value,
        change: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Messages {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mut meta = modern_meta(&self.name, &self.capabilities);
        if let Some(own) = params["_meta"].as_object() {
            meta.as_object_mut().expect("an object").extend(own.clone());
        }
        params["_meta"] = meta;
        let named = ["name", "uri", "taskId"].into_iter().find_map(|key| params[key].as_str());
        let name = named.map(str::to_owned);
        let body = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let mut request = self.server.post(&self.http).header("mcp-protocol-version", "2026-07-28");
        request = request.header("mcp-method", method);
        if let Some(name) = name {
            request = request.header("mcp-name", name);
        }
        self.server.sent(method);
        Messages::of(change(request).json(&body).send().await.expect("a request is answered"))
    }

    /// Sends a request and gives the whole JSON-RPC answer.
    pub async fn ask(&self, method: &str, params: Value) -> Value {
        self.start(method, params).await.answer().await
    }

    /// Calls a tool and gives its result; fails the test on an error.
    pub async fn call(&self, tool: &str, arguments: Value) -> Value {
        result(self.ask("tools/call", json!({"name": tool, "arguments": arguments})).await)
    }

    /// The same, with whole params: for what a round of questions adds to them.
    pub async fn call_with(&self, params: Value) -> Value {
        result(self.ask("tools/call", params).await)
    }

    /// The names of all tools.
    pub async fn tools(&self) -> Vec<String> {
        names(&result(self.ask("tools/list", json!({})).await)["tools"])
    }
}

/// The `_meta` every modern request carries.
pub fn modern_meta(name: &str, capabilities: &Value) -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": name, "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": capabilities,
    })
}

fn result(answer: Value) -> Value {
    match answer.get("result") {
        Some(result) => result.clone(),
        None => panic!("an error: {answer}"),
    }
}

fn names(list: &Value) -> Vec<String> {
    let entries = list.as_array().unwrap_or_else(|| panic!("no list: {list}"));
    entries.iter().map(|entry| entry["name"].as_str().expect("a name").to_owned()).collect()
}

fn value_text(value: &HeaderValue) -> String {
    value.to_str().expect("visible ASCII").to_owned()
}

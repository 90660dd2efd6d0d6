//! A legacy server over HTTP that goes away and comes back as the test wants, and a client of it.

use crate::{
    port::Port,
    support::{
        Memory, Peer, Seen, begin_stream, identity, options, respond, respond_json, until, write,
    },
};
use mcp_client::{
    Backoff, Client, ClientConfig, ClientEvent, ListChange, Return, Secret, State, Target,
};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    net::TcpStream,
    sync::broadcast,
    time::{sleep, timeout},
};

/// What the server is and does, as the test sets it.
#[derive(Clone)]
pub struct Script {
    /// The session it gives, and the only one that it knows.
    pub session: &'static str,
    /// Its tools.
    pub tools: Vec<&'static str>,
    /// What it does with `tools/call`.
    pub call: Does,
    /// What it answers to everything, if it is not itself.
    pub gate: Option<&'static str>,
    /// Whether it reads and answers nothing.
    pub silent: bool,
    /// A method that it never answers.
    pub ignores: Option<&'static str>,
    /// Whether it forgets each session as soon as it has given it.
    pub forgets: bool,
    /// Whether it has a stream for what belongs to no call.
    pub speaks: bool,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Does {
    Answer,
    /// Never answers.
    Hang,
    /// Closes the connection without an answer.
    Break,
    /// Answers after so many progress notifications, 50 ms apart.
    Progress(u32),
}

/// A place for a server, and all that was ever asked there.
pub struct Place {
    port: Port,
    script: Arc<Mutex<Script>>,
    seen: Arc<Mutex<Vec<Seen>>>,
    peer: Option<Peer>,
}

impl Place {
    pub fn new() -> Self {
        let script = Script {
            session: "s1",
            tools: vec!["a", "b"],
            call: Does::Answer,
            gate: None,
            silent: false,
            ignores: None,
            forgets: false,
            speaks: false,
        };
        let script = Arc::new(Mutex::new(script));
        Self { port: Port::reserve(), script, seen: Arc::default(), peer: None }
    }

    pub fn set(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.script.lock().expect("no panic"));
    }

    pub async fn up(&mut self) {
        let (script, seen) = (Arc::clone(&self.script), Arc::clone(&self.seen));
        let serve = move |request: Seen, socket| {
            seen.lock().expect("no panic").push(request.clone());
            let script = script.lock().expect("no panic").clone();
            serve(script, request, socket)
        };
        self.peer = Some(Peer::start_at(self.port.address(), serve).await);
    }

    pub fn down(&mut self) {
        self.peer = None;
    }

    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.port.address())
    }

    pub fn target(&self) -> Target {
        let headers = BTreeMap::from([("authorization".to_owned(), Secret::from("Bearer t"))]);
        Target::http(&self.url(), headers).expect("a URL")
    }

    /// How often a method was asked for.
    pub fn asked(&self, method: &str) -> usize {
        self.seen.lock().expect("no panic").iter().filter(|seen| seen.is(method)).count()
    }

    /// Whether every request had that header.
    pub fn saw_header(&self, name: &str, value: &str) -> bool {
        let seen = self.seen.lock().expect("no panic");
        !seen.is_empty() && seen.iter().all(|seen| seen.header(name) == value)
    }

    /// The params of each message of a method.
    pub fn params_of(&self, method: &str) -> Vec<String> {
        let seen = self.seen.lock().expect("no panic");
        let params = |seen: &Seen| {
            let rest = seen.body.split(r#""params":"#).nth(1).unwrap_or_default();
            rest.trim_end_matches('}').to_owned() + "}"
        };
        seen.iter().filter(|seen| seen.is(method)).map(params).collect()
    }

    /// How often the session was deleted.
    pub fn deletions(&self) -> usize {
        self.requests("DELETE")
    }

    /// How often that HTTP method was used.
    pub fn requests(&self, method: &str) -> usize {
        self.seen.lock().expect("no panic").iter().filter(|seen| seen.method == method).count()
    }

    /// All that was asked, in order, without what goes on in the background.
    pub fn methods(&self) -> Vec<String> {
        let seen = self.seen.lock().expect("no panic");
        let name = |seen: &Seen| {
            let rest = seen.body.split(r#""method":""#).nth(1)?;
            Some(rest.split('"').next()?.to_owned())
        };
        seen.iter().filter_map(name).filter(|name| !name.ends_with("/list")).collect()
    }
}

async fn serve(script: Script, seen: Seen, mut socket: TcpStream) {
    let socket = &mut socket;
    if script.silent || script.ignores.is_some_and(|method| seen.is(method)) {
        return std::future::pending().await;
    }
    if let Some(status) = script.gate {
        return respond(socket, status, "retry-after: 1\r\n", "").await;
    }
    if seen.is("server/discover") {
        return respond_json(socket, "400 Bad Request", &seen.error(-32000, "no")).await;
    }
    if seen.is("initialize") {
        let result = r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{},"logging":{},"resources":{"subscribe":true}},"serverInfo":{"name":"peer"}}"#;
        let headers =
            format!("content-type: application/json\r\nmcp-session-id: {}\r\n", script.session);
        return respond(socket, "200 OK", &headers, &seen.result(result)).await;
    }
    if script.forgets || seen.header("mcp-session-id") != script.session {
        return respond_json(socket, "404 Not Found", &seen.error(-32001, "no session")).await;
    }
    if seen.method == "GET" && script.speaks {
        begin_stream(socket).await;
        return std::future::pending().await;
    }
    if seen.method != "POST" {
        return respond(socket, "405 Method Not Allowed", "", "").await;
    }
    if seen.is("tools/list") {
        let tools: Vec<_> =
            script.tools.iter().map(|name| serde_json::json!({ "name": name })).collect();
        let result = serde_json::json!({ "tools": tools }).to_string();
        return respond_json(socket, "200 OK", &seen.result(&result)).await;
    }
    if seen.is("tools/call") {
        match script.call {
            Does::Answer => {}
            Does::Break => return,
            Does::Progress(times) => return slowly(times, seen, socket).await,
            Does::Hang => return std::future::pending().await,
        }
    }
    if seen.body.contains(r#""id":"#) {
        respond_json(socket, "200 OK", &seen.result("{}")).await;
    } else {
        respond(socket, "202 Accepted", "", "").await;
    }
}

async fn slowly(times: u32, seen: Seen, socket: &mut TcpStream) {
    begin_stream(socket).await;
    for done in 0..times {
        let progress = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{},"progress":{done}}}}}"#,
            seen.id()
        );
        write(socket, &format!("data: {progress}\n\n")).await;
        sleep(Duration::from_millis(50)).await;
    }
    write(socket, &format!("data: {}\n\n", seen.result("{}"))).await;
}

/// Tries often, so that tests are short.
pub fn config(place: &Place) -> ClientConfig {
    let fast = Duration::from_millis(20);
    ClientConfig {
        backoff: Backoff { first: fast, longest: fast, attempts: None, ..Backoff::default() },
        connection_rate: None,
        breaker: None,
        options: options(),
        ..ClientConfig::new(place.target())
    }
}

pub fn start(config: ClientConfig) -> (Client, Arc<Memory>) {
    let memory = Arc::new(Memory::default());
    let client =
        Client::start(config, identity(), Arc::clone(&memory) as _).expect("a configuration");
    (client, memory)
}

pub async fn stands(client: &Client, state: State) {
    until(&format!("it is {state:?}"), || client.state() == state).await;
}

/// Waits for an event.
pub async fn event<T>(
    events: &mut broadcast::Receiver<ClientEvent>,
    wanted: impl Fn(ClientEvent) -> Option<T>,
) -> T {
    let find = async {
        loop {
            if let Some(found) = wanted(events.recv().await.expect("few events")) {
                return found;
            }
        }
    };
    timeout(Duration::from_secs(20), find).await.expect("the event comes")
}

/// How the server came back next, and after how many tries.
pub async fn returned(events: &mut broadcast::Receiver<ClientEvent>) -> (Return, u32) {
    let wanted = |event| {
        if let ClientEvent::Returned { how, attempts, .. } = event {
            Some((how, attempts))
        } else {
            None
        }
    };
    event(events, wanted).await
}

/// How a list changed next.
pub async fn list_changed(events: &mut broadcast::Receiver<ClientEvent>) -> ListChange {
    let wanted =
        |event| if let ClientEvent::ListChanged(change) = event { Some(change) } else { None };
    event(events, wanted).await
}

//! An agent that speaks only stdio: runs `connect` and talks to it over its pipes.

use super::{Server, descendants, until, within};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, Command},
    task::JoinSet,
};

/// Everything that came out of one pipe, line by line.
type Lines = Arc<Mutex<Vec<String>>>;

/// A running bridge.
pub struct Bridge {
    child: Child,
    stdin: Option<ChildStdin>,
    out: Lines,
    err: Lines,
    next: u64,
    /// Questions that were answered, by id.
    answers: HashMap<&'static str, Value>,
    answered: usize,
    readers: JoinSet<()>,
}

impl Bridge {
    /// Starts it before that server, with a data folder of its own in `home`.
    pub fn before(server: &Server, home: &Path) -> Self {
        Self::start(&server.url(), home, &["--token", server.token()])
    }

    /// Starts it with those arguments.
    pub fn start(url: &str, home: &Path, arguments: &[&str]) -> Self {
        Self::told(home, &[&[url], arguments].concat(), &[])
    }

    /// Starts it with those arguments alone, and those variables.
    pub fn told(home: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-orchestrator"));
        command.arg("connect").args(arguments).arg("--data-dir").arg(home.join("bridge"));
        command.envs(variables.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().expect("the binary starts");
        let (out, err, mut readers) = (Lines::default(), Lines::default(), JoinSet::new());
        readers.spawn(collect(child.stdout.take().expect("piped"), Arc::clone(&out)));
        readers.spawn(collect(child.stderr.take().expect("piped"), Arc::clone(&err)));
        let stdin = child.stdin.take();
        let answers = HashMap::new();
        Self { child, stdin, out, err, next: 0, answers, answered: 0, readers }
    }

    /// Answers questions of that method so.
    pub fn answering(mut self, method: &'static str, result: Value) -> Self {
        self.answers.insert(method, result);
        self
    }

    /// Writes a line.
    pub async fn write(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("it is open");
        stdin.write_all(format!("{line}\n").as_bytes()).await.expect("the bridge reads");
    }

    pub async fn notify(&mut self, method: &str, params: Value) {
        self.write(&json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string())
            .await;
    }

    /// Sends a request, and gives its id.
    pub async fn send(&mut self, method: &str, params: Value) -> u64 {
        self.next += 1;
        let id = self.next;
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.write(&request.to_string()).await;
        id
    }

    /// The answer to a request, within so many seconds. Answers questions meanwhile.
    pub async fn answer(&mut self, id: u64, seconds: u64) -> Value {
        let all = Arc::clone(&self.out);
        let what = format!("the bridge answers request {id}");
        let wait = async {
            loop {
                let found = messages(&all).into_iter().find(|message| is_answer(message, id));
                match found {
                    Some(answer) => return answer,
                    None => self.attend().await,
                }
            }
        };
        within(seconds, &what, wait).await
    }

    /// The answer to a request that is sent now, within 20 s.
    pub async fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.send(method, params).await;
        self.answer(id, 20).await
    }

    /// The result of a tool.
    pub async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let answer =
            self.request("tools/call", json!({"name": tool, "arguments": arguments})).await;
        answer.get("result").unwrap_or_else(|| panic!("no result: {answer}")).clone()
    }

    /// Does the handshake, and gives the result.
    pub async fn initialize(&mut self, capabilities: Value) -> Value {
        let client = json!({"name": "agent", "version": "1"});
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": client});
        let answer = self.request("initialize", params).await;
        self.notify("notifications/initialized", json!({})).await;
        answer
    }

    /// The names of the tools it lists.
    pub async fn tools(&mut self) -> Vec<String> {
        let answer = self.request("tools/list", json!({})).await;
        let tools = answer["result"]["tools"].as_array().unwrap_or_else(|| panic!("{answer}"));
        tools.iter().map(|tool| tool["name"].as_str().expect("a name").to_owned()).collect()
    }

    /// Answers what it asks, once; then waits a moment.
    async fn attend(&mut self) {
        let questions: Vec<Value> = messages(&self.out)
            .into_iter()
            .filter(|message| message.get("id").is_some() && message.get("method").is_some())
            .collect();
        for question in questions.iter().skip(self.answered) {
            let method = question["method"].as_str().expect("a method");
            let answer = match self.answers.get(method) {
                Some(result) => json!({"jsonrpc": "2.0", "id": question["id"], "result": result}),
                None => panic!("nobody answers {question}"),
            };
            self.write(&answer.to_string()).await;
        }
        self.answered = questions.len();
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }

    /// Every message so far; each line of its output must be one.
    pub fn messages(&self) -> Vec<Value> {
        messages(&self.out)
    }

    /// The params of all notifications of that method so far.
    pub fn notifications(&self, method: &str) -> Vec<Value> {
        let all = self.messages().into_iter().filter(|message| message["method"] == method);
        all.map(|message| message["params"].clone()).collect()
    }

    /// Waits for a notification.
    pub async fn hears(&self, method: &str) {
        until(&format!("the bridge says {method}"), || async {
            !self.notifications(method).is_empty()
        })
        .await;
    }

    /// What it said to people so far.
    pub fn log(&self) -> String {
        self.err.lock().expect("no reader panics").join("\n")
    }

    /// Waits until it says so.
    pub async fn says(&self, words: &str) {
        until(&format!("the bridge says `{words}`"), || async { self.log().contains(words) }).await;
    }

    /// Closes its input, and gives its exit code; all its output was MCP, and no child is left.
    pub async fn finish(self) -> Option<i32> {
        self.end().await.0
    }

    /// The same, with every message it wrote.
    pub async fn end(mut self) -> (Option<i32>, Vec<Value>) {
        let children = descendants(self.child.id().expect("it runs"));
        assert!(children.is_empty(), "it needs no child");
        drop(self.stdin.take());
        let ended = within(15, "the bridge ends", self.child.wait()).await.expect("a child");
        while self.readers.join_next().await.is_some() {}
        (ended.code(), self.messages())
    }

    /// Sends it a signal, by name.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let sent = std::process::Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.expect("kill is there").success());
    }
}

fn is_answer(message: &Value, id: u64) -> bool {
    message["id"] == id && message.get("method").is_none()
}

fn messages(out: &Lines) -> Vec<Value> {
    let lines = out.lock().expect("no reader panics");
    let message = |line: &String| {
        let message: Value =
            serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        assert_eq!(message["jsonrpc"], "2.0", "no MCP: {line}");
        message
    };
    lines.iter().map(message).collect()
}

async fn collect(pipe: impl AsyncRead + Unpin, into: Lines) {
    let mut lines = BufReader::new(pipe).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        into.lock().expect("no reader panics").push(line);
    }
}

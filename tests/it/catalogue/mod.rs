//! The lists of upstreams outlive everything: upstreams that are down, and ourselves.

mod away;
mod bounded;
mod counted;
mod named;
pub(crate) mod real;
mod sdks;
mod warming;

use crate::support::{Legacy, Reply, Server, http, modern_meta, until};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tokio::time::{Duration, Instant, sleep};

const LISTS: [&str; 4] =
    ["tools/list", "prompts/list", "resources/list", "resources/templates/list"];
const KEY: &str = "\"mcp-orchestrator/stale_since\":\"";

/// A switch for upstreams: while it is off, none of them starts.
pub(crate) struct Switch(PathBuf);

impl Switch {
    pub(crate) fn in_dir(dir: &Path) -> Self {
        Self(dir.join("off"))
    }

    /// An entry of `mcpServers` that starts this program while the switch is on.
    fn wrap(&self, name: &str, command: &Path, arguments: &[&str], environment: &Value) -> Value {
        let script = r#"[ -e "$0" ] && exit 1; shift; exec "$@""#;
        let mut all = vec![self.0.display().to_string(), name.to_owned()];
        all.push(command.display().to_string());
        all.extend(arguments.iter().map(ToString::to_string));
        let mut args = vec!["-c".to_owned(), script.to_owned()];
        args.extend(all);
        json!({"command": "/bin/sh", "args": args, "env": environment})
    }

    pub(crate) fn off(&self) {
        fs::write(&self.0, "").unwrap();
    }

    pub(crate) fn on(&self) {
        fs::remove_file(&self.0).unwrap();
    }
}

/// Ends the children of the server.
pub(crate) fn kill_children(server: &Server) {
    for pid in crate::support::descendants(server.pid()) {
        // One of them may have ended with another.
        let _status = std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status();
    }
}

/// The bytes of a list's answer, as a client of each era gets it.
async fn lists(server: &Server, legacy: &Legacy<'_>, method: &str) -> [String; 2] {
    server.sent_times(method, 2);
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {}});
    let first = Reply::of(legacy.post().json(&body).send().await.unwrap()).await;
    let meta = json!({"_meta": modern_meta("raw-lists", &json!({}))});
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": meta});
    let request = server.post(&http()).header("mcp-protocol-version", "2026-07-28");
    let request = request.header("mcp-method", method).json(&body);
    let second = Reply::of(request.send().await.unwrap()).await;
    [first, second].map(|reply| {
        assert_eq!(reply.status, 200, "{method}: {reply:?}");
        reply.text
    })
}

/// The text without the marks, and the times that were in them.
fn unmarked(text: &str) -> (String, Vec<String>) {
    let (mut rest, mut plain, mut times) = (text, String::new(), Vec::new());
    while let Some(at) = rest.find(KEY) {
        let (before, after) = rest.split_at(at);
        let (time, after) = after[KEY.len()..].split_once('"').unwrap();
        times.push(time.to_owned());
        let alone = before.strip_suffix(",\"_meta\":{").filter(|_| after.starts_with('}'));
        match alone {
            Some(before) => {
                plain.push_str(before);
                rest = &after[1..];
            }
            None => {
                plain.push_str(before.strip_suffix(',').unwrap_or(before));
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    (plain, times)
}

/// All lists in both eras without their marks, and all marks.
pub(crate) async fn everything(server: &Server, legacy: &Legacy<'_>) -> (Vec<String>, Vec<String>) {
    let (mut texts, mut marks) = (Vec::new(), Vec::new());
    for method in LISTS {
        for text in lists(server, legacy, method).await {
            let (text, times) = unmarked(&text);
            texts.push(text);
            marks.extend(times);
        }
    }
    (texts, marks)
}

/// Waits until nothing that is listed is marked.
pub(crate) async fn all_fresh(server: &Server, legacy: &Legacy<'_>) -> Vec<String> {
    until("nothing is stale", || async { everything(server, legacy).await.1.is_empty() }).await;
    everything(server, legacy).await.0
}

/// Waits until the tools are so; says what they are, if they never are.
async fn until_tools(legacy: &Legacy<'_>, what: &str, are: impl Fn(&[String]) -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let tools = legacy.tools().await;
        if are(&tools) {
            return;
        }
        assert!(Instant::now() < end, "{what}: {tools:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

//! What the agent can do. It runs no model, and says so.

use super::answers::dressed;
use mcp_protocol::{Era, Payload, RawObject, RawValue, RpcError, raw_value};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Longest wait that may be asked for, in milliseconds: an hour.
const LONGEST_WAIT_MS: u64 = 3_600_000;

/// The tools as a list shows them.
pub(super) fn definitions() -> Value {
    let text = |what: &str| json!({ "type": "string", "description": what });
    let ms = json!({
        "type": "integer", "minimum": 0, "maximum": LONGEST_WAIT_MS,
        "description": "How long to wait, in milliseconds",
    });
    let tool = |name, description, properties, required: &[&str], read_only: bool| {
        json!({
            "name": name,
            "description": description,
            "inputSchema": {
                "type": "object", "properties": properties, "required": required,
                "additionalProperties": false,
            },
            "annotations": { "readOnlyHint": read_only, "openWorldHint": false },
        })
    };
    json!([
        tool(
            "perform",
            "Takes a task, waits if asked, and gives it back with how long it took. Runs no model: it stands where a worker of yours would.",
            json!({ "task": text("What is to be done"), "ms": ms }),
            &["task"],
            false,
        ),
        tool(
            "echo",
            "Gives the message back.",
            json!({ "message": text("What to give back") }),
            &["message"],
            true
        ),
        tool("wait", "Waits.", json!({ "ms": ms }), &["ms"], true),
    ])
}

/// A call of one of them.
pub(super) struct Call {
    era: Era,
    work: Result<Work, String>,
}

enum Work {
    Perform { task: String, ms: u64 },
    Echo(String),
    Wait(u64),
}

impl Call {
    /// Reads the params of `tools/call`. Arguments that do not fit are told to the model, by the
    /// call's result.
    pub(super) fn of(era: Era, params: Option<&RawValue>) -> Result<Self, RpcError> {
        let params = RawObject::of_params(params).unwrap_or_default();
        let name = params.get_str("name");
        let name = name.ok_or_else(|| RpcError::invalid_params("`name` must name a tool."))?;
        let arguments = params.get("arguments").map_or("{}", RawValue::get);
        let arguments: Value = serde_json::from_str(arguments).unwrap_or_default();
        let work = match name.as_str() {
            "perform" => perform(&arguments),
            "echo" => text(&arguments, "message").map(Work::Echo),
            "wait" => wait(&arguments).and_then(|ms| ms.ok_or_else(missing_ms)).map(Work::Wait),
            _ => {
                let name: String = name.chars().take(128).collect();
                return Err(RpcError::invalid_params(format!("Unknown tool: {name}")));
            }
        };
        Ok(Self { era, work })
    }

    /// Does it.
    pub(super) async fn run(self) -> Payload {
        let result = match self.work {
            Err(reason) => json!({ "content": content(&reason), "isError": true }),
            Ok(work) => work.run().await,
        };
        Ok(raw_value(&dressed(result, self.era, false)))
    }
}

impl Work {
    async fn run(self) -> Value {
        let begun = Instant::now();
        match self {
            Self::Echo(message) => json!({ "content": content(&message), "isError": false }),
            Self::Wait(ms) => {
                sleep(Duration::from_millis(ms)).await;
                json!({ "content": content(&format!("Waited {ms} ms.")), "isError": false })
            }
            Self::Perform { task, ms } => {
                sleep(Duration::from_millis(ms)).await;
                let elapsed = begun.elapsed().as_secs_f64() * 1_000.0;
                let done = json!({ "task": task, "elapsedMs": elapsed, "model": Value::Null });
                json!({
                    "content": content(&done.to_string()),
                    "structuredContent": done,
                    "isError": false,
                })
            }
        }
    }
}

fn perform(arguments: &Value) -> Result<Work, String> {
    Ok(Work::Perform { task: text(arguments, "task")?, ms: wait(arguments)?.unwrap_or(0) })
}

fn text(arguments: &Value, name: &str) -> Result<String, String> {
    let text = arguments[name].as_str().map(ToOwned::to_owned);
    text.ok_or_else(|| format!("arguments/{name}: must be a text"))
}

fn wait(arguments: &Value) -> Result<Option<u64>, String> {
    let Some(ms) = arguments.get("ms") else { return Ok(None) };
    let ms = ms.as_u64().filter(|ms| *ms <= LONGEST_WAIT_MS);
    ms.map(Some).ok_or_else(missing_ms)
}

fn missing_ms() -> String {
    format!("arguments/ms: must be a whole number from 0 to {LONGEST_WAIT_MS}")
}

fn content(text: &str) -> Value {
    json!([{ "type": "text", "text": text }])
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_protocol::raw;

    async fn run(name: &str, arguments: Value) -> Value {
        let params = raw(&json!({ "name": name, "arguments": arguments }).to_string()).unwrap();
        let call = Call::of(Era::Legacy, Some(&params)).unwrap();
        serde_json::from_str(call.run().await.unwrap().get()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_comes_back_with_the_time_it_took() {
        let done = run("perform", json!({ "task": "count", "ms": 1_500 })).await;
        let content = &done["structuredContent"];
        assert_eq!((&content["task"], &content["model"]), (&json!("count"), &Value::Null));
        assert!(content["elapsedMs"].as_f64().unwrap() >= 1_500.0, "{done}");
        assert_eq!(run("wait", json!({ "ms": 1 })).await["content"][0]["text"], "Waited 1 ms.");
        assert_eq!(run("echo", json!({ "message": "ü" })).await["content"][0]["text"], "ü");
    }

    #[tokio::test]
    async fn what_does_not_fit_is_told_to_the_model() {
        for (name, arguments, field) in [
            ("perform", json!({}), "task"),
            ("perform", json!({ "task": "x", "ms": -1 }), "ms"),
            ("wait", json!({}), "ms"),
            ("wait", json!({ "ms": LONGEST_WAIT_MS + 1 }), "ms"),
            ("echo", json!([]), "message"),
        ] {
            let refused = run(name, arguments).await;
            assert_eq!(refused["isError"], true);
            let text = refused["content"][0]["text"].as_str().unwrap();
            assert!(text.contains(field), "{text}");
        }
    }
}

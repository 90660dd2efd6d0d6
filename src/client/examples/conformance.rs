//! The client that the official conformance suite judges: it does with a server whatever the
//! server offers. `tests/conformance/client.mjs` has the suite start it; by hand:
//!
//! ```sh
//! cargo run -p mcp-client --example conformance http://127.0.0.1:3001/mcp
//! ```
#![expect(clippy::print_stdout, reason = "an example talks to people")]

use mcp_client::{BoxFuture, Connection, Identity, Options, OutCall, Progress, Sink, Target};
use mcp_protocol::{Notification, Payload, Request, RpcError, headers, raw_value};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, env, error::Error, sync::Arc};

type Anything<T> = Result<T, Box<dyn Error>>;

/// Rounds of questions before a call is given up.
const MOST_ROUNDS: usize = 8;

/// A user who agrees to everything.
struct Agreeable;

impl Sink for Agreeable {
    fn notification(&self, notification: Notification) {
        println!("heard {}", notification.name);
    }

    fn request(
        &self,
        request: Request,
        _progress: Option<Progress>,
    ) -> BoxFuture<'static, Payload> {
        let params = request.params.as_deref().map_or("{}", |params| params.get());
        let answer = serde_json::from_str(params)
            .ok()
            .and_then(|params| reply(&request.name, &params))
            .map(|answer| raw_value(&answer))
            .ok_or_else(|| RpcError::method_not_found(&request.name));
        Box::pin(async move { answer })
    }

    fn log_line(&self, line: &str) {
        println!("not MCP: {line}");
    }
}

#[tokio::main]
async fn main() -> Anything<()> {
    let url = env::args().nth(1).ok_or("which server? Give its URL")?;
    let target = Target::http(&url, BTreeMap::new())?;
    let identity = Identity {
        info: raw_value(&json!({ "name": "mcp-client-conformance", "version": "1.0.0" })),
        capabilities: raw_value(&json!({ "elicitation": { "form": {} } })),
    };
    let sink = Arc::new(Agreeable);
    let server = Connection::open(&target, None, &identity, sink, &Options::default()).await?;
    println!("speaks {}", server.revision().as_str());
    call_tools(&server).await?;
    for (list, items, read, key) in [
        ("resources/list", "resources", "resources/read", "uri"),
        ("prompts/list", "prompts", "prompts/get", "name"),
    ] {
        for item in offered(&server, list, items).await? {
            ask(&server, read, &json!({ key: item[key] })).await?;
        }
    }
    server.close().await;
    Ok(())
}

/// Calls what the suite asks for, or else every tool that may be called.
async fn call_tools(server: &Connection) -> Anything<()> {
    let tools = offered(server, "tools/list", "tools").await?;
    let calls =
        asked_for()?.unwrap_or_else(|| tools.iter().map(|tool| trial(tool, &tools)).collect());
    for call in calls {
        let Some(tool) = tools.iter().find(|tool| tool["name"] == call["name"]) else { continue };
        let headers = match headers::param_headers(&raw_value(&tool["inputSchema"])) {
            Ok(headers) => headers,
            Err(reason) => {
                println!("not called: {}: {reason}", tool["name"]);
                continue;
            }
        };
        let arguments = raw_value(&call["arguments"]);
        let headers = headers
            .iter()
            .filter_map(|param| Some((param.header.clone(), param.value(Some(&arguments))?)))
            .collect();
        to_the_end(server, &call, headers).await?;
    }
    Ok(())
}

/// The calls that the suite wants to see, if it says.
fn asked_for() -> Anything<Option<Vec<Value>>> {
    let Ok(context) = env::var("MCP_CONFORMANCE_CONTEXT") else { return Ok(None) };
    let context: Value = serde_json::from_str(&context)?;
    Ok(context["toolCalls"].as_array().cloned())
}

/// A call with something in every argument that must be there.
fn trial(tool: &Value, tools: &[Value]) -> Value {
    let schema = &tool["inputSchema"];
    let names = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let arguments: Map<String, Value> = names
        .map(|name| {
            let value = match schema["properties"][name]["type"].as_str() {
                Some("number" | "integer") => json!(2),
                Some("boolean") => json!(true),
                // Any object will do; this one shows that schemas arrive as they were sent.
                Some("object") => tools[0]["inputSchema"].clone(),
                _ => json!("text"),
            };
            (name.to_owned(), value)
        })
        .collect();
    json!({ "name": tool["name"], "arguments": arguments })
}

/// A tool call, with every question of a modern server answered on the way.
async fn to_the_end(
    server: &Connection,
    call: &Value,
    headers: Vec<(String, String)>,
) -> Anything<()> {
    let mut params = call.clone();
    for _ in 0..MOST_ROUNDS {
        let mut out = OutCall::new("tools/call", raw_value(&params));
        out.headers.clone_from(&headers);
        let answer = server.call(out).await?.map(|result| serde_json::from_str(result.get()));
        let answer: Value = match answer {
            Ok(answer) => answer?,
            Err(error) => json!({ "content": error.to_string() }),
        };
        if answer["resultType"] != "input_required" {
            println!("{}: {}", call["name"], answer["content"]);
            return Ok(());
        }
        params = call.clone();
        let questions = answer["inputRequests"].as_object().into_iter().flatten();
        let responses: Map<String, Value> = questions
            .filter_map(|(key, question)| {
                let method = question["method"].as_str()?;
                Some((key.clone(), reply(method, &question["params"])?))
            })
            .collect();
        params["inputResponses"] = responses.into();
        if let Some(state) = answer.get("requestState") {
            params["requestState"] = state.clone();
        }
    }
    Err("the server asks and asks".into())
}

/// What the user says to a question: yes, with the defaults of the form.
fn reply(method: &str, params: &Value) -> Option<Value> {
    if method != "elicitation/create" {
        return None;
    }
    let fields = params["requestedSchema"]["properties"].as_object().into_iter().flatten();
    let content: Map<String, Value> = fields
        .filter_map(|(name, field)| Some((name.clone(), field.get("default")?.clone())))
        .collect();
    Some(json!({ "action": "accept", "content": content }))
}

/// A whole list; empty where the server has none.
async fn offered(server: &Connection, method: &'static str, items: &str) -> Anything<Vec<Value>> {
    let answer = ask(server, method, &json!({})).await?;
    Ok(answer.and_then(|answer| answer[items].as_array().cloned()).unwrap_or_default())
}

/// The result; `None` where the server refuses.
async fn ask(server: &Connection, method: &'static str, params: &Value) -> Anything<Option<Value>> {
    match server.call(OutCall::new(method, raw_value(params))).await? {
        Ok(result) => Ok(Some(serde_json::from_str(result.get())?)),
        Err(error) => {
            println!("{method}: {error}");
            Ok(None)
        }
    }
}

//! The built-in tools: small, read-only, always there.

use super::{Tool, ToolCaller, ToolInput, ToolOutput};
use mcp_store::UtcMillis;
use serde_json::{Value, json};
use std::{sync::Arc, time::SystemTime};

/// Tells the state of the server as `/api/status` does.
pub(crate) type StatusSource = Arc<dyn Fn() -> Value + Send + Sync>;

/// All built-ins.
pub(crate) fn builtins(status: &StatusSource) -> Vec<Arc<dyn Tool>> {
    vec![
        Arc::new(Echo),
        Arc::new(HealthCheck(Arc::clone(status))),
        Arc::new(SessionInfo),
        Arc::new(Heartbeat),
        Arc::new(OrchestratorStatus(Arc::clone(status))),
    ]
}

fn no_arguments() -> Value {
    json!({ "type": "object", "properties": {}, "additionalProperties": false })
}

fn read_only() -> Option<Value> {
    Some(json!({ "readOnlyHint": true, "idempotentHint": true, "openWorldHint": false }))
}

struct Echo;

#[async_trait::async_trait]
impl Tool for Echo {
    fn name(&self) -> &'static str {
        "echo"
    }
    fn description(&self) -> &'static str {
        "Gives the message back. Shows that calls reach the orchestrator."
    }
    fn input_schema(&self) -> Value {
        json!({
            "type": "object",
            "properties": { "message": { "type": "string", "description": "What to give back" } },
            "required": ["message"],
            "additionalProperties": false
        })
    }
    fn annotations(&self) -> Option<Value> {
        read_only()
    }
    async fn call(&self, input: ToolInput) -> ToolOutput {
        ToolOutput::text(input.arguments["message"].as_str().unwrap_or_default())
    }
}

struct HealthCheck(StatusSource);

#[async_trait::async_trait]
impl Tool for HealthCheck {
    fn name(&self) -> &'static str {
        "health_check"
    }
    fn description(&self) -> &'static str {
        "Tells whether the orchestrator and each upstream MCP server behind it are up."
    }
    fn input_schema(&self) -> Value {
        no_arguments()
    }
    fn annotations(&self) -> Option<Value> {
        read_only()
    }
    async fn call(&self, _input: ToolInput) -> ToolOutput {
        let status = (self.0)();
        let is_down = |upstream: &&Value| upstream["state"] != "connected";
        let upstreams: Vec<Value> = status["upstreams"].as_array().cloned().unwrap_or_default();
        let down: Vec<&Value> =
            upstreams.iter().filter(is_down).map(|upstream| &upstream["name"]).collect();
        let word = if down.is_empty() { "ok" } else { "degraded" };
        ToolOutput::json(json!({
            "status": word,
            "uptime": status["uptime"],
            "upstreams": upstreams.len(),
            "down": down
        }))
    }
}

struct SessionInfo;

#[async_trait::async_trait]
impl Tool for SessionInfo {
    fn name(&self) -> &'static str {
        "session_info"
    }
    fn description(&self) -> &'static str {
        "Tells how this client is connected: principal, protocol revision, session."
    }
    fn input_schema(&self) -> Value {
        no_arguments()
    }
    fn annotations(&self) -> Option<Value> {
        read_only()
    }
    async fn call(&self, input: ToolInput) -> ToolOutput {
        ToolOutput::json(connection(&input.caller))
    }
}

/// How a client is connected.
fn connection(caller: &ToolCaller) -> Value {
    json!({
        "principal": &*caller.principal,
        "era": caller.era.as_str(),
        "protocolVersion": caller.revision.as_str(),
        "sessionId": caller.session_id.as_deref(),
    })
}

struct Heartbeat;

#[async_trait::async_trait]
impl Tool for Heartbeat {
    fn name(&self) -> &'static str {
        "heartbeat"
    }
    fn description(&self) -> &'static str {
        "Keeps this client's session from being put away as idle; tells the server's time and how the client is connected."
    }
    fn input_schema(&self) -> Value {
        no_arguments()
    }
    fn annotations(&self) -> Option<Value> {
        read_only()
    }
    async fn call(&self, input: ToolInput) -> ToolOutput {
        let mut facts = connection(&input.caller);
        facts["time"] = json!(UtcMillis::from(SystemTime::now()).to_string());
        ToolOutput::json(facts)
    }
}

struct OrchestratorStatus(StatusSource);

#[async_trait::async_trait]
impl Tool for OrchestratorStatus {
    fn name(&self) -> &'static str {
        "orchestrator_status"
    }
    fn description(&self) -> &'static str {
        "Tells the orchestrator's version, uptime, connections, latency, handshakes, and the state of each upstream."
    }
    fn input_schema(&self) -> Value {
        no_arguments()
    }
    fn annotations(&self) -> Option<Value> {
        read_only()
    }
    async fn call(&self, _input: ToolInput) -> ToolOutput {
        ToolOutput::json((self.0)())
    }
}

//! Calls that only the server can answer.

use super::{
    answers::{Look, look},
    bridge::{Bridge, Report},
    forms::{answer_for, no_answer},
    known::List,
    news::CallNews,
    server::Server,
    wishes::{self, is_wish},
};
use mcp_client::{Correction, OutCall, Terms};
use mcp_protocol::{
    Era, Method, Payload, RawObject, RawValue, Request, RpcError, code, headers, key, raw_value,
};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, timeout_at};

/// How often a server that is starting is asked whether it has found a tool.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Sends a call, and gives what the server says in the words of the agent's era.
pub(super) async fn forward(
    bridge: &Arc<Bridge>,
    server: &Arc<Server>,
    request: &Request,
    era: Era,
) -> Payload {
    let (call, terms) = prepare(bridge, request);
    if is_wish(request.method) && (!server.is_there() || bridge.wishes.are_waiting()) {
        let kept = wishes::keep(bridge, server, call, terms);
        return answer_for(era, request.method, kept.map(|()| raw_value(&json!({}))));
    }
    let until = Instant::now() + terms.deadline;
    let answer = match server.client.call(call.clone(), terms).await {
        Ok(Err(refused)) if is_misheaded(server, &call, &refused) => {
            let again = timeout_at(until, with_headers_of_now(bridge, server, &call)).await;
            match again.ok().flatten() {
                Some(call) => {
                    let deadline = until.saturating_duration_since(Instant::now());
                    server.client.call(call, Terms { deadline, ..terms }).await
                }
                None => Ok(Err(refused)),
            }
        }
        Ok(Err(refused)) if may_be_starting(bridge, server, &call, &refused) => {
            let tool = tool_of(&call.params).unwrap_or_default();
            match timeout_at(until, turns_up(bridge, server, &tool)).await {
                // Both tries together have the time of one.
                Ok(true) => {
                    let deadline = until.saturating_duration_since(Instant::now());
                    server.client.call(call, Terms { deadline, ..terms }).await
                }
                Ok(false) | Err(_) => Ok(Err(refused)),
            }
        }
        answer => answer,
    };
    match answer {
        Ok(answer) => answer_for(era, request.method, answer),
        Err(error) => no_answer(era, request.method, &error),
    }
}

/// Whether the server, which has only just come back, refuses a tool that we list.
fn may_be_starting(bridge: &Bridge, server: &Server, call: &OutCall, refused: &RpcError) -> bool {
    call.method == Method::ToolsCall.as_str()
        && [code::INVALID_PARAMS, code::METHOD_NOT_FOUND].contains(&refused.code)
        && server.is_warming_up()
        && tool_of(&call.params).is_some_and(|tool| bridge.known().has_tool(&tool))
}

/// Whether a modern server says that the headers of a tool's call are not those that it wants.
fn is_misheaded(server: &Server, call: &OutCall, refused: &RpcError) -> bool {
    server.client.revision().is_some_and(|revision| revision.era() == Era::Modern)
        && call.method == Method::ToolsCall.as_str()
        && Correction::of(refused) == Some(Correction::ListTools)
}

/// The call with the headers that the tool wants now, if they are others.
async fn with_headers_of_now(
    bridge: &Arc<Bridge>,
    server: &Server,
    call: &OutCall,
) -> Option<OutCall> {
    if matches!(look(bridge, server, List::Tools).await, Ok(Look::News)) {
        bridge.tell_changed(List::Tools);
    }
    let tool = bridge.known().tool(&tool_of(&call.params)?);
    let headers = param_headers(tool.schema.as_deref(), &call.params);
    (headers != call.headers).then(|| OutCall { headers, ..call.clone() })
}

/// Waits until the server has found a tool, and says whether it was missing before. A tool that was
/// there all the time has refused the call itself, and may have run.
async fn turns_up(bridge: &Arc<Bridge>, server: &Server, tool: &str) -> bool {
    let mut was_missing = false;
    loop {
        let seen = look(bridge, server, List::Tools).await;
        if matches!(seen, Ok(Look::News)) {
            bridge.tell_changed(List::Tools);
        }
        if matches!(seen, Ok(Look::Same | Look::News)) {
            let is_there = {
                let known = bridge.known();
                known.has_tool(tool) && !known.is_missed(tool)
            };
            if is_there {
                return was_missing;
            }
            was_missing = true;
        }
        if !server.is_warming_up() {
            return false;
        }
        sleep(LOOK_AGAIN).await;
    }
}

fn prepare(bridge: &Arc<Bridge>, request: &Request) -> (OutCall, Terms) {
    let params = request.params.clone().unwrap_or_else(|| raw_value(&json!({})));
    let mut may_repeat = request.method != Method::Other;
    let mut sent_along = Vec::new();
    if request.method == Method::ToolsCall {
        let tool = tool_of(&params).map(|name| bridge.known().tool(&name)).unwrap_or_default();
        may_repeat = tool.repeatable;
        sent_along = param_headers(tool.schema.as_deref(), &params);
    }
    let token = progress_token(&params);
    let mut call = OutCall::new(request.name.clone(), reported(params, bridge.report()));
    call.headers = sent_along;
    call.progress = token.is_some();
    call.sink = Some(Arc::new(CallNews::new(bridge, token)));
    let deadline = bridge.settings.timeout;
    (call, Terms { deadline, may_repeat, progress_extends: true })
}

fn tool_of(params: &RawValue) -> Option<String> {
    RawObject::parse(params)?.get_str("name")
}

/// What a modern server wants repeated in headers.
fn param_headers(schema: Option<&RawValue>, params: &RawValue) -> Vec<(String, String)> {
    let wanted = schema.and_then(|schema| headers::param_headers(schema).ok()).unwrap_or_default();
    let params = RawObject::parse(params).unwrap_or_default();
    let arguments = params.get("arguments");
    let value =
        |param: &headers::ParamHeader| Some((param.header.clone(), param.value(arguments)?));
    wanted.iter().filter_map(value).collect()
}

fn progress_token(params: &RawValue) -> Option<Box<RawValue>> {
    let params = RawObject::parse(params)?;
    let meta = params.get("_meta").and_then(RawObject::parse)?;
    meta.get(key::PROGRESS_TOKEN).map(ToOwned::to_owned)
}

/// The params, with how the server was missed.
fn reported(params: Box<RawValue>, report: Option<Report>) -> Box<RawValue> {
    let Some(report) = report else { return params };
    let Some(mut object) = RawObject::parse(&params) else { return params };
    let old = object.get("_meta").map(ToOwned::to_owned);
    let mut meta = old.as_deref().and_then(RawObject::parse).unwrap_or_default();
    let away = u64::try_from(report.away.as_millis()).unwrap_or(u64::MAX);
    meta.set_value("mcp-orchestrator/bridge_attempts", &report.attempts);
    meta.set_value("mcp-orchestrator/bridge_away_ms", &away);
    let how = if report.same_session { "resumed" } else { "reinitialized" };
    meta.set_value("mcp-orchestrator/bridge_return", &how);
    object.set("_meta", meta.to_raw());
    object.to_raw()
}

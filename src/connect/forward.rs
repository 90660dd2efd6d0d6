//! Calls that only the server can answer.

use super::{
    answers::look,
    bridge::{Bridge, Report},
    forms::{answer_for, no_answer},
    known::List,
    news::CallNews,
    server::Server,
};
use mcp_client::{ClientError, OutCall, Terms};
use mcp_protocol::{
    Era, Method, Payload, RawObject, RawValue, Request, RpcError, code, headers, key, raw_value,
};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;

/// How long a wish for what is to come (a level, a subscription) waits for a server that is away.
const WISH: Duration = Duration::from_secs(3_600);
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
    if is_wish(request.method) && !server.is_there() {
        let server = Arc::clone(server);
        bridge.tasks.spawn(async move {
            let terms = Terms { deadline: WISH, ..terms };
            // Told once it is taken, and again after each return: that is the client's.
            let _taken = server.client.call(call, terms).await;
        });
        return answer_for(era, request.method, Ok(raw_value(&json!({}))));
    }
    let answer = match server.client.call(call.clone(), terms).await {
        Ok(Err(refused)) if may_be_starting(bridge, server, &call, &refused) => {
            once_found(bridge, server, (call, terms), refused).await
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

/// Sends a call that was refused once the server has found its tool; the refusal, if it never does.
async fn once_found(
    bridge: &Arc<Bridge>,
    server: &Arc<Server>,
    (call, terms): (OutCall, Terms),
    refused: RpcError,
) -> Result<Payload, ClientError> {
    let tool = tool_of(&call.params).unwrap_or_default();
    loop {
        let has_looked = look(bridge, server, List::Tools).await.is_ok();
        if has_looked && !bridge.known().is_missed(&tool) {
            return server.client.call(call, terms).await;
        }
        if !server.is_warming_up() {
            return Ok(Err(refused));
        }
        sleep(LOOK_AGAIN).await;
    }
}

const fn is_wish(method: Method) -> bool {
    matches!(
        method,
        Method::LoggingSetLevel | Method::ResourcesSubscribe | Method::ResourcesUnsubscribe
    )
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

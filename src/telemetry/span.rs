//! Spans by OpenTelemetry's MCP conventions: one SERVER span a call, one CLIENT span an attempt.
//! With no subscriber that wants them they cost one atomic load.

use crate::{
    AttemptEnd, AttemptInfo, AttemptOutcome, CallEnd, CallInfo, Network, Outcome, Transport,
};
use mcp_protocol::{Era, Method, TraceContext, code};
use opentelemetry::{
    Context,
    propagation::{Extractor, Injector, TextMapPropagator},
    trace::{Status, TraceContextExt},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use std::borrow::Cow;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The target of all spans, so that filters can tell them from log lines.
pub(crate) const TARGET: &str = "mcp_spans";

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

/// Opens the SERVER span of a call, with its parent and link.
pub(crate) fn server(call: &CallInfo<'_>) -> Span {
    let span = tracing::info_span!(
        target: TARGET,
        parent: None,
        "mcp.server",
        otel.kind = "server",
        otel.name = %Name(call.method, call.target),
        mcp.method.name = call.method.as_str(),
        mcp.protocol.version = call.revision.map(|revision| revision.as_str()),
        mcp.session.id = call.session_id.filter(|_| call.revision.is_none_or(|revision| revision.era() == Era::Legacy)),
        jsonrpc.request.id = call.request_id.trim_matches('"'),
        gen_ai.operation.name = operation(call.method),
        gen_ai.tool.name = tool(call.method, call.target),
        gen_ai.prompt.name = prompt(call.method, call.target),
        network.transport = if call.transport == Transport::Stdio { "pipe" } else { "tcp" },
        network.protocol.name = protocol(call.transport),
        client.address = call.client_address.map(tracing::field::display),
    );
    if !span.is_disabled() {
        join(&span, call);
    }
    span
}

/// The context of `_meta` is the parent and the ambient one a link; without the former, the
/// ambient one is the parent. Must come before the span is first entered.
fn join(span: &Span, call: &CallInfo<'_>) {
    let ambient = extract(&call.ambient);
    let parent = match (extract(&call.parent), ambient) {
        (Some(parent), Some(ambient)) => {
            span.add_link(ambient.span().span_context().clone());
            Some(parent)
        }
        (parent, ambient) => parent.or(ambient),
    };
    if let Some(parent) = parent {
        // It fails only where no layer exports spans, and then there is no parent to set.
        drop(span.set_parent(parent));
    }
}

/// Opens the CLIENT span of an attempt, as a child of its call's.
pub(crate) fn client(parent: Option<&Span>, attempt: &AttemptInfo<'_>) -> Span {
    let current = Span::current();
    tracing::info_span!(
        target: TARGET,
        parent: parent.unwrap_or(&current),
        "mcp.client",
        otel.kind = "client",
        otel.name = %Name(attempt.method, attempt.target),
        mcp.method.name = attempt.method.as_str(),
        mcp.protocol.version = attempt.revision.as_str(),
        mcp_orchestrator.upstream.name = attempt.upstream.name(),
        gen_ai.operation.name = operation(attempt.method),
        gen_ai.tool.name = tool(attempt.method, attempt.target),
        gen_ai.prompt.name = prompt(attempt.method, attempt.target),
        network.transport = if attempt.network == Network::Stdio { "pipe" } else { "tcp" },
        network.protocol.name = (attempt.network == Network::Http).then_some("http"),
    )
}

/// Notes how a call ended. What is the caller's fault is no error of ours.
pub(crate) fn end_server(span: &Span, end: &CallEnd<'_>) {
    if span.is_disabled() {
        return;
    }
    if let Some(code) = end.code {
        span.set_attribute("rpc.response.status_code", code.to_string());
    }
    if end.outcome == Outcome::Ok || end.code.is_some_and(is_callers_fault) {
        return;
    }
    let kind = error_type(end.code, end.outcome.as_str(), end.outcome == Outcome::ServerError);
    fail(span, kind, end.message.unwrap_or_default());
}

/// Notes how an attempt ended. On this side every error code is an error.
pub(crate) fn end_client(span: &Span, end: &AttemptEnd) {
    if span.is_disabled() {
        return;
    }
    if let Some(code) = end.code {
        span.set_attribute("rpc.response.status_code", code.to_string());
    }
    if end.outcome != AttemptOutcome::Ok {
        fail(
            span,
            error_type(end.code, end.outcome.as_str(), end.outcome == AttemptOutcome::Error),
            "",
        );
    }
}

/// The JSON-RPC code where there is one, else the outcome in one word.
fn error_type(code: Option<i64>, outcome: &'static str, plain: bool) -> Cow<'static, str> {
    match code {
        Some(code) => code.to_string().into(),
        None if plain => "_OTHER".into(),
        None => outcome.into(),
    }
}

fn fail(span: &Span, kind: Cow<'static, str>, message: &str) {
    span.set_attribute("error.type", kind);
    span.set_status(Status::error(message.to_owned()));
}

/// Codes that the conventions do not take for a server's error.
const fn is_callers_fault(answered: i64) -> bool {
    matches!(
        answered,
        code::PARSE
            | code::INVALID_REQUEST
            | code::METHOD_NOT_FOUND
            | code::INVALID_PARAMS
            | code::RESOURCE_NOT_FOUND
    )
}

/// The W3C context of a span, if one is exported.
pub(crate) fn context(span: &Span) -> Option<TraceContext> {
    if span.is_disabled() {
        return None;
    }
    let context = span.context();
    if !context.span().span_context().is_valid() {
        return None;
    }
    let mut carrier = Carrier(TraceContext::default());
    TraceContextPropagator::new().inject_context(&context, &mut carrier);
    carrier.0.tracestate = carrier.0.tracestate.filter(|state| !state.is_empty());
    Some(carrier.0)
}

/// The trace and span id of the running code, for log lines.
pub(crate) fn ids() -> Option<(String, String)> {
    let span = Span::current();
    if span.is_disabled() {
        return None;
    }
    let context = span.context();
    let span = context.span();
    let ids = span.span_context();
    ids.is_valid().then(|| (ids.trace_id().to_string(), ids.span_id().to_string()))
}

/// The context that came with a call, to be handed on where we have no span of our own.
pub(crate) fn incoming(call: &CallInfo<'_>) -> TraceContext {
    [&call.parent, &call.ambient]
        .into_iter()
        .find(|context| extract(context).is_some())
        .cloned()
        .unwrap_or_default()
}

/// The remote context, if it is well-formed.
fn extract(context: &TraceContext) -> Option<Context> {
    context.traceparent.as_ref()?;
    let extracted =
        TraceContextPropagator::new().extract_with_context(&Context::new(), &Source(context));
    extracted.span().span_context().is_valid().then_some(extracted)
}

struct Source<'a>(&'a TraceContext);

impl Extractor for Source<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            TRACEPARENT => self.0.traceparent.as_deref(),
            TRACESTATE => self.0.tracestate.as_deref(),
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT, TRACESTATE]
    }
}

struct Carrier(TraceContext);

impl Injector for Carrier {
    fn set(&mut self, key: &str, value: String) {
        match key {
            TRACEPARENT => self.0.traceparent = Some(value),
            TRACESTATE => self.0.tracestate = Some(value),
            _ => {}
        }
    }
}

/// `{method} {target}`, where only tools and prompts are targets.
struct Name<'a>(Method, Option<&'a str>);

impl std::fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.as_str())?;
        match tool(self.0, self.1).or_else(|| prompt(self.0, self.1)) {
            Some(target) => write!(f, " {target}"),
            None => Ok(()),
        }
    }
}

fn operation(method: Method) -> Option<&'static str> {
    (method == Method::ToolsCall).then_some("execute_tool")
}

fn tool(method: Method, target: Option<&str>) -> Option<&str> {
    target.filter(|_| method == Method::ToolsCall)
}

fn prompt(method: Method, target: Option<&str>) -> Option<&str> {
    target.filter(|_| method == Method::PromptsGet)
}

const fn protocol(transport: Transport) -> Option<&'static str> {
    match transport {
        Transport::Http => Some("http"),
        Transport::Websocket => Some("websocket"),
        Transport::Stdio => None,
    }
}

//! Spans by OpenTelemetry's MCP conventions: one SERVER span a call, one CLIENT span an attempt.
//! Whether a span is recorded is asked before anything is gathered for it: one that is not costs
//! its ids, which are handed on all the same.

use crate::{
    AttemptEnd, AttemptInfo, AttemptOutcome, CallEnd, CallInfo, Network, Outcome, Transport,
};
use mcp_protocol::{Era, Method, TraceContext, code};
use opentelemetry::{
    Context, KeyValue,
    propagation::{Extractor, TextMapPropagator},
    trace::{
        Link, Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt,
        TraceId, Tracer,
    },
};
use opentelemetry_sdk::{
    propagation::TraceContextPropagator,
    trace::{SdkTracer, Span as Record},
};
use std::borrow::Cow;

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

/// What log lines name a span by.
pub(crate) type Ids = (TraceId, SpanId);

/// A span of ours; the record only where it is sampled.
#[derive(Debug)]
pub(crate) struct Span {
    context: SpanContext,
    record: Option<Box<Record>>,
}

impl Span {
    fn none() -> Self {
        Self { context: SpanContext::NONE, record: None }
    }

    fn start(tracer: &SdkTracer, builder: SpanBuilder, parent: &Context) -> Self {
        let span = tracer.build_with_context(builder, parent);
        Self {
            context: span.span_context().clone(),
            record: span.is_recording().then(|| Box::new(span)),
        }
    }

    fn describe(&mut self, name: impl FnOnce() -> String, facts: impl FnOnce() -> Facts) {
        if let Some(record) = &mut self.record {
            record.update_name(name());
            for (key, value) in facts().into_iter().flatten() {
                record.set_attribute(KeyValue::new(key, value));
            }
        }
    }

    fn note(&mut self, key: &'static str, value: impl Into<opentelemetry::Value>) {
        if let Some(record) = &mut self.record {
            record.set_attribute(KeyValue::new(key, value));
        }
    }

    fn fail(&mut self, kind: Cow<'static, str>, message: &str) {
        if let Some(record) = &mut self.record {
            record.set_attribute(KeyValue::new("error.type", kind));
            record.set_status(Status::error(message.to_owned()));
        }
    }

    /// Hands the record on to be sent.
    fn end(&mut self) {
        if let Some(mut record) = self.record.take() {
            record.end();
        }
    }

    /// Its ids; `None` where no spans are made.
    pub(crate) fn ids(&self) -> Option<Ids> {
        let ids = (self.context.trace_id(), self.context.span_id());
        self.context.is_valid().then_some(ids)
    }

    /// The same for its children.
    pub(crate) fn context(&self) -> &SpanContext {
        &self.context
    }

    /// What spans of others are made inside of; `None` where it is not sampled.
    pub(crate) fn around(&self) -> Option<Context> {
        let sampled = self.context.is_sampled();
        sampled.then(|| Context::new().with_remote_span_context(self.context.clone()))
    }

    /// The W3C context to hand on; `None` where no spans are made.
    pub(crate) fn to_hand_on(&self) -> Option<TraceContext> {
        let (trace, span) = self.ids()?;
        let flags = self.context.trace_flags().to_u8() & 1;
        let state = self.context.trace_state().header();
        Some(TraceContext {
            traceparent: Some(format!("00-{trace}-{span}-{flags:02x}")),
            tracestate: Some(state).filter(|state| !state.is_empty()),
        })
    }
}

/// Attributes that may be absent.
type Facts = Vec<Option<(&'static str, opentelemetry::Value)>>;

fn fact(
    key: &'static str,
    value: impl Into<opentelemetry::Value>,
) -> Option<(&'static str, opentelemetry::Value)> {
    Some((key, value.into()))
}

fn named(key: &'static str, value: Option<&str>) -> Option<(&'static str, opentelemetry::Value)> {
    value.and_then(|value| fact(key, value.to_owned()))
}

/// Opens the SERVER span of a call. The context of `_meta` is the parent and the ambient one a
/// link; without the former, the ambient one is the parent.
pub(crate) fn server(tracer: Option<&SdkTracer>, call: &CallInfo<'_>) -> Span {
    let Some(tracer) = tracer else { return Span::none() };
    let mut builder = SpanBuilder::from_name(call.method.as_str()).with_kind(SpanKind::Server);
    let parent = match (extract(&call.parent), extract(&call.ambient)) {
        (Some(parent), Some(ambient)) => {
            let link = Link::with_context(ambient.span().span_context().clone());
            builder = builder.with_links(vec![link]);
            parent
        }
        (parent, ambient) => parent.or(ambient).unwrap_or_default(),
    };
    let mut span = Span::start(tracer, builder, &parent);
    span.describe(|| name(call.method, call.target), || about_call(call));
    span
}

fn about_call(call: &CallInfo<'_>) -> Facts {
    let is_legacy = call.revision.is_none_or(|revision| revision.era() == Era::Legacy);
    let transport = if call.transport == Transport::Stdio { "pipe" } else { "tcp" };
    let mut facts = about(call.method, call.target);
    facts.extend([
        call.revision.and_then(|revision| fact("mcp.protocol.version", revision.as_str())),
        named("mcp.session.id", call.session_id.filter(|_| is_legacy)),
        fact("jsonrpc.request.id", call.request_id.trim_matches('"').to_owned()),
        fact("network.transport", transport),
        protocol(call.transport).and_then(|name| fact("network.protocol.name", name)),
        call.client_address.and_then(|address| fact("client.address", address.to_string())),
    ]);
    facts
}

/// Opens the CLIENT span of an attempt, as a child of its call's.
pub(crate) fn client(
    tracer: Option<&SdkTracer>,
    parent: Option<&SpanContext>,
    attempt: &AttemptInfo<'_>,
) -> Span {
    let Some(tracer) = tracer else { return Span::none() };
    let builder = SpanBuilder::from_name(attempt.method.as_str()).with_kind(SpanKind::Client);
    let parent = parent.filter(|parent| parent.is_valid()).map_or_else(Context::new, |parent| {
        Context::new().with_remote_span_context(parent.clone())
    });
    let mut span = Span::start(tracer, builder, &parent);
    span.describe(|| name(attempt.method, attempt.target), || about_attempt(attempt));
    span
}

fn about_attempt(attempt: &AttemptInfo<'_>) -> Facts {
    let (transport, protocol) = match attempt.network {
        Network::Stdio => ("pipe", None),
        Network::Http => ("tcp", fact("network.protocol.name", "http")),
        Network::WebSocket => ("tcp", fact("network.protocol.name", "websocket")),
    };
    let mut facts = about(attempt.method, attempt.target);
    facts.extend([
        fact("mcp.protocol.version", attempt.revision.as_str()),
        named("mcp_orchestrator.upstream.name", Some(attempt.upstream.name())),
        fact("network.transport", transport),
        protocol,
    ]);
    facts
}

/// What calls and attempts say alike.
fn about(method: Method, target: Option<&str>) -> Facts {
    vec![
        fact("mcp.method.name", method.as_str()),
        (method == Method::ToolsCall).then_some(("gen_ai.operation.name", "execute_tool".into())),
        named("gen_ai.tool.name", tool(method, target)),
        named("gen_ai.prompt.name", prompt(method, target)),
    ]
}

/// Ends the span of a call. What is the caller's fault is no error of ours.
pub(crate) fn end_server(span: &mut Span, end: &CallEnd<'_>) {
    if let Some(code) = end.code {
        span.note("rpc.response.status_code", code.to_string());
    }
    if end.outcome != Outcome::Ok && !end.code.is_some_and(is_callers_fault) {
        let is_plain = end.outcome == Outcome::ServerError;
        let kind = error_type(end.code, end.outcome.as_str(), is_plain);
        span.fail(kind, end.message.unwrap_or_default());
    }
    span.end();
}

/// Ends the span of an attempt. On this side every error code is an error.
pub(crate) fn end_client(span: &mut Span, end: &AttemptEnd) {
    if let Some(code) = end.code {
        span.note("rpc.response.status_code", code.to_string());
    }
    if end.outcome != AttemptOutcome::Ok {
        let is_plain = end.outcome == AttemptOutcome::Error;
        span.fail(error_type(end.code, end.outcome.as_str(), is_plain), "");
    }
    span.end();
}

/// The JSON-RPC code where there is one, else the outcome in one word.
fn error_type(code: Option<i64>, outcome: &'static str, plain: bool) -> Cow<'static, str> {
    match code {
        Some(code) => code.to_string().into(),
        None if plain => "_OTHER".into(),
        None => outcome.into(),
    }
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

/// `{method} {target}`, where only tools and prompts are targets.
fn name(method: Method, target: Option<&str>) -> String {
    match tool(method, target).or_else(|| prompt(method, target)) {
        Some(target) => format!("{} {target}", method.as_str()),
        None => method.as_str().to_owned(),
    }
}

fn tool(method: Method, target: Option<&str>) -> Option<&str> {
    target.filter(|_| method == Method::ToolsCall)
}

fn prompt(method: Method, target: Option<&str>) -> Option<&str> {
    target.filter(|_| method == Method::PromptsGet)
}

pub(crate) const fn protocol(transport: Transport) -> Option<&'static str> {
    match transport {
        Transport::Http => Some("http"),
        Transport::Websocket => Some("websocket"),
        Transport::Stdio => None,
    }
}

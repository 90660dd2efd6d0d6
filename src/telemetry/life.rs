//! Spans of what happens around calls. In the trace of a call: it waited for its upstream, its client
//! went away, and came back. As traces of their own: the life of a session, and an upstream that was
//! lost until it was there again.

use crate::{
    ConnectionInfo, ConnectionKind, Event, Outcome, Reason, RestartCause, UpstreamLabel, current,
    span::protocol,
};
use opentelemetry::{
    Context, KeyValue,
    trace::{Span as _, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt, Tracer},
};
use opentelemetry_sdk::trace::{SdkTracer, Span};
use std::time::{Duration, SystemTime};

const UPSTREAM: &str = "mcp_orchestrator.upstream.name";

/// Makes the span of an event that has one.
pub(crate) fn tell(tracer: &SdkTracer, event: &Event<'_>) {
    if let Event::UpstreamAwaited { upstream, elapsed, is_there } = *event {
        waited(tracer, upstream, elapsed, is_there);
    } else if let Event::ClientLost { call } = *event {
        in_call(tracer, call.context(), "client lost", Duration::ZERO).end();
    } else if let Event::ClientReturned { call, away } = *event {
        in_call(tracer, call.context(), "client back", away).end();
    } else if let Event::UpstreamRestarted { upstream, cause, after } = *event {
        reconnected(tracer, upstream, cause, after);
    } else if let Event::ConnectionEnded { connection, session_id, reason, elapsed } = *event
        && connection.kind == ConnectionKind::Session
    {
        session(tracer, (connection, session_id), reason, elapsed);
    }
}

/// A span that ends now.
fn past(tracer: &SdkTracer, parent: &Context, name: &'static str, lasted: Duration) -> Span {
    let builder = SpanBuilder::from_name(name)
        .with_kind(SpanKind::Internal)
        .with_start_time(SystemTime::now() - lasted);
    tracer.build_with_context(builder, parent)
}

fn in_call(tracer: &SdkTracer, call: &SpanContext, name: &'static str, lasted: Duration) -> Span {
    past(tracer, &Context::new().with_remote_span_context(call.clone()), name, lasted)
}

/// Tells the trace of the running call what the call waited for: between the attempt that was lost
/// and the one after it stands the time until the upstream was back.
fn waited(tracer: &SdkTracer, upstream: &UpstreamLabel, elapsed: Duration, is_there: bool) {
    let Some(call) = current::current().filter(|call| call.span.is_sampled()) else { return };
    let mut span = in_call(tracer, &call.span, "wait for upstream", elapsed);
    span.set_attribute(KeyValue::new(UPSTREAM, upstream.name().to_owned()));
    if !is_there {
        span.set_attribute(KeyValue::new("error.type", Outcome::Unavailable.as_str()));
        span.set_status(Status::error(""));
    }
    span.end();
}

/// From the loss of an upstream until it was there again.
fn reconnected(tracer: &SdkTracer, upstream: &UpstreamLabel, cause: RestartCause, after: Duration) {
    let mut span = past(tracer, &Context::new(), "reconnect upstream", after);
    span.set_attribute(KeyValue::new(UPSTREAM, upstream.name().to_owned()));
    span.set_attribute(KeyValue::new("mcp_orchestrator.cause", cause.as_str()));
    span.end();
}

/// The life of a session. What its client did not end, nor we on purpose, is an error.
fn session(
    tracer: &SdkTracer,
    (connection, id): (ConnectionInfo, Option<&str>),
    reason: Reason,
    elapsed: Duration,
) {
    let mut span = past(tracer, &Context::new(), "session", elapsed);
    if !span.is_recording() {
        return;
    }
    if let Some(id) = id {
        span.set_attribute(KeyValue::new("mcp.session.id", id.to_owned()));
    }
    if let Some(name) = protocol(connection.transport) {
        span.set_attribute(KeyValue::new("network.protocol.name", name));
    }
    span.set_attribute(KeyValue::new("mcp_orchestrator.reason", reason.as_str()));
    if is_loss(reason) {
        span.set_attribute(KeyValue::new("error.type", reason.as_str()));
        span.set_status(Status::error(""));
    }
    span.end();
}

const fn is_loss(reason: Reason) -> bool {
    match reason {
        Reason::ClientGone
        | Reason::HeartbeatLost
        | Reason::SlowConsumer
        | Reason::HandshakeTimeout
        | Reason::ProtocolError
        | Reason::Error => true,
        Reason::ClientClosed
        | Reason::ClientDeleted
        | Reason::TimeoutNoActivity
        | Reason::ServerShutdown
        | Reason::Superseded => false,
    }
}

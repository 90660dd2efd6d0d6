//! What has a beginning and an end. A scope reports both, each exactly once: one that is dropped
//! unfinished reports the end that a dropped future means.

use crate::{
    AttemptEnd, AttemptInfo, AttemptOutcome, CallEnd, CallInfo, CallTrace, ConnectionInfo, Event,
    Outcome, Reason, Restoration, Telemetry, ToolLabel, Transport, UpstreamLabel,
    current::{Call, Within, current, in_span},
    in_flight::Ticket,
    span::{self, Span},
};
use mcp_protocol::{Method, TraceContext};
use std::{future::Future, sync::Arc, time::Duration};
use tokio::time::Instant;

/// An open call. Dropped unfinished, it was [`Outcome::Cancelled`], so a client that goes away
/// never makes a call vanish from the accounts.
#[must_use = "dropping a scope reports the call as cancelled"]
#[derive(Debug)]
pub struct CallScope {
    telemetry: Telemetry,
    method: Method,
    transport: Transport,
    tool: Option<ToolLabel>,
    started: Instant,
    ticket: Option<Ticket>,
    span: Span,
    call: Arc<Call>,
    ended: bool,
}

impl CallScope {
    pub(crate) fn start(telemetry: &Telemetry, info: &CallInfo<'_>) -> Self {
        let span = span::server(telemetry.tracer(), info);
        let call = Arc::new(Call::new(span.context().clone(), span::incoming(info)));
        let started = Instant::now();
        let ticket = telemetry.metrics().in_flight.enter(info.method, started);
        let begun = Event::CallStarted { method: info.method };
        in_span(span.ids(), || telemetry.emit(&begun));
        let (method, transport) = (info.method, info.transport);
        Self {
            telemetry: telemetry.clone(),
            method,
            transport,
            tool: None,
            started,
            ticket,
            span,
            call,
            ended: false,
        }
    }

    /// Notes which tool is called, so that it is counted at the end.
    pub fn set_tool(&mut self, tool: ToolLabel) {
        self.tool = Some(tool);
    }

    /// The call as its trace is told of what happens to its client; `None` where it is not sampled.
    #[must_use]
    pub fn trace(&self) -> Option<CallTrace> {
        CallTrace::of(self.span.context())
    }

    /// Runs a future inside the call: attempts that are started in it are the call's, and log
    /// lines bear its ids.
    pub fn run<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        Within::new(future, Some(Arc::clone(&self.call)), &self.span)
    }

    /// Ends the call.
    pub fn finish(mut self, end: CallEnd<'_>) {
        self.end(end);
    }

    fn end(&mut self, end: CallEnd<'_>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        if let Some(ticket) = self.ticket.take() {
            self.telemetry.metrics().in_flight.leave(&ticket);
        }
        span::end_server(&mut self.span, &end);
        let event = Event::CallFinished {
            method: self.method,
            transport: self.transport,
            tool: self.tool.as_ref(),
            end,
            elapsed: self.started.elapsed(),
            upstream: self.call.upstream_time(),
        };
        in_span(self.span.ids(), || self.telemetry.emit(&event));
    }
}

impl Drop for CallScope {
    fn drop(&mut self) {
        self.end(CallEnd::of(Outcome::Cancelled));
    }
}

/// An open attempt at an upstream. Dropped unfinished, it was [`AttemptOutcome::Cancelled`].
#[must_use = "dropping a scope reports the attempt as cancelled"]
#[derive(Debug)]
pub struct AttemptScope {
    telemetry: Telemetry,
    upstream: UpstreamLabel,
    method: Method,
    started: Instant,
    call: Option<Arc<Call>>,
    span: Span,
    ended: bool,
}

impl AttemptScope {
    pub(crate) fn start(telemetry: &Telemetry, info: &AttemptInfo<'_>) -> Self {
        let call = current();
        let span = span::client(telemetry.tracer(), call.as_ref().map(|call| &call.span), info);
        let (upstream, method) = (info.upstream.clone(), info.method);
        let begun = Event::AttemptStarted { upstream: &upstream, method };
        in_span(span.ids(), || telemetry.emit(&begun));
        Self {
            telemetry: telemetry.clone(),
            upstream,
            method,
            started: Instant::now(),
            call,
            span,
            ended: false,
        }
    }

    /// The W3C trace context to hand on to the upstream: of this attempt's span, or, where no
    /// spans are made, the one that came with the call.
    #[must_use]
    pub fn context(&self) -> TraceContext {
        let incoming = || self.call.as_ref().map(|call| call.incoming.clone()).unwrap_or_default();
        self.span.to_hand_on().unwrap_or_else(incoming)
    }

    /// Runs a future inside the attempt: log lines bear its ids.
    pub fn run<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        Within::new(future, self.call.clone(), &self.span)
    }

    /// Ends the attempt.
    pub fn finish(mut self, end: AttemptEnd) {
        self.end(end);
    }

    fn end(&mut self, end: AttemptEnd) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let elapsed = self.started.elapsed();
        if let Some(call) = &self.call {
            call.waited(elapsed);
        }
        span::end_client(&mut self.span, &end);
        let event =
            Event::AttemptFinished { upstream: &self.upstream, method: self.method, end, elapsed };
        in_span(self.span.ids(), || self.telemetry.emit(&event));
    }
}

impl Drop for AttemptScope {
    fn drop(&mut self) {
        self.end(AttemptEnd::of(AttemptOutcome::Cancelled));
    }
}

/// An accepted connection. Dropped unfinished, it ended with [`Reason::Error`].
#[must_use = "dropping a scope reports the connection as ended by an error"]
#[derive(Debug)]
pub struct ConnectionScope {
    telemetry: Telemetry,
    connection: ConnectionInfo,
    started: Instant,
    /// How old it was when this process got it.
    age: Duration,
    session_id: Option<Arc<str>>,
    ended: bool,
}

impl ConnectionScope {
    pub(crate) fn start(telemetry: &Telemetry, connection: ConnectionInfo) -> Self {
        telemetry.emit(&Event::ConnectionAccepted(connection));
        Self::open(telemetry, connection, Duration::ZERO)
    }

    pub(crate) fn go_on(
        telemetry: &Telemetry,
        connection: ConnectionInfo,
        how: Restoration,
        age: Duration,
    ) -> Self {
        telemetry.emit(&Event::SessionRestored { connection, how });
        Self::open(telemetry, connection, age)
    }

    fn open(telemetry: &Telemetry, connection: ConnectionInfo, age: Duration) -> Self {
        let started = Instant::now();
        let telemetry = telemetry.clone();
        Self { telemetry, connection, started, age, session_id: None, ended: false }
    }

    /// Notes which session it is; for spans and log lines.
    pub fn of_session(mut self, id: &Arc<str>) -> Self {
        self.session_id = Some(Arc::clone(id));
        self
    }

    /// Ends the connection.
    pub fn end(mut self, reason: Reason) {
        self.close(reason);
    }

    /// Lets go of a session that has not ended: the next process takes it over from the store.
    pub fn hand_over(mut self) {
        self.ended = true;
        self.telemetry.emit(&Event::SessionHandedOver(self.connection));
    }

    fn close(&mut self, reason: Reason) {
        if !std::mem::replace(&mut self.ended, true) {
            let elapsed = self.age + self.started.elapsed();
            self.telemetry.emit(&Event::ConnectionEnded {
                connection: self.connection,
                session_id: self.session_id.as_deref(),
                reason,
                elapsed,
            });
        }
    }
}

impl Drop for ConnectionScope {
    fn drop(&mut self) {
        self.close(Reason::Error);
    }
}

/// An open stream to a client; it ends when it is dropped.
#[must_use = "dropping a scope reports the stream as closed"]
#[derive(Debug)]
pub struct StreamScope {
    telemetry: Telemetry,
    transport: Transport,
    started: Instant,
}

impl StreamScope {
    pub(crate) fn start(telemetry: &Telemetry, transport: Transport) -> Self {
        telemetry.emit(&Event::StreamOpened { transport });
        Self { telemetry: telemetry.clone(), transport, started: Instant::now() }
    }
}

impl Drop for StreamScope {
    fn drop(&mut self) {
        let (transport, elapsed) = (self.transport, self.started.elapsed());
        self.telemetry.emit(&Event::StreamClosed { transport, elapsed });
    }
}

/// An open socket of a client; it ends when it is dropped.
#[must_use = "dropping a scope reports the socket as closed"]
#[derive(Debug)]
pub struct SocketScope {
    telemetry: Telemetry,
    transport: Transport,
}

impl SocketScope {
    pub(crate) fn start(telemetry: &Telemetry, transport: Transport) -> Self {
        telemetry.emit(&Event::SocketOpened { transport });
        Self { telemetry: telemetry.clone(), transport }
    }
}

impl Drop for SocketScope {
    fn drop(&mut self) {
        self.telemetry.emit(&Event::SocketClosed { transport: self.transport });
    }
}

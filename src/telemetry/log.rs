//! The log projection of [`Event`]: one line an event, its level by kind, its fields named as in
//! spans. Never a token, an argument or a result. What repeats is held back and counted.

use crate::{
    AgentEvent, AttemptEnd, AuthCause, CallEnd, ChaosEvent, ConfigEvent, ConnectionInfo,
    ConnectionStatus, Event, Limit, Outcome, RateLimit, Reason, RestartCause, Restoration,
    StoreEvent, ToolLabel, Transport, UpstreamLabel, UpstreamState, current, limit::Limiter,
};
use mcp_protocol::Method;
use std::{io, net::SocketAddr, time::Duration};
use tokio::time::Instant;

/// The target of all our lines.
pub(crate) const TARGET: &str = "mcp_orchestrator";

/// Writes a line at a level known here; values are taken only if somebody reads that level.
macro_rules! line {
    ($level:ident, $event:literal, $message:literal, { $($fields:tt)* }) => {
        tracing::event!(
            target: TARGET,
            tracing::Level::$level,
            event = $event,
            trace_id = current::ids().map(|ids| ids.0.to_string()),
            span_id = current::ids().map(|ids| ids.1.to_string()),
            $($fields)*
            $message
        )
    };
}

/// The same for a kind that may repeat: held back when there are too many.
macro_rules! limited {
    ($log:expr, $key:expr, $level:ident, $event:literal, $message:literal, { $($fields:tt)* }) => {
        if let Some(held) = $log.limiter.admit(($event, $key), Instant::now()) {
            line!($level, $event, $message, { held_back = (held > 0).then_some(held), $($fields)* });
        }
    };
}

/// Writes lines, and remembers what it held back.
#[derive(Debug, Default)]
pub(crate) struct Log {
    limiter: Limiter,
}

impl Log {
    #[expect(clippy::too_many_lines, reason = "one exhaustive match, an arm for each event")]
    pub(crate) fn write(&self, event: &Event<'_>) {
        match *event {
            Event::ServerStarted { address } => started(address),
            Event::ServerStopping { signal } => stopping(signal),
            Event::ServerStopped => self.stopped(),
            Event::CallStarted { method } => {
                line!(TRACE, "call_started", "call", { mcp.method.name = method.as_str(), })
            }
            Event::CallFinished { method, transport, tool, end, elapsed, .. } => {
                self.call(&Call { method, transport, tool, end, elapsed });
            }
            Event::AttemptStarted { upstream, method } => {
                line!(TRACE, "attempt_started", "attempt", { upstream = upstream.name(), mcp.method.name = method.as_str(), });
            }
            Event::AttemptFinished { upstream, method, end, elapsed } => {
                attempt(upstream, method, end, elapsed)
            }
            Event::ConnectionAccepted(connection) => {
                line!(DEBUG, "connection_accepted", "client connected", { transport = connection.transport.as_str(), });
            }
            Event::ConnectionEnded { connection, session_id, reason, elapsed } => {
                connection_ended(connection, session_id, reason, elapsed)
            }
            Event::ClientLost { .. } => {
                line!(DEBUG, "client_lost", "client went away in mid-call", {})
            }
            Event::ClientReturned { away, .. } => {
                line!(DEBUG, "client_returned", "client is back", { duration_ms = millis(away), });
            }
            Event::SessionRestored { how, .. } => {
                line!(DEBUG, "session_restored", "session goes on", { outcome = how.as_str(), });
            }
            Event::SessionsTakenOver { count } => {
                line!(INFO, "sessions_taken_over", "sessions of the process before go on", { count, });
            }
            Event::SessionHandedOver(_) => {
                line!(DEBUG, "session_handed_over", "session kept for the next start", {});
            }
            Event::SessionNotRestored { how, detail } => self.not_restored(how, detail),
            Event::ConnectionRefused { transport, status, detail } => {
                self.refused(transport, status, detail)
            }
            Event::AuthFailed { cause } => self.auth_failed(cause),
            Event::RateLimited { limit } => self.rate_limited(limit),
            Event::LimitReached { limit } => self.limit_reached(limit),
            Event::KeysNotFetched { error } => self.keys_not_fetched(error),
            Event::CertificateLoaded { expires } => certificate(expires.map(|(_, text)| text)),
            Event::CertificateRefused { error } => certificate_refused(error),
            Event::HandshakeFinished { transport, ok, elapsed } => {
                self.handshake(transport, ok, elapsed)
            }
            Event::ReconnectAttempted { side, outcome } => {
                line!(DEBUG, "reconnect_attempted", "reconnect", { side = side.as_str(), outcome = outcome.as_str(), });
            }
            Event::BridgeReturned { outcome, failed, away } => {
                let away_ms = u64::try_from(away.as_millis()).unwrap_or(u64::MAX);
                line!(INFO, "bridge_returned", "a stdio bridge is back", { outcome = outcome.as_str(), failed = failed, away_ms = away_ms, });
            }
            Event::SocketOpened { transport } => wire("socket_opened", transport, 1),
            Event::SocketClosed { transport } => wire("socket_closed", transport, 1),
            Event::MessageTransferred { transport, bytes, .. } => {
                wire("message_transferred", transport, bytes as u64)
            }
            Event::StreamOpened { transport } => wire("stream_opened", transport, 1),
            Event::StreamClosed { transport, .. } => wire("stream_closed", transport, 1),
            Event::StreamEventSent { transport } => wire("stream_event_sent", transport, 1),
            Event::StreamEventsReplayed { transport, count } => {
                wire("stream_events_replayed", transport, count)
            }
            Event::StreamGap { transport, missed } => self.gap(transport, missed),
            Event::HeartbeatAnswered { transport, elapsed } => heartbeat(transport, Some(elapsed)),
            Event::HeartbeatMissed { transport } => heartbeat(transport, None),
            Event::UpstreamStateChanged { upstream, state, error } => {
                self.upstream_state(upstream, state, error)
            }
            Event::UpstreamRestarted { upstream, cause, after } => {
                self.restarted(upstream, cause, after)
            }
            Event::UpstreamAwaited { upstream, elapsed, is_there } => {
                line!(DEBUG, "upstream_awaited", "a call waited for its upstream", { upstream = upstream.name(), duration_ms = millis(elapsed), is_there, });
            }
            Event::ReplayDecided { upstream, decision } => {
                line!(DEBUG, "replay_decided", "a call got no answer", { upstream = upstream.name(), decision = decision.as_str(), });
            }
            Event::OutcomeUnknown { upstream } => self.outcome_unknown(upstream),
            Event::UpstreamLog { upstream, line } => {
                line!(INFO, "upstream_log", "upstream says", { upstream = upstream.name(), line, });
            }
            Event::UpstreamMessageDropped { upstream, method, why } => {
                self.message_dropped(upstream, method, why)
            }
            Event::CatalogueRefreshed { upstream, tools, resources, prompts } => {
                lists_read(upstream, tools, resources, prompts);
            }
            Event::CatalogueRestored { upstream, tools, .. } => {
                line!(INFO, "catalogue_restored", "upstream's lists taken from the store", {
                    upstream = upstream.name(), tools,
                });
            }
            Event::CatalogueWithdrawn { upstream, entries, why } => {
                line!(WARN, "catalogue_withdrawn", "entries of an upstream are listed no more", {
                    upstream = upstream.name(), entries, why,
                });
            }
            Event::ToolTimePassed { .. } => {}
            Event::ToolAvailabilityChanged { tool, available } => {
                tool_availability(tool, available)
            }
            Event::NameConflict { name, kept_by, renamed_to } => {
                line!(WARN, "name_conflict", "name taken", { name, kept_by, renamed_to, });
            }
            Event::NameShortened { name, to } => {
                line!(WARN, "name_shortened", "name too long", { name, to, })
            }
            Event::Agent(event) => self.agent(event),
            Event::Chaos(event) => chaos(event),
            // A run writes its own events, line by line.
            Event::Lab(_) => {}
            Event::Store(event) => self.store(event),
            Event::Config(event) => configuration(event),
            Event::ConfigWarning { text } => config_warning(text),
            Event::InternalError { what, detail } => {
                limited!(self, what, ERROR, "internal_error", "internal error", { what, detail, });
            }
        }
    }
}

fn chaos(event: ChaosEvent<'_>) {
    match event {
        ChaosEvent::FaultBegan { fault, direction, name } => {
            line!(INFO, "chaos_fault_began", "fault begins", {
                fault = fault.as_str(), name, direction = direction.as_str(),
            });
        }
        ChaosEvent::FaultInjected { fault, direction, name, connection, message } => {
            line!(DEBUG, "chaos_fault_injected", "fault injected", {
                fault = fault.as_str(), name, direction = direction.as_str(), connection, message,
            });
        }
        ChaosEvent::FaultEnded { fault, direction, name } => {
            line!(INFO, "chaos_fault_ended", "fault ends", {
                fault = fault.as_str(), name, direction = direction.as_str(),
            });
        }
    }
}

/// A call that ended.
struct Call<'a> {
    method: Method,
    transport: Transport,
    tool: Option<&'a ToolLabel>,
    end: CallEnd<'a>,
    elapsed: Duration,
}

macro_rules! call_line {
    ($level:ident, $held:expr, $call:expr) => {
        line!($level, "call_finished", "call ended", {
            held_back = $held,
            mcp.method.name = $call.method.as_str(),
            transport = $call.transport.as_str(),
            gen_ai.tool.name = $call.tool.map(ToolLabel::name),
            upstream = $call.tool.map(ToolLabel::upstream),
            outcome = $call.end.outcome.as_str(),
            rpc.response.status_code = $call.end.code,
            duration_ms = millis($call.elapsed),
        })
    };
}

impl Log {
    /// The collector did not take spans. Why is left out: it may name the endpoint and its password.
    pub(crate) fn collector_failed(&self, spans: usize) {
        limited!(self, (), WARN, "telemetry_dropped", "the collector did not take spans", { spans, });
    }

    /// Lines are lost. Their file cannot take this one either; standard error may.
    pub(crate) fn file_failed(&self, error: &io::Error) {
        limited!(self, (), WARN, "log_file_failed", "the log file cannot be written", { error = %error, });
    }

    /// The file cannot be put aside, and takes lines beyond its size.
    pub(crate) fn file_grows(&self, error: &io::Error) {
        limited!(self, (), WARN, "log_file_grows", "the log file cannot be put aside and grows on; let us write to its folder, or set `log.file_max_size` to 0", { error = %error, });
    }

    /// The file takes lines again, after so many were lost.
    pub(crate) fn file_works(&self, lost: u64) {
        limited!(self, (), INFO, "log_file_works", "the log file can be written again", { lost, });
    }

    /// One line for all that repeats and was not told of yet, then the end.
    fn stopped(&self) {
        let held = self.limiter.held_back();
        line!(INFO, "server_stopped", "stopped", { held_back = (held > 0).then_some(held), });
    }

    fn auth_failed(&self, cause: AuthCause) {
        limited!(self, cause, WARN, "auth_failed", "request without a valid token", { cause = cause.as_str(), });
    }

    fn rate_limited(&self, limit: RateLimit) {
        limited!(self, limit, WARN, "rate_limited", "requests come too fast", { limit = limit.as_str(), });
    }

    fn limit_reached(&self, limit: Limit) {
        limited!(self, limit, WARN, "limit_reached", "a client went beyond a limit", { limit = limit.as_str(), });
    }

    fn keys_not_fetched(&self, error: &str) {
        limited!(self, "", WARN, "keys_not_fetched", "keys of tokens were not fetched", { error, });
    }

    fn not_restored(&self, how: Restoration, detail: &str) {
        let outcome = how.as_str();
        limited!(self, outcome, WARN, "session_not_restored", "session not restored", { outcome, detail, });
    }

    fn agent(&self, event: AgentEvent<'_>) {
        match event {
            AgentEvent::Changed { agent, kind, state, error: None } => {
                limited!(self, (kind, state), INFO, "agent_changed", "agent changed", { agent, kind, state, });
            }
            AgentEvent::Changed { agent, kind, state, error } => {
                limited!(self, (kind, state, ""), WARN, "agent_changed", "agent changed", { agent, kind, state, error, });
            }
            AgentEvent::Log { agent, line } => {
                line!(INFO, "agent_log", "agent says", { agent, line, });
            }
            AgentEvent::TaskEnded { task, kind, state, code: None, elapsed } => {
                line!(DEBUG, "task_ended", "task ended", { task, kind, state, duration_ms = millis(elapsed), });
            }
            AgentEvent::TaskEnded { task, kind, state, code, elapsed } => {
                limited!(self, (kind, code), WARN, "task_ended", "task without an answer", {
                    task, kind, state, code, duration_ms = millis(elapsed),
                });
            }
        }
    }

    /// One cause fails many operations at once: by its text alone it is one kind.
    fn store(&self, event: StoreEvent<'_>) {
        match event {
            StoreEvent::Done { operation, elapsed } => {
                line!(TRACE, "store_done", "store", { operation = operation.as_str(), duration_ms = millis(elapsed), });
            }
            StoreEvent::Failed { operation, error } => {
                limited!(self, error, WARN, "store_failed", "the store does not work", {
                    operation = operation.as_str(), error,
                });
            }
            StoreEvent::DiskLookedAt { free, size } => {
                line!(TRACE, "store_disk", "disk of the store", { free, size, });
            }
            StoreEvent::Recovered => {
                limited!(self, "", INFO, "store_recovered", "the store works again", {});
            }
        }
    }

    fn refused(&self, transport: Transport, status: ConnectionStatus, detail: &str) {
        limited!(self, status, WARN, "connection_refused", "client refused", {
            transport = transport.as_str(), status = status.as_str(), detail,
        });
    }

    fn gap(&self, transport: Transport, missed: u64) {
        limited!(self, transport, WARN, "stream_gap", "events for a client were lost", {
            transport = transport.as_str(), missed,
        });
    }

    fn restarted(&self, upstream: &UpstreamLabel, cause: RestartCause, after: Duration) {
        let upstream = upstream.name();
        limited!(self, (upstream, cause), WARN, "upstream_restarted", "upstream started anew", {
            upstream, cause = cause.as_str(), after_seconds = after.as_secs_f64(),
        });
    }

    fn outcome_unknown(&self, upstream: &UpstreamLabel) {
        let upstream = upstream.name();
        limited!(self, upstream, WARN, "outcome_unknown", "a call may or may not have run", { upstream, });
    }

    fn message_dropped(&self, upstream: &UpstreamLabel, method: &str, why: &str) {
        let (upstream, repeated) = (upstream.name(), (upstream.name(), method, why));
        limited!(self, repeated, INFO, "upstream_message_dropped", "message not handed on", {
            upstream, mcp.method.name = method, why,
        });
    }

    fn call(&self, call: &Call<'_>) {
        let outcome = call.end.outcome;
        if matches!(outcome, Outcome::Ok | Outcome::Cancelled | Outcome::ToolError) {
            call_line!(DEBUG, None::<u64>, call);
            return;
        }
        let kind = (call.method, outcome, call.tool.map(|tool| (tool.upstream(), tool.name())));
        let Some(held) = self.limiter.admit(("call_finished", kind), Instant::now()) else {
            return;
        };
        let held = (held > 0).then_some(held);
        match outcome {
            Outcome::ServerError => call_line!(ERROR, held, call),
            Outcome::Unavailable | Outcome::OutcomeUnknown | Outcome::Timeout => {
                call_line!(WARN, held, call)
            }
            Outcome::ClientError
            | Outcome::RateLimited
            | Outcome::Ok
            | Outcome::Cancelled
            | Outcome::ToolError => call_line!(INFO, held, call),
        }
    }

    fn handshake(&self, transport: Transport, ok: bool, elapsed: Duration) {
        let (transport, duration_ms) = (transport.as_str(), millis(elapsed));
        if ok {
            line!(DEBUG, "handshake_finished", "handshake", { transport, ok, duration_ms, });
        } else {
            limited!(self, transport, INFO, "handshake_finished", "handshake failed", { transport, ok, duration_ms, });
        }
    }

    fn upstream_state(&self, upstream: &UpstreamLabel, state: UpstreamState, error: Option<&str>) {
        let (upstream, text) = (upstream.name(), state.as_str());
        match state {
            UpstreamState::Connecting | UpstreamState::Connected | UpstreamState::Stopped => {
                line!(INFO, "upstream_state_changed", "upstream changed", { upstream, state = text, error, });
            }
            UpstreamState::Reconnecting | UpstreamState::Failed => {
                limited!(self, (upstream, state), WARN, "upstream_state_changed", "upstream changed", {
                    upstream, state = text, error,
                });
            }
        }
    }
}

fn started(address: SocketAddr) {
    line!(INFO, "server_started", "listening", { server.address = %address, });
}

fn configuration(event: ConfigEvent<'_>) {
    // What did not change is not mentioned.
    let named = |text: &'_ str| (!text.is_empty()).then(|| text.to_owned());
    match event {
        ConfigEvent::Reloaded { added, removed, changed, sections } => {
            line!(INFO, "config_reloaded", "configuration reloaded", {
                upstreams_added = named(added),
                upstreams_removed = named(removed),
                upstreams_changed = named(changed),
                sections = named(sections),
            });
        }
        ConfigEvent::Refused { error } => {
            line!(ERROR, "config_refused", "new configuration refused, the old one stays", { error, });
        }
        ConfigEvent::InForce { .. } => {
            line!(DEBUG, "config_in_force", "configuration in force", {})
        }
        ConfigEvent::LogLevelChanged { level } => {
            line!(INFO, "log_level_changed", "log level changed", { level, });
        }
    }
}

fn config_warning(text: &str) {
    line!(WARN, "config_warning", "configuration", { text, });
}

fn certificate(expires: Option<&str>) {
    line!(INFO, "certificate_loaded", "certificate in use", { expires, });
}

fn certificate_refused(error: &str) {
    line!(WARN, "certificate_refused", "new certificate refused, the old one stays", { error, });
}

fn lists_read(upstream: &UpstreamLabel, tools: usize, resources: usize, prompts: usize) {
    line!(INFO, "catalogue_refreshed", "upstream's lists read", {
        upstream = upstream.name(), tools, resources, prompts,
    });
}

fn heartbeat(transport: Transport, elapsed: Option<Duration>) {
    let transport = transport.as_str();
    match elapsed {
        Some(elapsed) => line!(DEBUG, "heartbeat_answered", "client is there", {
            transport, duration_ms = millis(elapsed),
        }),
        None => line!(INFO, "heartbeat_missed", "client did not answer", { transport, }),
    }
}

fn stopping(signal: &str) {
    line!(INFO, "server_stopping", "stopping", { signal, });
}

fn attempt(upstream: &UpstreamLabel, method: Method, end: AttemptEnd, elapsed: Duration) {
    line!(DEBUG, "attempt_finished", "attempt ended", {
        upstream = upstream.name(),
        mcp.method.name = method.as_str(),
        outcome = end.outcome.as_str(),
        rpc.response.status_code = end.code,
        duration_ms = millis(elapsed),
    });
}

fn connection_ended(
    connection: ConnectionInfo,
    session_id: Option<&str>,
    reason: Reason,
    elapsed: Duration,
) {
    line!(DEBUG, "connection_ended", "client gone", {
        transport = connection.transport.as_str(),
        mcp.session.id = session_id,
        reason = reason.as_str(),
        duration_ms = millis(elapsed),
    });
}

fn tool_availability(tool: &ToolLabel, available: bool) {
    line!(DEBUG, "tool_availability_changed", "tool", {
        upstream = tool.upstream(),
        gen_ai.tool.name = tool.name(),
        available,
    });
}

fn wire(what: &'static str, transport: Transport, amount: u64) {
    line!(TRACE, "wire", "wire", { what, transport = transport.as_str(), amount, });
}

fn millis(elapsed: Duration) -> f64 {
    elapsed.as_secs_f64() * 1_000.0
}

//! What an upstream sends unasked, and to whom it goes: nobody but the client it is for.

use super::{deadline::Deadline, levels::Filter, one::Upstream, own::Running};
use crate::call::{Downstream, Question, SessionRef};
use mcp_client::{BoxFuture, Progress, Sink};
use mcp_protocol::{
    Era, Method, Notification, Payload, RawObject, RawValue, Request, RpcError, key,
};
use mcp_telemetry::Event;
use std::sync::{Arc, OnceLock, Weak};

/// The questions that a client declared to answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Declared {
    sampling: bool,
    elicitation: bool,
    /// Whether it told its roots.
    pub(super) roots: bool,
}

/// The capabilities that let an upstream ask.
const QUESTIONS: [&str; 3] = ["sampling", "elicitation", "roots"];

impl Declared {
    /// What a client declared in its `initialize`.
    pub(super) fn of(capabilities: &RawValue) -> Self {
        let declared = RawObject::parse(capabilities).unwrap_or_default();
        let has = |name| declared.get(name).is_some_and(|value| value.get() != "null");
        Self { sampling: has("sampling"), elicitation: has("elicitation"), roots: has("roots") }
    }

    /// Whether there is any question it answers.
    pub(super) fn any(self) -> bool {
        self != Self::default()
    }

    /// Just these capabilities, as the client declared them.
    pub(super) fn capabilities(capabilities: &RawValue) -> Box<RawValue> {
        let mut declared = RawObject::parse(capabilities).unwrap_or_default();
        declared.retain(|name| QUESTIONS.contains(&name));
        declared.to_raw()
    }

    fn answers(self, method: Method) -> bool {
        (self.sampling && method == Method::SamplingCreateMessage)
            || (self.elicitation && method == Method::ElicitationCreate)
            || (self.roots && method == Method::RootsList)
    }
}

/// Refuses a question. Boxed, as a sink answers.
fn refuse(request: &Request) -> BoxFuture<'static, Payload> {
    let error = RpcError::method_not_found(&request.name);
    Box::pin(std::future::ready(Err(error)))
}

fn ask(
    downstream: &dyn Downstream,
    request: Request,
    progress: Option<Progress>,
) -> BoxFuture<'static, Payload> {
    downstream.ask(Question { method: &request.name, params: request.params, progress })
}

fn log(upstream: &Weak<Upstream>, line: &str) {
    if let Some(upstream) = upstream.upgrade() {
        upstream.shared.telemetry.emit(&Event::UpstreamLog { upstream: &upstream.label, line });
    }
}

/// What a log message says, bounded: its data, as text where it is text.
fn log_text(params: Option<&RawValue>) -> String {
    const LONGEST: usize = 8 << 10;
    let params = params.and_then(RawObject::parse).unwrap_or_default();
    let data =
        params.get_str("data").or_else(|| params.get("data").map(|data| data.get().to_owned()));
    data.unwrap_or_default().chars().take(LONGEST).collect()
}

/// Of a connection that serves everybody: nobody may be asked, nothing can be attributed.
pub(super) struct SharedSink {
    upstream: Weak<Upstream>,
    era: OnceLock<Era>,
}

impl SharedSink {
    /// The sink of a shared connection of that upstream.
    pub(super) fn new(upstream: &Arc<Upstream>) -> Self {
        Self { upstream: Arc::downgrade(upstream), era: OnceLock::new() }
    }

    /// The era of the connection is known now.
    pub(super) fn speaks(&self, era: Era) {
        self.era.get_or_init(|| era);
    }
}

impl Sink for SharedSink {
    fn notification(&self, notification: Notification) {
        let Some(upstream) = self.upstream.upgrade() else { return };
        let era = self.era.get().copied().unwrap_or(Era::Legacy);
        if notification.method == Method::LogMessage {
            log(&self.upstream, &log_text(notification.params.as_deref()));
        }
        if !upstream.hear(era, &notification) {
            upstream.dropped(
                &notification.name,
                "it came on a shared connection and belongs to no call",
            );
        }
    }

    fn request(
        &self,
        request: Request,
        _progress: Option<Progress>,
    ) -> BoxFuture<'static, Payload> {
        if let Some(upstream) = self.upstream.upgrade() {
            upstream.dropped(&request.name, "nobody can be asked on a shared connection");
        }
        refuse(&request)
    }

    fn log_line(&self, line: &str) {
        log(&self.upstream, line);
    }
}

/// Of a session that belongs to one client. Over stdio a message does not say which call it
/// belongs to: with a single call in flight it is that one's, else the session's.
pub(super) struct OwnSink {
    /// The upstream.
    pub(super) upstream: Weak<Upstream>,
    /// The client's session.
    pub(super) session: SessionRef,
    /// What it declared.
    pub(super) declared: Declared,
    /// Its calls in flight.
    pub(super) running: Arc<Running>,
}

impl OwnSink {
    fn downstream(&self) -> Arc<dyn Downstream> {
        self.running.only().unwrap_or_else(|| self.session.downstream.clone())
    }
}

impl Sink for OwnSink {
    fn notification(&self, notification: Notification) {
        let Some(upstream) = self.upstream.upgrade() else { return };
        if upstream.hear(Era::Legacy, &notification) {
            return;
        }
        #[expect(clippy::wildcard_enum_match_arm, reason = "all others are for nobody")]
        match notification.method {
            Method::LogMessage | Method::ElicitationComplete => {
                self.downstream().notify(&notification.name, notification.params);
            }
            _ => upstream.dropped(&notification.name, "it belongs to no call"),
        }
    }

    fn request(&self, request: Request, progress: Option<Progress>) -> BoxFuture<'static, Payload> {
        if self.declared.answers(request.method) {
            ask(&*self.downstream(), request, progress)
        } else {
            refuse(&request)
        }
    }

    fn log_line(&self, line: &str) {
        log(&self.upstream, line);
    }
}

/// Of one call: what comes on its own stream, and its progress.
pub(super) struct CallSink {
    /// The upstream.
    pub(super) upstream: Weak<Upstream>,
    /// The era of the link.
    pub(super) era: Era,
    /// The client that waits.
    pub(super) downstream: Arc<dyn Downstream>,
    /// The client's progress token.
    pub(super) token: Option<Box<RawValue>>,
    /// Which log messages it gets.
    pub(super) filter: Filter,
    /// What it declared, if the call runs on a session of its own.
    pub(super) declared: Option<Declared>,
    /// Progress gives it more time.
    pub(super) deadline: Arc<Deadline>,
}

impl CallSink {
    fn progress(&self, params: Option<&RawValue>) {
        self.deadline.extend();
        let Some(token) = &self.token else { return };
        if let Some(mut params) = params.and_then(RawObject::parse) {
            params.set(key::PROGRESS_TOKEN, token.clone());
            self.downstream.notify(Method::Progress.as_str(), Some(params.to_raw()));
        }
    }
}

impl Sink for CallSink {
    fn notification(&self, notification: Notification) {
        let Some(upstream) = self.upstream.upgrade() else { return };
        if upstream.hear(self.era, &notification) {
            return;
        }
        #[expect(clippy::wildcard_enum_match_arm, reason = "all others are for nobody")]
        match notification.method {
            Method::Progress => self.progress(notification.params.as_deref()),
            Method::LogMessage if self.filter.passes(notification.params.as_deref()) => {
                self.downstream.notify(&notification.name, notification.params);
            }
            Method::LogMessage => {
                upstream.dropped(&notification.name, "the client did not ask for it")
            }
            Method::ElicitationComplete if self.declared.is_some() => {
                self.downstream.notify(&notification.name, notification.params);
            }
            _ => upstream.dropped(&notification.name, "it does not belong on the stream of a call"),
        }
    }

    fn request(&self, request: Request, progress: Option<Progress>) -> BoxFuture<'static, Payload> {
        match self.declared {
            Some(declared) if declared.answers(request.method) => {
                ask(&*self.downstream, request, progress)
            }
            _ => refuse(&request),
        }
    }

    fn log_line(&self, line: &str) {
        log(&self.upstream, line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_protocol::raw;

    #[test]
    fn a_log_message_is_kept_as_text_and_bounded() {
        let text = |params: &str| log_text(raw(params).as_deref());
        assert_eq!(text(r#"{"level":"info","data":"ready"}"#), "ready");
        assert_eq!(text(r#"{"data":{"a":1}}"#), r#"{"a":1}"#);
        assert_eq!(text("{}"), "");
        assert_eq!(text(&format!(r#"{{"data":"{}"}}"#, "x".repeat(10_000))).len(), 8 << 10);
    }

    #[test]
    fn just_the_questions_are_declared_as_the_client_did() {
        let capabilities =
            raw(r#"{"elicitation":{"form":{}},"experimental":{"x":1},"sampling":{}}"#).unwrap();
        assert_eq!(
            Declared::capabilities(&capabilities).get(),
            r#"{"elicitation":{"form":{}},"sampling":{}}"#
        );
        let declared = Declared::of(&capabilities);
        assert!(declared.any() && declared.answers(Method::SamplingCreateMessage));
        assert!(!declared.answers(Method::RootsList) && !declared.answers(Method::ToolsCall));
        assert!(!Declared::of(&raw(r#"{"tasks":{}}"#).unwrap()).any());
    }
}

//! Params on their way upstream: the few keys that are rewritten, everything else as it came.
//!
//! Pure. The connection itself sets the progress token and, to a modern upstream, the
//! revision in `_meta`.

use mcp_protocol::{
    Era, META_PREFIX, RawObject, RawValue, TASKS_EXTENSION, TraceContext, key, raw_string,
    raw_value, without_extension,
};

/// Which way a call goes, and what is put into its `_meta`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Crossing<'a> {
    /// The era the call came in.
    pub(super) from: Era,
    /// The era of the upstream's connection.
    pub(super) to: Era,
    /// Our `Implementation`.
    pub(super) client_info: &'a RawValue,
    /// What the modern caller declared.
    pub(super) capabilities: Option<&'a RawValue>,
    /// Whether an upstream may answer with a task: we know the way back to it.
    pub(super) relays_tasks: bool,
    /// The log level a legacy session asked for.
    pub(super) log_level: Option<&'a str>,
    /// The span of this attempt.
    pub(super) trace: &'a TraceContext,
}

impl Crossing<'_> {
    /// The params to send: `replaced` keys set, `_meta` rewritten.
    pub(super) fn params(
        &self,
        params: Option<&RawValue>,
        replaced: &[(&'static str, Box<RawValue>)],
    ) -> Box<RawValue> {
        let mut out = RawObject::of_params(params).unwrap_or_default();
        for (name, value) in replaced {
            out.set(name, value.clone());
        }
        if self.from == Era::Modern && self.to == Era::Legacy {
            out.remove("inputResponses");
            out.remove("requestState");
        }
        let meta = out.get("_meta").map(ToOwned::to_owned);
        match self.meta(meta.as_deref()) {
            Some(meta) => out.set("_meta", meta),
            None => {
                out.remove("_meta");
            }
        }
        out.to_raw()
    }

    fn meta(&self, meta: Option<&RawValue>) -> Option<Box<RawValue>> {
        let mut out = meta.and_then(RawObject::parse).unwrap_or_default();
        if self.from != self.to {
            out.retain(|name| !name.starts_with(META_PREFIX));
        }
        if self.to == Era::Modern {
            out.set(key::CLIENT_INFO, self.client_info.to_owned());
            out.set(key::CLIENT_CAPABILITIES, self.declared());
            if let Some(level) = self.log_level {
                out.set(key::LOG_LEVEL, raw_string(level));
            }
        }
        if let Some(parent) = &self.trace.traceparent {
            out.set("traceparent", raw_string(parent));
            match &self.trace.tracestate {
                Some(state) => out.set("tracestate", raw_string(state)),
                None => {
                    out.remove("tracestate");
                }
            }
        }
        (!out.is_empty()).then(|| out.to_raw())
    }

    /// The capabilities to declare for a modern caller: its own, and tasks only if we relay them.
    fn declared(&self) -> Box<RawValue> {
        match self.capabilities {
            None => raw_value(&serde_json::json!({})),
            Some(capabilities) if self.relays_tasks => capabilities.to_owned(),
            Some(capabilities) => without_extension(capabilities, TASKS_EXTENSION),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_protocol::raw;

    fn cross(from: Era, to: Era, params: &str) -> String {
        let (info, capabilities) =
            (raw(r#"{"name":"us"}"#).unwrap(), raw(r#"{"sampling":{}}"#).unwrap());
        let trace = TraceContext { traceparent: Some("00-a-b-01".into()), tracestate: None };
        let crossing = Crossing {
            from,
            to,
            client_info: &info,
            capabilities: (from == to).then_some(&*capabilities),
            relays_tasks: true,
            log_level: (from == Era::Legacy).then_some("info"),
            trace: &trace,
        };
        crossing.params(raw(params).as_deref(), &[("name", raw_string("bare"))]).get().to_owned()
    }

    #[test]
    fn within_the_legacy_era_only_name_and_trace_change() {
        let sent = cross(
            Era::Legacy,
            Era::Legacy,
            r#"{"x":1.50,"name":"u__bare","_meta":{"k":[1],"tracestate":"old","io.modelcontextprotocol/x":1}}"#,
        );
        assert_eq!(
            sent,
            r#"{"x":1.50,"name":"bare","_meta":{"k":[1],"io.modelcontextprotocol/x":1,"traceparent":"00-a-b-01"}}"#
        );
    }

    #[test]
    fn within_the_modern_era_we_are_the_client_with_the_callers_capabilities() {
        let sent = cross(
            Era::Modern,
            Era::Modern,
            r#"{"name":"u__bare","_meta":{"io.modelcontextprotocol/clientInfo":{"name":"them"},"io.modelcontextprotocol/logLevel":"debug"},"requestState":"s"}"#,
        );
        assert_eq!(
            sent,
            r#"{"name":"bare","_meta":{"io.modelcontextprotocol/clientInfo":{"name":"us"},"io.modelcontextprotocol/logLevel":"debug","io.modelcontextprotocol/clientCapabilities":{"sampling":{}},"traceparent":"00-a-b-01"},"requestState":"s"}"#
        );
    }

    #[test]
    fn to_the_legacy_era_nothing_modern_goes_along() {
        let sent = cross(
            Era::Modern,
            Era::Legacy,
            r#"{"name":"u__bare","inputResponses":{},"requestState":"s","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","own":1}}"#,
        );
        assert_eq!(sent, r#"{"name":"bare","_meta":{"own":1,"traceparent":"00-a-b-01"}}"#);
    }

    #[test]
    fn to_the_modern_era_no_capability_is_declared() {
        let sent = cross(Era::Legacy, Era::Modern, r#"{"name":"u__bare"}"#);
        assert!(sent.contains(r#""io.modelcontextprotocol/clientCapabilities":{}"#), "{sent}");
        assert!(sent.contains(r#""io.modelcontextprotocol/logLevel":"info""#), "{sent}");
    }

    #[test]
    fn tasks_are_declared_only_where_they_are_relayed() {
        let (info, trace) = (raw("{}").unwrap(), TraceContext::default());
        let text = r#"{"extensions":{"io.modelcontextprotocol/tasks":{},"x/y":{}},"roots":{}}"#;
        let capabilities = raw(text).unwrap();
        let declared = |relays_tasks| {
            let (from, to, log_level) = (Era::Modern, Era::Modern, None);
            let (client_info, capabilities) = (&*info, Some(&*capabilities));
            let crossing = Crossing {
                from,
                to,
                client_info,
                capabilities,
                relays_tasks,
                log_level,
                trace: &trace,
            };
            crossing.declared().get().to_owned()
        };
        assert_eq!(declared(true), text);
        assert_eq!(declared(false), r#"{"extensions":{"x/y":{}},"roots":{}}"#);
    }
}

//! Tests of the crate as its users see it.

mod accounts;
mod delivery;
mod foreign;
mod lines;
mod series;
mod spans;

use crate::{
    AttemptInfo, CallInfo, ConnectionInfo, ConnectionKind, Network, Telemetry, Transport,
    UpstreamLabel,
};
use mcp_protocol::{Method, Revision, TraceContext};

pub(super) fn telemetry() -> Telemetry {
    Telemetry::new().expect("a sound catalogue")
}

pub(super) fn call(method: Method) -> CallInfo<'static> {
    CallInfo {
        method,
        transport: Transport::Http,
        revision: Some(Revision::V2025_11_25),
        session_id: Some("session-1"),
        request_id: "7",
        target: None,
        parent: TraceContext::default(),
        ambient: TraceContext::default(),
        client_address: None,
    }
}

pub(super) fn attempt(upstream: &UpstreamLabel) -> AttemptInfo<'static> {
    AttemptInfo {
        upstream: upstream.clone(),
        method: Method::ToolsCall,
        target: Some("read"),
        revision: Revision::V2025_06_18,
        network: Network::Stdio,
    }
}

pub(super) const SESSION: ConnectionInfo =
    ConnectionInfo { transport: Transport::Http, kind: ConnectionKind::Session };

/// The value of a series as exposed; the labels as written there.
pub(super) fn value(telemetry: &Telemetry, series: &str) -> Option<f64> {
    telemetry.encode().lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

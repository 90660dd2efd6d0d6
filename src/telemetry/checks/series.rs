//! What is exposed is the catalogue, and its size is bounded by configuration.

use super::{call, telemetry};
use crate::{
    Bounds, CallEnd, ConfigEvent, Event, FixedConfig, Outcome, ReconnectOutcome, ReconnectSide,
    StoreEvent, Telemetry, ToolLabel, UpstreamLabel, catalogue,
};
use mcp_protocol::Method;
use std::{collections::BTreeSet, time::Duration};

const BOUNDS: Bounds = Bounds { connections: 4, sessions: 3, streams: 2, calls: 1 };

fn in_force(telemetry: &Telemetry) {
    let fixed = FixedConfig { transports: "http", store: true, tls: false, agents: false };
    telemetry.emit(&Event::Config(ConfigEvent::InForce { fixed, bounds: BOUNDS }));
}

/// What is known only once a server runs, with a certificate and a disk.
fn start(telemetry: &Telemetry) {
    let expires = Some((Duration::from_secs(2_208_988_800), "2040-01-01T00:00:00Z"));
    telemetry.emit(&Event::CertificateLoaded { expires });
    telemetry.emit(&Event::Store(StoreEvent::DiskLookedAt { free: 1, size: 2 }));
    in_force(telemetry);
}

fn series(telemetry: &Telemetry) -> usize {
    telemetry.encode().lines().filter(|line| !line.starts_with('#')).count()
}

#[test]
fn the_catalogue_is_what_is_exposed() {
    let telemetry = telemetry();
    let upstream = telemetry.register_upstream("files");
    let _tool = telemetry.register_tool(&upstream, "read");
    start(&telemetry);
    let text = telemetry.encode();
    let exposed: BTreeSet<(&str, &str)> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .filter(|(name, _)| cfg!(target_os = "linux") || !name.starts_with("process_"))
        .collect();
    let declared = catalogue();
    let declared: BTreeSet<(&str, &str)> =
        declared.iter().map(|metric| (metric.name, metric.kind.as_str())).collect();
    assert_eq!(exposed, declared);
}

#[test]
fn labels_and_helps_are_those_declared() {
    let telemetry = telemetry();
    let upstream = telemetry.register_upstream("files");
    let _tool = telemetry.register_tool(&upstream, "read");
    start(&telemetry);
    let text = telemetry.encode();
    for metric in catalogue() {
        assert!(
            text.contains(&format!("# HELP {} {}", metric.name, metric.help)),
            "{}",
            metric.name
        );
        let line = text.lines().find(|line| {
            line.strip_prefix(metric.name).is_some_and(|rest| rest.starts_with(['{', ' ', '_']))
        });
        let line = line.unwrap_or_else(|| panic!("{} has no series", metric.name));
        for label in metric.labels {
            assert!(line.contains(&format!("{label}=\"")), "{line}");
        }
    }
}

#[test]
fn a_flood_of_unknown_names_moves_no_series() {
    let telemetry = telemetry();
    let before = series(&telemetry);
    for number in 0..1_000 {
        let (name, id) = (format!("method/{number}"), number.to_string());
        let mut info = call(Method::parse(&name));
        (info.session_id, info.request_id, info.target) =
            (Some(name.as_str()), id.as_str(), Some(name.as_str()));
        let mut scope = telemetry.call_started(&info);
        scope.set_tool(ToolLabel::unknown());
        let (code, message) = (Some(-32_601), Some(name.as_str()));
        scope.finish(CallEnd { outcome: Outcome::ClientError, code, message });
    }
    assert_eq!(series(&telemetry), before);
    let other = r#"mcp_tool_calls_total{status="client_error",tool="_OTHER",upstream="_OTHER"}"#;
    assert_eq!(super::value(&telemetry, other), Some(1_000.0));
    assert_eq!(telemetry.snapshot().messages.errors, 1_000);
}

#[test]
fn tools_and_upstreams_are_bounded() {
    let telemetry = telemetry();
    let upstream = telemetry.register_upstream("files");
    for number in 0..10_000 {
        assert_ne!(telemetry.register_tool(&upstream, &format!("tool{number}")).name(), "_OTHER");
    }
    let before = {
        assert_eq!(telemetry.register_tool(&upstream, "one too many").name(), "_OTHER");
        series(&telemetry)
    };
    assert_eq!(telemetry.register_tool(&upstream, "another").upstream(), "files");
    assert_eq!(telemetry.register_tool(&upstream, "tool7").name(), "tool7");
    assert_eq!(series(&telemetry), before);
    (0..1_100).for_each(|number| drop(telemetry.register_upstream(&format!("up{number}"))));
    assert_eq!(telemetry.register_upstream("one too many").name(), "_OTHER");
}

#[test]
fn registration_is_idempotent() {
    let telemetry = telemetry();
    let _first = telemetry.register_tool(&UpstreamLabel::builtin(), "echo");
    let before = series(&telemetry);
    let again = telemetry.register_tool(&UpstreamLabel::builtin(), "echo");
    assert_eq!((series(&telemetry), again.upstream(), again.name()), (before, "builtin", "echo"));
    // Nobody ever says whether it can be called, so a zero would be a lie.
    let series = r#"mcp_tool_available{tool="echo",upstream="builtin"}"#;
    assert_eq!(super::value(&telemetry, series), None);
}

#[test]
fn a_session_is_never_reinitialized() {
    let telemetry = telemetry();
    let (side, outcome) = (ReconnectSide::Session, ReconnectOutcome::Reinitialized);
    telemetry.emit(&Event::ReconnectAttempted { side, outcome });
    let text = telemetry.encode();
    let reconnects = text.lines().filter(|line| line.starts_with("mcp_reconnect_attempts_total{"));
    assert_eq!(reconnects.count(), 11);
}

#[test]
fn what_is_in_force_is_told_and_what_was_refused() {
    let telemetry = telemetry();
    in_force(&telemetry);
    let value = |series: &str| super::value(&telemetry, series);
    for (limit, most) in [("connections", 4.0), ("sessions", 3.0), ("streams", 2.0), ("calls", 1.0)]
    {
        assert_eq!(value(&format!("mcp_limit{{limit=\"{limit}\"}}")), Some(most));
    }
    let info = r#"mcp_config_info{agents="off",store="on",tls="off",transports="http"}"#;
    assert_eq!(value(info), Some(1.0));
    assert_eq!(value("mcp_config_last_reload_successful"), Some(1.0));
    let since = value("mcp_config_reload_success_timestamp_seconds");
    telemetry.emit(&Event::Config(ConfigEvent::Refused { error: "no" }));
    assert_eq!(value("mcp_config_last_reload_successful"), Some(0.0));
    assert_eq!(value("mcp_config_reload_success_timestamp_seconds"), since);
    in_force(&telemetry);
    assert_eq!(value("mcp_config_last_reload_successful"), Some(1.0));
}

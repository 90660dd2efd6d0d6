//! A run that never was, but could have been: everything a result can hold, with names as a
//! stranger might choose them.

use mcp_lab::result::{
    Availability, AvailabilitySample, Calls, Client, Direction, Expectation, Failure, Fault,
    FinalStatus, Latency, Oracle, Outcome, Percentiles, Recovery, ResourceSample, ResourceSource,
    Resources, RunResult, SCHEMA, Scenario, Sessions, Target, TargetKind, UNEXPLAINED,
    UnavailableBy, Verdict, Written,
};

/// Everything that could mean something to HTML, Markdown, XML or a terminal.
pub const HOSTILE: &str =
    "</script><img src=x onerror=\"alert('1')\">|`**x**`|[a](javascript:alert(1))&amp;\u{202e}\u{1b}[31m\n# y";

/// The run.
pub fn run() -> RunResult {
    let mut started_s = 0.0;
    let mut scenarios = vec![stability(), restart(), chaos(), sessions(), hostile(), skipped()];
    for scenario in &mut scenarios {
        scenario.started_s = started_s;
        started_s += scenario.duration_s;
    }
    RunResult {
        schema: SCHEMA,
        version: "0.1.0".to_owned(),
        started: "2026-11-21T14:00:00Z".to_owned(),
        duration_s: started_s,
        seed: 42,
        time_scale: 1.0,
        target: Target {
            name: "everything-server".to_owned(),
            kind: TargetKind::Http,
            url: Some("http://127.0.0.1:3001/mcp".to_owned()),
            command: None,
            server_name: Some("mcp-servers/everything".to_owned()),
            server_version: Some("2026.8.31".to_owned()),
            protocol_version: Some("2025-11-25".to_owned()),
        },
        events: Some(Written { lines: 48_123, dropped: 0 }),
        scenarios,
    }
}

fn named(name: &str, description: &str, duration_s: f64) -> Scenario {
    Scenario {
        name: name.to_owned(),
        description: description.to_owned(),
        personas: vec!["own".to_owned(), "typescript-sdk".to_owned()],
        duration_s,
        verdict: Verdict::Passed,
        ..Scenario::default()
    }
}

fn expectation(name: &str, expected: &str, measured: &str, cause: Option<&str>) -> Expectation {
    Expectation {
        name: name.to_owned(),
        expected: expected.to_owned(),
        measured: measured.to_owned(),
        passed: cause.is_none(),
        cause: cause.map(str::to_owned),
    }
}

/// A little noise that is the same each time.
fn noise(n: u32) -> f64 {
    f64::from((n.wrapping_mul(2_654_435_761)) >> 16) / 65_536.0
}

fn resources(duration_s: f64, samples: u32) -> Resources {
    let sample = |n: u32| {
        let at_s = duration_s * f64::from(n) / f64::from(samples - 1);
        let warm = 1.0 - (-f64::from(n) / 12.0).exp();
        let rss = 31.0e6 + 9.0e6 * warm + 0.8e6 * noise(n);
        ResourceSample { at_s, rss_bytes: rss as u64, fds: Some(24 + u64::from(n % 7)), cpu_seconds: Some(at_s * 0.02) }
    };
    Resources {
        source: ResourceSource::Process,
        samples: (0..samples).map(sample).collect(),
        rss_slope_bytes_per_hour: Some(18_432.0),
        rss_slope_error_bytes_per_hour: Some(40_960.0),
    }
}

fn latency(p50_ms: f64, worst_ms: f64) -> Latency {
    let of = |p50_ms: f64, p99_ms: f64, max_ms: f64| Percentiles {
        count: 3_600,
        p50_ms,
        p90_ms: p50_ms * 2.1,
        p99_ms,
        p99_9_ms: (p99_ms * max_ms).sqrt(),
        max_ms,
        hdr: None,
    };
    Latency {
        corrected: of(p50_ms * 1.05, worst_ms / 2.0, worst_ms),
        raw: of(p50_ms, p50_ms * 4.0, worst_ms * 0.9),
    }
}

fn calls(outcomes: &[(Outcome, u64)]) -> Calls {
    Calls { started: outcomes.iter().map(|(_, calls)| calls).sum(), outcomes: outcomes.iter().copied().collect() }
}

fn series(changes: &[(f64, u32, u32)]) -> Vec<AvailabilitySample> {
    changes.iter().map(|&(at_s, listed, callable)| AvailabilitySample { at_s, listed, callable }).collect()
}

fn stability() -> Scenario {
    let mut scenario =
        named("connection-stability", "Calls once a second for an hour and watches for silent failures.", 3_600.0);
    scenario.expectations = vec![
        expectation("tools listed", "100 %", "100 %", None),
        expectation("calls without result", "0", "0", None),
        expectation("memory growth", "none beyond the error", "18 KiB an hour ± 40 KiB", None),
    ];
    scenario.availability = Some(Availability {
        tools: 12,
        listed_percent: 100.0,
        callable_percent: 100.0,
        tool_seconds: 43_200.0,
        unavailable_by_cause: Vec::new(),
        series: series(&[(0.0, 12, 12)]),
    });
    scenario.calls = calls(&[(Outcome::Ok, 3_590), (Outcome::ToolError, 10)]);
    scenario.oracle = Some(Oracle { sent: 3_600, ran: 3_600, ..Oracle::default() });
    scenario.latency = Some(latency(1.4, 38.0));
    scenario.resources = Some(resources(3_600.0, 361));
    scenario.sessions =
        Some(Sessions { opened: 2, average_duration_s: Some(3_599.0), heartbeat_effectiveness: Some(1.0) });
    scenario.target_metrics.insert("mcp_requests_total".to_owned(), [0.0, 3_600.0]);
    scenario
}

fn fault(name: &str, kind: &str, direction: Option<Direction>, from_s: f64, to_s: Option<f64>) -> Fault {
    let injected = if direction.is_some() { 731 } else { 1 };
    Fault { name: name.to_owned(), kind: kind.to_owned(), direction, from_s, to_s, injected }
}

fn restart() -> Scenario {
    let mut scenario = named("server-restart", "Kills the server three times while ten clients call it.", 60.0);
    scenario.expectations = vec![
        expectation("tools listed", "100 %", "100 %", None),
        expectation("recovery", "at most 1 s after each fault", "0.92 s", None),
    ];
    scenario.faults = [10.0, 28.0, 45.0].map(|at| fault("kill", "kill", None, at, Some(at))).into();
    let downs = [(10.1, 10.9), (28.1, 28.92), (45.05, 45.6)];
    let mut changes = vec![(0.0, 12, 12)];
    changes.extend(downs.iter().flat_map(|(from, to)| [(*from, 12, 0), (*to, 12, 12)]));
    scenario.availability = Some(Availability {
        tools: 12,
        listed_percent: 100.0,
        callable_percent: 96.4,
        tool_seconds: 720.0,
        unavailable_by_cause: vec![UnavailableBy {
            cause: "kill".to_owned(),
            unlisted_tool_seconds: 0.0,
            uncallable_tool_seconds: 26.0,
        }],
        series: series(&changes),
    });
    scenario.recoveries = [(10.0, 0.1, 0.9), (28.0, 0.1, 0.92), (45.0, 0.05, 0.6)]
        .map(|(at_s, noticed, back)| Recovery {
            fault: "kill".to_owned(),
            at_s,
            detected_after_s: Some(noticed),
            recovered_after_s: Some(back),
        })
        .into();
    scenario.calls = calls(&[(Outcome::Ok, 5_980), (Outcome::OutcomeUnknown, 12), (Outcome::Unavailable, 8)]);
    scenario.oracle = Some(Oracle { sent: 6_000, ran: 5_989, ..Oracle::default() });
    scenario.latency = Some(latency(0.8, 940.0));
    scenario.resources = Some(resources(60.0, 61));
    scenario
}

fn chaos() -> Scenario {
    let mut scenario = named(
        "network-chaos",
        "100 ms ± 50 ms of latency, 5 % loss, cut connections and pauses, for two minutes.",
        120.0,
    );
    scenario.verdict = Verdict::Failed;
    scenario.expectations = vec![
        expectation("tools listed", "100 %", "97.5 %", Some("the list came back shorter after the fault `pause`")),
        expectation("nothing runs twice", "0", "2", Some("the server ran a call again after the fault `cut`")),
        expectation("nothing hangs", "0", "0", None),
    ];
    scenario.faults = vec![
        fault("slow-network", "latency", Some(Direction::Both), 5.0, Some(110.0)),
        fault("loss", "loss", Some(Direction::Down), 20.0, Some(60.0)),
        fault("cut", "reset", Some(Direction::Up), 40.0, Some(41.0)),
        fault("cut", "reset", Some(Direction::Up), 70.0, Some(71.0)),
        fault("pause", "pause", Some(Direction::Both), 85.0, Some(95.0)),
    ];
    scenario.availability = Some(Availability {
        tools: 12,
        listed_percent: 97.5,
        callable_percent: 86.25,
        tool_seconds: 1_440.0,
        unavailable_by_cause: vec![
            UnavailableBy { cause: "pause".to_owned(), unlisted_tool_seconds: 36.0, uncallable_tool_seconds: 132.0 },
            UnavailableBy { cause: "cut".to_owned(), unlisted_tool_seconds: 0.0, uncallable_tool_seconds: 48.0 },
            UnavailableBy { cause: UNEXPLAINED.to_owned(), unlisted_tool_seconds: 0.0, uncallable_tool_seconds: 6.0 },
        ],
        series: series(&[
            (0.0, 12, 12),
            (40.2, 12, 4),
            (43.0, 12, 12),
            (70.2, 12, 6),
            (72.0, 12, 12),
            (85.5, 12, 0),
            (95.0, 8, 0),
            (97.0, 8, 8),
            (104.0, 12, 12),
            (116.0, 12, 11),
        ]),
    });
    let recovery = |fault: &str, at_s, noticed, back| Recovery {
        fault: fault.to_owned(),
        at_s,
        detected_after_s: noticed,
        recovered_after_s: back,
    };
    scenario.recoveries = vec![
        recovery("loss", 20.0, None, Some(0.0)),
        recovery("cut", 40.0, Some(0.2), Some(2.0)),
        recovery("cut", 70.0, Some(0.2), Some(1.0)),
        recovery("pause", 85.0, Some(0.5), None),
    ];
    scenario.failures = (0..40).map(failed_call).collect();
    scenario.failures_left_out = 17;
    scenario.calls = calls(&[
        (Outcome::Ok, 10_211),
        (Outcome::Timeout, 31),
        (Outcome::Disconnected, 24),
        (Outcome::ServerError, 2),
    ]);
    scenario.oracle = Some(Oracle { sent: 10_268, ran: 10_240, ran_twice: 2, ..Oracle::default() });
    scenario.latency = Some(latency(104.0, 11_300.0));
    scenario.resources = Some(resources(120.0, 121));
    scenario
}

fn failed_call(n: u32) -> Failure {
    Failure {
        at_s: 85.5 + f64::from(n) * 0.3,
        client: Some(format!("client-{}", n % 5 + 1)),
        what: "tools/call oracle_write".to_owned(),
        message: "no answer within 10 s".to_owned(),
        fault: Some("pause".to_owned()),
    }
}

fn sessions() -> Scenario {
    let mut scenario =
        named("concurrent-sessions", "Sessions that end, go stale, come back and last, side by side.", 90.0);
    let roles =
        [("normal", 5), ("stale", 2), ("simultaneous", 5), ("reconnecting", 3), ("heartbeat", 1)];
    for (role, clients) in roles {
        for _ in 0..clients {
            let at = scenario.clients.len() + 1;
            scenario.clients.push(client(at, role));
        }
    }
    scenario.expectations = vec![expectation("clients that succeeded", "16", "16", None)];
    scenario.sessions =
        Some(Sessions { opened: 19, average_duration_s: Some(41.5), heartbeat_effectiveness: Some(0.98) });
    scenario.calls = calls(&[(Outcome::Ok, 640)]);
    scenario
}

fn client(at: usize, role: &str) -> Client {
    let id = |n: usize| Some(format!("5f0c2d9e-4b1a-4c56-9d5a-{:012}", at * 10 + n));
    let mut client = Client {
        client_id: format!("client-{at}"),
        role: role.to_owned(),
        test: format!("{role}_lifecycle"),
        persona: "own".to_owned(),
        success: true,
        duration_seconds: 12.5,
        final_status: FinalStatus::Disconnected,
        ..Client::default()
    };
    match role {
        "reconnecting" => {
            (client.session1_id, client.session2_id) = (id(1), id(2));
            client.sessions_different = Some(true);
        }
        "heartbeat" => {
            client.session_id = id(1);
            (client.heartbeats_sent, client.heartbeats_expected) = (Some(49), Some(50));
            client.final_status = FinalStatus::Active;
        }
        "stale" => {
            client.session_id = id(1);
            client.final_status = FinalStatus::Expired;
        }
        _ => client.session_id = id(1),
    }
    client
}

fn hostile() -> Scenario {
    let mut scenario = named(HOSTILE, HOSTILE, 10.0);
    scenario.verdict = Verdict::Failed;
    scenario.personas = vec![HOSTILE.to_owned()];
    scenario.reason = Some(HOSTILE.to_owned());
    scenario.expectations = vec![expectation(HOSTILE, HOSTILE, &"long".repeat(90), Some(HOSTILE))];
    scenario.faults = vec![fault(HOSTILE, HOSTILE, Some(Direction::Up), 2.0, None)];
    scenario.recoveries = vec![Recovery {
        fault: HOSTILE.to_owned(),
        at_s: 2.0,
        detected_after_s: None,
        recovered_after_s: None,
    }];
    scenario.failures = vec![Failure {
        at_s: 3.0,
        client: Some(HOSTILE.to_owned()),
        what: HOSTILE.to_owned(),
        message: HOSTILE.to_owned(),
        fault: Some(HOSTILE.to_owned()),
    }];
    scenario.clients = vec![Client {
        client_id: HOSTILE.to_owned(),
        role: "../../x".to_owned(),
        error: Some(HOSTILE.to_owned()),
        ..Client::default()
    }];
    scenario.availability = Some(Availability {
        tools: 1,
        listed_percent: 80.0,
        callable_percent: 80.0,
        tool_seconds: 10.0,
        unavailable_by_cause: vec![UnavailableBy {
            cause: HOSTILE.to_owned(),
            unlisted_tool_seconds: 8.0,
            uncallable_tool_seconds: 8.0,
        }],
        series: series(&[(0.0, 1, 1), (2.0, 0, 0)]),
    });
    scenario.target_metrics.insert(HOSTILE.to_owned(), [0.0, 1.0]);
    scenario
}

fn skipped() -> Scenario {
    let mut scenario = named("half-open", "A connection that accepts and then says nothing.", 0.0);
    scenario.verdict = Verdict::Skipped;
    scenario.reason = Some("the target speaks over stdio, which has no connection to hold open".to_owned());
    scenario
}

//! Notes in the form of results.

use crate::{
    load::latency::Durations,
    observe::{slope::steady_slope, timeline::breaks},
    oracle::Sent,
    result::{Calls, Latency, Resources, Sessions},
    run::notes::{Call, Notes},
};
use std::collections::BTreeMap;

/// What takes a process away, with the results it had.
const TAKES_AWAY: &[&str] = &["kill", "terminate"];

pub(super) fn sent(notes: &Notes) -> Vec<Sent> {
    let keyed = notes.calls.iter().filter(|call| call.keyed);
    let sent = keyed.map(|call| {
        let (client, during) = (call.client.as_str(), (call.sent_s, call.ended_s));
        Sent {
            call: call.number,
            outcome: call.outcome,
            told_not_run: call.told_not_run,
            killed: notes.timeline.had(|kind| TAKES_AWAY.contains(&kind), client, during),
            faulted: notes.timeline.had(breaks, client, during),
        }
    });
    sent.collect()
}

pub(super) fn calls(notes: &Notes) -> Calls {
    let mut outcomes = BTreeMap::new();
    for call in &notes.calls {
        *outcomes.entry(call.outcome).or_default() += 1;
    }
    Calls { started: notes.calls_started, outcomes }
}

pub(super) fn latency(calls: &[Call]) -> Option<Latency> {
    let mut durations = Durations::new()?;
    for call in calls {
        durations.add(call.due_s, call.sent_s, call.ended_s);
    }
    durations.latency()
}

pub(super) fn resources(notes: &Notes) -> Option<Resources> {
    if notes.samples.is_empty() {
        return None;
    }
    let points: Vec<(f64, f64)> =
        notes.samples.iter().map(|sample| (sample.at_s, sample.rss_bytes as f64)).collect();
    let line = steady_slope(&points);
    Some(Resources {
        source: notes.sampled_from,
        samples: notes.samples.clone(),
        rss_slope_bytes_per_hour: line.map(|line| line.per_second * 3_600.0),
        rss_slope_error_bytes_per_hour: line.map(|line| line.error * 3_600.0),
    })
}

pub(super) fn sessions(notes: &Notes) -> Sessions {
    let lasted = &notes.session_seconds;
    let average = (!lasted.is_empty()).then(|| lasted.iter().sum::<f64>() / lasted.len() as f64);
    Sessions {
        opened: notes.sessions_opened,
        average_duration_s: average,
        heartbeat_effectiveness: effectiveness(notes.heartbeats),
    }
}

pub(super) fn effectiveness((answered, expected): (u64, u64)) -> Option<f64> {
    (expected > 0).then(|| answered as f64 / expected as f64)
}

pub(super) fn target_metrics(notes: &Notes) -> indexmap::IndexMap<String, [f64; 2]> {
    let value = |name: &String, last: &f64| {
        let first = notes.first_metrics.get(name).copied().unwrap_or_default();
        (name.clone(), [first, *last])
    };
    notes.last_metrics.iter().map(|(name, last)| value(name, last)).collect()
}

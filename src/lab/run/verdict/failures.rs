//! All that went wrong, and the fault behind each of it.

use crate::{
    observe::timeline::{Timeline, Trouble},
    oracle::Judged,
    result::{Failure, Outcome},
    run::notes::{Call, Notes},
};
use std::collections::HashMap;

/// When each client saw all well, in order.
pub(super) fn good_times(notes: &Notes) -> HashMap<&str, Vec<f64>> {
    let mut good: HashMap<&str, Vec<f64>> = HashMap::new();
    for (client, at_s) in &notes.good {
        good.entry(client).or_default().push(*at_s);
    }
    for call in notes.calls.iter().filter(|call| call.outcome == Outcome::Ok) {
        good.entry(&call.client).or_default().push(call.ended_s);
    }
    good.values_mut().for_each(|times| times.sort_by(f64::total_cmp));
    good
}

/// All that went wrong in the order in which it was seen, and which fault was behind it.
pub(super) fn failures(
    notes: &Notes,
    good: &HashMap<&str, Vec<f64>>,
    judged: Option<&Judged>,
) -> (Vec<Failure>, Vec<(f64, usize)>) {
    let last_good = |client: Option<&str>, before: f64| {
        // Who is no client has seen nothing before.
        let Some(client) = client else { return before };
        let times = good.get(client).map_or(&[][..], Vec::as_slice);
        times[..times.partition_point(|at| *at <= before)].last().copied().unwrap_or(0.0)
    };
    let timeline: &Timeline = &notes.timeline;
    let mut behind = Vec::new();
    let mut failures = Vec::new();
    let mut tell = |from_s: f64, at_s: f64, client: Option<&str>, what: &str, message: &str| {
        let last_good_s = last_good(client, from_s);
        let fault = timeline.behind(Trouble { client, from_s, to_s: at_s, last_good_s });
        behind.extend(fault.map(|fault| (at_s, fault)));
        failures.push(Failure {
            at_s,
            client: client.map(ToOwned::to_owned),
            what: what.to_owned(),
            message: message.to_owned(),
            fault: fault.map(|at| timeline.faults()[at].name.clone()),
        });
    };
    for call in notes.calls.iter().filter(|call| call.outcome != Outcome::Ok) {
        let message = call.message.as_deref().unwrap_or("no answer");
        tell(call.sent_s, call.ended_s, Some(&call.client), &call.what, message);
    }
    for failed in &notes.failures {
        let client = failed.client.as_deref();
        tell(failed.from_s, failed.at_s, client, &failed.what, &failed.message);
    }
    let by_number: HashMap<u64, &Call> = match judged {
        Some(_) => notes.calls.iter().map(|call| (call.number, call)).collect(),
        None => HashMap::new(),
    };
    for finding in judged.iter().flat_map(|judged| &judged.findings) {
        let Some(call) = by_number.get(&finding.call) else { continue };
        let message = finding.wrong.sentence();
        tell(call.sent_s, call.ended_s, Some(&call.client), &call.what, message);
    }
    failures.sort_by(|one, other| one.at_s.total_cmp(&other.at_s));
    (failures, behind)
}

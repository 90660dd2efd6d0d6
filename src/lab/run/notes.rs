//! All that is noted while a scenario runs. It is judged when the scenario is over.

use crate::{
    observe::{availability::Look, metrics::Values, timeline::Timeline},
    result::{Client, Outcome, ResourceSample, ResourceSource},
};
use std::collections::{BTreeSet, HashMap};

/// Most calls that are kept one by one; further ones are only counted.
const MOST_CALLS: usize = 500_000;
/// Most failures that are kept.
const MOST_FAILURES: usize = 10_000;
/// Most looks and samples that are kept: a day of ten a second.
pub(super) const MOST_LOOKS: usize = 864_000;

/// A call that has ended.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) number: u64,
    pub(super) client: String,
    pub(super) what: String,
    /// Whether it ran under a key of its own.
    pub(super) keyed: bool,
    pub(super) due_s: f64,
    pub(super) sent_s: f64,
    pub(super) ended_s: f64,
    pub(super) outcome: Outcome,
    pub(super) told_not_run: bool,
    pub(super) message: Option<String>,
}

/// Something else that went wrong.
#[derive(Debug, Clone)]
pub(super) struct Failed {
    pub(super) from_s: f64,
    pub(super) at_s: f64,
    pub(super) client: Option<String>,
    pub(super) what: String,
    pub(super) message: String,
}

/// All that is noted.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) timeline: Timeline,
    /// When all had played; what comes after is no part of the scenario.
    pub(super) ended_s: Option<f64>,
    pub(super) calls: Vec<Call>,
    pub(super) calls_started: u64,
    pub(super) calls_left_out: u64,
    /// When which client saw all well, beside its calls.
    pub(super) good: Vec<(String, f64)>,
    pub(super) failures: Vec<Failed>,
    pub(super) failures_left_out: u64,
    pub(super) clients: Vec<Client>,
    pub(super) looks: Vec<Look>,
    pub(super) samples: Vec<ResourceSample>,
    pub(super) sampled_from: ResourceSource,
    pub(super) first_metrics: Values,
    pub(super) last_metrics: Values,
    pub(super) sessions_opened: u64,
    pub(super) session_seconds: Vec<f64>,
    pub(super) heartbeats: (u64, u64),
    pub(super) leaked: u64,
    pub(super) missing: BTreeSet<String>,
    owners: HashMap<String, String>,
}

impl Notes {
    pub(super) fn call(&mut self, call: Call) {
        if self.calls.len() < MOST_CALLS {
            self.calls.push(call);
        } else {
            self.calls_left_out += 1;
        }
    }

    pub(super) fn good(&mut self, client: &str, at_s: f64) {
        if self.good.len() < MOST_CALLS {
            self.good.push((client.to_owned(), at_s));
        }
    }

    /// Why not all can be judged, if some calls were too many to keep.
    pub(super) fn unjudged(&self) -> Option<String> {
        let more = self.calls_left_out;
        (more > 0).then(|| format!("{more} calls beyond {MOST_CALLS} were not judged"))
    }

    pub(super) fn failed(&mut self, failed: Failed) {
        if self.failures.len() < MOST_FAILURES {
            self.failures.push(failed);
        } else {
            self.failures_left_out += 1;
        }
    }

    pub(super) fn look(&mut self, look: Look) {
        if self.looks.len() < MOST_LOOKS {
            self.looks.push(look);
        }
    }

    /// Notes whose session that is; says who else has it.
    pub(super) fn session_of(&mut self, session: &str, client: &str) -> Option<String> {
        if self.owners.len() >= MOST_CALLS {
            return None;
        }
        let owner = self.owners.entry(session.to_owned()).or_insert_with(|| client.to_owned());
        (owner != client).then(|| owner.clone())
    }
}

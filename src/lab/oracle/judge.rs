//! From what was sent, answered and run to what was lost or ran twice. Decides only.

use crate::result::{Oracle, Outcome};
use std::collections::BTreeMap;

/// A call that was sent under a key of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Its number, which is in its key.
    pub call: u64,
    /// How its client saw it end.
    pub outcome: Outcome,
    /// Whether its client was told that it did not run.
    pub told_not_run: bool,
    /// Whether the process that ran it was taken away meanwhile: then nobody can have its result.
    pub killed: bool,
    /// Whether any fault was on meanwhile.
    pub faulted: bool,
}

/// What is wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wrong {
    /// It was answered as done, and did not run.
    NeverRan,
    /// It ran, and its client was told that it did not.
    RanAfterAll,
    /// It ran, and its result was lost on the way.
    ResultLost,
    /// It ran more than once.
    RanTwice,
}

impl Wrong {
    /// In a sentence.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::NeverRan => "it was answered as done, and did not run",
            Self::RanAfterAll => "it ran, and its client was told that it did not",
            Self::ResultLost => "it ran, and its result was lost",
            Self::RanTwice => "it ran more than once",
        }
    }
}

/// Something wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finding {
    /// The call.
    pub call: u64,
    /// What.
    pub wrong: Wrong,
}

/// The judgement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judged {
    /// In numbers; what needs no oracle is left at zero.
    pub oracle: Oracle,
    /// Calls that ran and whose client does not have the result, though the process lived on. Where
    /// no fault explains it, and where the client was told otherwise, they are lost.
    pub results_lost: u64,
    /// Call by call.
    pub findings: Vec<Finding>,
}

/// Judges calls by how often each ran.
#[must_use]
pub fn judge(sent: &[Sent], ran: &BTreeMap<u64, u64>) -> Judged {
    let mut judged = Judged::default();
    judged.oracle.sent = sent.len() as u64;
    for call in sent {
        let times = ran.get(&call.call).copied().unwrap_or(0);
        judged.oracle.ran += u64::from(times > 0);
        let lost = lost(call, times);
        let is_explained = lost == Some(Wrong::ResultLost) && call.faulted;
        judged.oracle.lost += u64::from(lost.is_some() && !is_explained);
        judged.results_lost += u64::from(lost.is_some_and(|wrong| wrong != Wrong::NeverRan));
        judged.oracle.ran_twice += u64::from(times > 1);
        let twice = (times > 1).then_some(Wrong::RanTwice);
        let found = lost.into_iter().chain(twice);
        judged.findings.extend(found.map(|wrong| Finding { call: call.call, wrong }));
    }
    judged
}

fn lost(call: &Sent, times: u64) -> Option<Wrong> {
    match (call.outcome, times) {
        (Outcome::Ok, 0) => Some(Wrong::NeverRan),
        // Who took a call back does not wait for its result.
        (Outcome::Ok | Outcome::Cancelled, _) | (_, 0) => None,
        _ if call.told_not_run => Some(Wrong::RanAfterAll),
        _ if call.killed => None,
        _ => Some(Wrong::ResultLost),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sent(outcome: Outcome) -> Sent {
        Sent { call: 7, outcome, told_not_run: false, killed: false, faulted: false }
    }

    fn found(call: Sent, times: u64) -> Vec<Wrong> {
        let judged = judge(&[call], &[(7, times)].into());
        judged.findings.into_iter().map(|finding| finding.wrong).collect()
    }

    #[test]
    fn each_way_to_go_wrong_has_its_name() {
        assert_eq!(found(sent(Outcome::Ok), 1), []);
        assert_eq!(found(sent(Outcome::Ok), 0), [Wrong::NeverRan]);
        assert_eq!(found(sent(Outcome::Ok), 2), [Wrong::RanTwice]);
        assert_eq!(found(sent(Outcome::Timeout), 1), [Wrong::ResultLost]);
        assert_eq!(found(sent(Outcome::Disconnected), 0), []);
        let unavailable = Sent { told_not_run: true, ..sent(Outcome::Unavailable) };
        assert_eq!(found(unavailable, 1), [Wrong::RanAfterAll]);
        assert_eq!(found(unavailable, 0), []);
    }

    #[test]
    fn the_result_of_a_killed_process_is_nobodys_fault_but_a_lie_is() {
        let unknown = Sent { killed: true, ..sent(Outcome::OutcomeUnknown) };
        assert_eq!(found(unknown, 1), []);
        assert_eq!(found(unknown, 2), [Wrong::RanTwice]);
        assert_eq!(found(Sent { told_not_run: true, ..unknown }, 1), [Wrong::RanAfterAll]);
        assert_eq!(found(Sent { killed: true, ..sent(Outcome::Ok) }, 0), [Wrong::NeverRan]);
    }

    #[test]
    fn a_result_that_a_fault_took_is_a_lost_result_and_no_lost_call() {
        let cut = Sent { faulted: true, ..sent(Outcome::OutcomeUnknown) };
        let judged = judge(&[cut], &[(7, 1)].into());
        assert_eq!((judged.oracle.lost, judged.results_lost), (0, 1));
        let silent = judge(&[Sent { faulted: false, ..cut }], &[(7, 1)].into());
        assert_eq!((silent.oracle.lost, silent.results_lost), (1, 1));
        let lied = judge(&[Sent { told_not_run: true, ..cut }], &[(7, 1)].into());
        assert_eq!((lied.oracle.lost, lied.results_lost), (1, 1));
    }

    proptest! {
        #[test]
        fn numbers_and_findings_agree(
            calls in prop::collection::vec((0..4_u8, any::<bool>(), any::<bool>(), 0..4_u64), 0..50),
        ) {
            let outcomes =
                [Outcome::Ok, Outcome::Timeout, Outcome::Disconnected, Outcome::Cancelled];
            let mut ran = BTreeMap::new();
            let sent: Vec<Sent> = calls.into_iter().enumerate().map(|(at, call)| {
                let (outcome, told_not_run, killed, times) = call;
                ran.insert(at as u64, times);
                let outcome = outcomes[usize::from(outcome)];
                Sent { call: at as u64, outcome, told_not_run, killed, faulted: false }
            }).collect();
            let judged = judge(&sent, &ran);
            let twice = judged.findings.iter().filter(|one| one.wrong == Wrong::RanTwice).count();
            prop_assert_eq!(judged.oracle.ran_twice, twice as u64);
            prop_assert_eq!(judged.oracle.lost, (judged.findings.len() - twice) as u64);
            prop_assert!(judged.oracle.ran <= judged.oracle.sent);
        }
    }
}

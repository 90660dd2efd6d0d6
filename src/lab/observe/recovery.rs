//! How soon each fault was noticed, and how soon after its end all was well again.

use super::{
    availability::{Gap, Looks},
    timeline::Timeline,
};
use crate::result::Recovery;

/// For each fault that somebody noticed. `failed_s` tells when a client saw something fail, and the
/// fault behind it.
#[must_use]
pub fn recoveries(timeline: &Timeline, looks: &Looks, failed_s: &[(f64, usize)]) -> Vec<Recovery> {
    let gaps = looks.gaps(timeline);
    let faults = timeline.faults().iter().enumerate();
    let noticed = faults.filter_map(|(at, fault)| {
        let gaps: Vec<&Gap> = gaps.iter().filter(|gap| gap.fault == Some(at)).collect();
        let seen = gaps.iter().map(|gap| gap.look.at_s);
        let failed = failed_s.iter().filter(|(_, fault)| *fault == at).map(|(at_s, _)| *at_s);
        let first = seen.chain(failed).min_by(f64::total_cmp)?;
        Some(Recovery {
            fault: fault.name.clone(),
            at_s: fault.from_s,
            detected_after_s: Some((first - fault.from_s).max(0.0)),
            recovered_after_s: fault.to_s.and_then(|to| recovered(looks, &gaps, to)),
        })
    });
    noticed.collect()
}

/// How long after `to` everything was there again.
fn recovered(looks: &Looks, gaps: &[&Gap], to: f64) -> Option<f64> {
    let after = gaps.last().map_or(to, |gap| to.max(gap.look.at_s));
    let was_good = |look: &&super::availability::Look| look.at_s >= after && looks.is_good(look);
    let good = looks.all().iter().find(was_good)?.at_s;
    Some(if gaps.last().is_none_or(|gap| gap.look.at_s < to) { 0.0 } else { good - to })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::availability::Look;

    fn looks(callable: &[u32]) -> Looks {
        let look = |(at, callable): (usize, &u32)| Look {
            at_s: at as f64,
            listed: 2,
            callable: *callable,
        };
        Looks::new(2, callable.iter().enumerate().map(look).collect(), callable.len() as f64)
    }

    fn one_fault() -> Timeline {
        let mut timeline = Timeline::default();
        timeline.began("gone", "kill", None, 1.5);
        timeline.ended("gone", 3.5);
        timeline
    }

    #[test]
    fn times_count_from_the_begin_and_from_the_end_of_the_fault() {
        let found = recoveries(&one_fault(), &looks(&[2, 2, 0, 0, 0, 2, 2]), &[]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].detected_after_s, Some(0.5));
        assert_eq!(found[0].recovered_after_s, Some(1.5));
    }

    #[test]
    fn what_was_well_before_the_end_took_no_time_and_what_never_is_has_none() {
        let early = recoveries(&one_fault(), &looks(&[2, 2, 0, 2, 2, 2]), &[]);
        assert_eq!(early[0].recovered_after_s, Some(0.0));
        let never = recoveries(&one_fault(), &looks(&[2, 2, 0, 0, 0, 0]), &[]);
        assert_eq!(never[0].recovered_after_s, None);
    }

    #[test]
    fn a_fault_that_nobody_noticed_is_left_out_and_one_failed_call_is_enough() {
        let all_well = looks(&[2, 2, 2, 2, 2]);
        assert!(recoveries(&one_fault(), &all_well, &[]).is_empty());
        let found = recoveries(&one_fault(), &all_well, &[(2.0, 0)]);
        assert_eq!((found[0].detected_after_s, found[0].recovered_after_s), (Some(0.5), Some(0.0)));
    }
}

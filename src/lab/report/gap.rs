//! The stretches of time in which not every tool was there, and what was behind each.

use super::words::{clean, list};
use crate::result::Scenario;

/// How long after the end of a fault what happens is still put down to it, in seconds, where
/// nothing else was on.
const AFTERMATH_S: f64 = 5.0;
/// Faults that are named for a stretch.
const NAMED: usize = 8;

/// A stretch of time in which not every tool was there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Gap {
    /// When the first was gone.
    pub(crate) from_s: f64,
    /// When all were back, or the scenario ended.
    pub(crate) to_s: f64,
    /// The fewest that were listed.
    pub(crate) listed: u32,
    /// The fewest that could be called.
    pub(crate) callable: u32,
}

impl Gap {
    /// How long it was.
    pub(crate) fn length_s(&self) -> f64 {
        (self.to_s - self.from_s).max(0.0)
    }

    /// The faults that were on then; without one, the last that had just ended. Where the run
    /// itself says which faults cost anything, only those.
    pub(crate) fn faults(&self, scenario: &Scenario) -> Vec<String> {
        let blamed = scenario.availability.iter().flat_map(|a| &a.unavailable_by_cause);
        let blamed: Vec<&str> = blamed.map(|by| by.cause.as_str()).collect();
        let ended = |to: Option<f64>| to.unwrap_or(f64::INFINITY);
        let on: Vec<_> = scenario
            .faults
            .iter()
            .filter(|fault| fault.from_s <= self.to_s && ended(fault.to_s) >= self.from_s)
            .collect();
        let before = scenario
            .faults
            .iter()
            .filter(|fault| {
                ended(fault.to_s) < self.from_s && ended(fault.to_s) + AFTERMATH_S >= self.from_s
            })
            .max_by(|a, b| ended(a.to_s).total_cmp(&ended(b.to_s)));
        let candidates = if on.is_empty() { before.into_iter().collect() } else { on };
        let mut names: Vec<String> = Vec::new();
        for fault in &candidates {
            let counts = blamed.is_empty() || blamed.contains(&fault.name.as_str());
            let name = clean(&fault.name);
            if counts && names.len() < NAMED && !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// What was behind it, in words.
    pub(crate) fn why(&self, scenario: &Scenario) -> String {
        let faults = self.faults(scenario);
        match faults.len() {
            0 => "no fault was on".to_owned(),
            1 => format!("fault {}", faults[0]),
            _ => format!("faults {}", list(&faults)),
        }
    }
}

/// The stretches in which not every tool of a scenario was there.
pub(crate) fn gaps(scenario: &Scenario) -> Vec<Gap> {
    let Some(availability) = &scenario.availability else { return Vec::new() };
    let tools = availability.tools;
    let mut gaps: Vec<Gap> = Vec::new();
    let mut is_open = false;
    for sample in &availability.series {
        let is_whole = sample.listed >= tools && sample.callable >= tools;
        match gaps.last_mut().filter(|_| is_open) {
            Some(gap) if is_whole => gap.to_s = sample.at_s,
            Some(gap) => {
                gap.listed = gap.listed.min(sample.listed);
                gap.callable = gap.callable.min(sample.callable);
            }
            None if is_whole => {}
            None => gaps.push(Gap {
                from_s: sample.at_s,
                to_s: scenario.duration_s,
                listed: sample.listed,
                callable: sample.callable,
            }),
        }
        is_open = !is_whole;
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        report::story,
        result::{Availability, AvailabilitySample, Fault, UnavailableBy},
    };

    fn fault(name: &str, from_s: f64, to_s: Option<f64>) -> Fault {
        Fault {
            name: name.to_owned(),
            kind: "kill".to_owned(),
            direction: None,
            from_s,
            to_s,
            injected: 1,
        }
    }

    fn scenario(series: &[(f64, u32, u32)], faults: Vec<Fault>) -> Scenario {
        let sample = |&(at_s, listed, callable)| AvailabilitySample { at_s, listed, callable };
        let series = series.iter().map(sample).collect();
        let availability =
            Availability { tools: 3, tool_seconds: 90.0, series, ..Availability::default() };
        Scenario {
            duration_s: 30.0,
            availability: Some(availability),
            faults,
            ..Scenario::default()
        }
    }

    #[test]
    fn an_outage_that_is_not_over_lasts_to_the_end() {
        let scenario = scenario(&[(0.0, 3, 3), (20.0, 3, 2), (25.0, 1, 2)], Vec::new());
        assert_eq!(gaps(&scenario), [Gap { from_s: 20.0, to_s: 30.0, listed: 1, callable: 2 }]);
        assert_eq!(
            story::of_scenario(&scenario),
            "For 10 s of 30 s not every tool was listed and could be called (at worst 1 of 3), from 20 s to \
             30 s (no fault was on). Some were missing from the list too."
        );
    }

    #[test]
    fn an_outage_is_put_down_to_the_fault_that_was_on_or_had_just_ended() {
        let outage = [(0.0, 3, 3), (10.0, 3, 0), (12.0, 3, 3)];
        let why = |faults: Vec<Fault>| {
            let scenario = scenario(&outage, faults);
            gaps(&scenario)[0].why(&scenario)
        };
        assert_eq!(why(vec![fault("on", 9.0, None), fault("before", 1.0, Some(9.0))]), "fault on");
        assert_eq!(why(vec![fault("a", 1.0, Some(6.0)), fault("b", 1.0, Some(7.0))]), "fault b");
        assert_eq!(why(vec![fault("long ago", 1.0, Some(4.0))]), "no fault was on");
        assert_eq!(why(vec![fault("later", 12.5, None)]), "no fault was on");
        let both =
            vec![fault("a", 9.0, None), fault("b", 10.0, Some(11.0)), fault("b", 11.5, None)];
        assert_eq!(why(both), "faults a and b");
    }

    #[test]
    fn where_the_run_blames_a_fault_no_other_is_named() {
        let faults = vec![fault("slow", 0.0, None), fault("kill", 10.0, Some(10.0))];
        let mut scenario = scenario(&[(0.0, 3, 3), (10.1, 3, 0), (12.0, 3, 3)], faults);
        let by = |cause: &str| UnavailableBy {
            cause: cause.to_owned(),
            unlisted_tool_seconds: 0.0,
            uncallable_tool_seconds: 5.7,
        };
        scenario.availability.as_mut().unwrap().unavailable_by_cause = vec![by("slow")];
        assert_eq!(gaps(&scenario)[0].why(&scenario), "fault slow");
    }
}

//! From looks at the tools to seconds without them. Each look holds until the next.

use super::timeline::{Timeline, Trouble};
use crate::result::{Availability, AvailabilitySample, UNEXPLAINED, UnavailableBy};
use std::collections::BTreeMap;

/// One look at the tools.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    /// When, in seconds of the scenario.
    pub at_s: f64,
    /// How many tools of those at the start were listed.
    pub listed: u32,
    /// How many could be called.
    pub callable: u32,
}

/// A look that found something missing, and the fault behind it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gap {
    /// The look.
    pub look: Look,
    /// How long it held.
    pub seconds: f64,
    /// The fault, by its place in the timeline.
    pub fault: Option<usize>,
}

/// All that was seen of the tools of one target.
#[derive(Debug, Clone)]
pub struct Looks {
    tools: u32,
    looks: Vec<Look>,
    end_s: f64,
}

impl Looks {
    /// Looks at a target that had so many tools, until `end_s`.
    #[must_use]
    pub fn new(tools: u32, mut looks: Vec<Look>, end_s: f64) -> Self {
        looks.sort_by(|one, other| one.at_s.total_cmp(&other.at_s));
        Self { tools, looks, end_s }
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[Look] {
        &self.looks
    }

    /// Whether nothing was missing.
    #[must_use]
    pub const fn is_good(&self, look: &Look) -> bool {
        look.listed >= self.tools && look.callable >= self.tools
    }

    /// Every look that found something missing.
    #[must_use]
    pub fn gaps(&self, timeline: &Timeline) -> Vec<Gap> {
        let mut last_good_s = 0.0;
        let mut gaps = Vec::new();
        for (look, seconds) in self.held() {
            if self.is_good(&look) {
                last_good_s = look.at_s;
                continue;
            }
            let to_s = look.at_s + seconds;
            let trouble = Trouble { client: None, from_s: look.at_s, to_s, last_good_s };
            gaps.push(Gap { look, seconds, fault: timeline.behind(trouble) });
        }
        gaps
    }

    /// What became of the tools; `None` when nobody looked, or there were none.
    #[must_use]
    pub fn availability(&self, timeline: &Timeline) -> Option<Availability> {
        let watched: f64 = self.held().map(|(_, seconds)| seconds).sum();
        let tool_seconds = watched * f64::from(self.tools);
        if tool_seconds <= 0.0 {
            return None;
        }
        let mut lost: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
        for gap in self.gaps(timeline) {
            let cause = gap.fault.map_or(UNEXPLAINED, |at| timeline.faults()[at].name.as_str());
            let entry = lost.entry(cause).or_default();
            entry.0 += gap.seconds * f64::from(self.tools.saturating_sub(gap.look.listed));
            entry.1 += gap.seconds * f64::from(self.tools.saturating_sub(gap.look.callable));
        }
        let percent = |lost: f64| 100.0 * (1.0 - lost / tool_seconds).clamp(0.0, 1.0);
        Some(Availability {
            tools: self.tools,
            listed_percent: percent(lost.values().map(|(unlisted, _)| unlisted).sum()),
            callable_percent: percent(lost.values().map(|(_, uncallable)| uncallable).sum()),
            tool_seconds,
            unavailable_by_cause: lost.into_iter().map(by_cause).collect(),
            series: self.series(),
        })
    }

    /// Looks with the time for which each held.
    fn held(&self) -> impl Iterator<Item = (Look, f64)> {
        let next = self.looks.iter().skip(1).map(|look| look.at_s).chain([self.end_s]);
        self.looks.iter().zip(next).map(|(look, next)| (*look, (next - look.at_s).max(0.0)))
    }

    /// Only where something changed.
    fn series(&self) -> Vec<AvailabilitySample> {
        let mut series: Vec<AvailabilitySample> = Vec::new();
        for look in &self.looks {
            let sample = AvailabilitySample {
                at_s: look.at_s,
                listed: look.listed,
                callable: look.callable,
            };
            let same = |last: &AvailabilitySample| {
                last.listed == sample.listed && last.callable == sample.callable
            };
            if !series.last().is_some_and(same) {
                series.push(sample);
            }
        }
        series
    }
}

fn by_cause((cause, (unlisted, uncallable)): (&str, (f64, f64))) -> UnavailableBy {
    UnavailableBy {
        cause: cause.to_owned(),
        unlisted_tool_seconds: unlisted,
        uncallable_tool_seconds: uncallable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn look(at_s: f64, listed: u32, callable: u32) -> Look {
        Look { at_s, listed, callable }
    }

    #[test]
    fn seconds_are_those_of_tools_and_are_laid_to_their_fault() {
        let mut timeline = Timeline::default();
        timeline.began("kill", "kill", None, 1.0);
        timeline.ended("kill", 1.2);
        let looks = vec![look(0.0, 4, 4), look(1.0, 4, 0), look(2.0, 4, 4), look(5.0, 3, 4)];
        let found = Looks::new(4, looks, 6.0).availability(&timeline).expect("watched");
        assert_eq!(found.tool_seconds, 24.0);
        assert!((found.callable_percent - 100.0 * 20.0 / 24.0).abs() < 1e-9);
        assert!((found.listed_percent - 100.0 * 23.0 / 24.0).abs() < 1e-9);
        let causes: Vec<(&str, f64, f64)> = found
            .unavailable_by_cause
            .iter()
            .map(|by| (by.cause.as_str(), by.unlisted_tool_seconds, by.uncallable_tool_seconds))
            .collect();
        assert_eq!(causes, [("kill", 0.0, 4.0), (UNEXPLAINED, 1.0, 0.0)]);
        assert_eq!(found.series.len(), 4);
    }

    #[test]
    fn nothing_watched_is_nothing_known() {
        assert_eq!(Looks::new(4, vec![], 6.0).availability(&Timeline::default()), None);
        let one = vec![look(0.0, 0, 0)];
        assert_eq!(Looks::new(0, one, 6.0).availability(&Timeline::default()), None);
    }

    proptest! {
        #[test]
        fn what_is_lost_and_what_is_left_add_up(
            parts in prop::collection::vec((0.0..100.0_f64, 0..=5_u32, 0..=5_u32), 1..50),
            faults in prop::collection::vec((0.0..100.0_f64, 0.0..20.0_f64), 0..5),
        ) {
            let mut timeline = Timeline::default();
            for (at, (from, lasts)) in faults.into_iter().enumerate() {
                timeline.began(&at.to_string(), "kill", None, from);
                timeline.ended(&at.to_string(), from + lasts);
            }
            let looks = parts.into_iter().map(|(at, listed, callable)| look(at, listed, callable));
            let looks = Looks::new(5, looks.collect(), 101.0);
            let found = looks.availability(&timeline).expect("watched");
            let lost: f64 =
                found.unavailable_by_cause.iter().map(|by| by.uncallable_tool_seconds).sum();
            let left = found.callable_percent / 100.0 * found.tool_seconds;
            prop_assert!((lost + left - found.tool_seconds).abs() < 1e-6);
            prop_assert!((0.0..=100.0).contains(&found.listed_percent));
            prop_assert!(found.series.windows(2).all(|two| two[0].at_s <= two[1].at_s));
        }
    }
}

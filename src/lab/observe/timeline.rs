//! Which fault was on when, and which of them stands behind a failure.

use crate::result::{Direction, Fault};

/// How long after its end a fault explains what it no longer touches: broken connections are found
/// out a little later.
const AFTERMATH: f64 = 0.25;

/// How long before its note a fault may have begun: that a proxy put it in is read a little later.
const LEAD: f64 = 0.05;

/// What only slows: nothing is lost by it, and nothing need be gone.
const SLOWS: &[&str] = &["noop", "latency", "bandwidth", "loss", "slice", "cpu", "memory"];

/// Whether a fault of that kind takes something away, and does not only slow.
#[must_use]
pub fn breaks(kind: &str) -> bool {
    !SLOWS.contains(&kind)
}

/// The faults of a scenario, in the order in which they began.
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    faults: Vec<Fault>,
    /// Whom each is done to, where that is one client alone.
    only: Vec<Option<String>>,
}

/// What somebody saw go wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trouble<'a> {
    /// Who saw it, if that was a client.
    pub client: Option<&'a str>,
    /// When it began, in seconds of the scenario.
    pub from_s: f64,
    /// When it was over, or was seen.
    pub to_s: f64,
    /// When the same observer last saw all well before it.
    pub last_good_s: f64,
}

impl Timeline {
    /// Notes that a fault was switched on.
    pub fn began(&mut self, name: &str, kind: &str, direction: Option<Direction>, at_s: f64) {
        self.began_for(None, (name, kind), direction, at_s);
    }

    /// Notes that a fault, told by name and kind, was switched on for one client alone.
    pub fn began_for(
        &mut self,
        client: Option<&str>,
        (name, kind): (&str, &str),
        direction: Option<Direction>,
        at_s: f64,
    ) {
        if self.is_on(name) {
            return;
        }
        let (name, kind) = (name.to_owned(), kind.to_owned());
        self.faults.push(Fault { name, kind, direction, from_s: at_s, to_s: None, injected: 0 });
        self.only.push(client.map(ToOwned::to_owned));
    }

    /// Notes that it struck.
    pub fn injected(&mut self, name: &str) {
        // What strikes just after its end still belongs to it.
        if let Some(fault) = self.faults.iter_mut().rev().find(|fault| fault.name == name) {
            fault.injected += 1;
        }
    }

    /// Notes that it was switched off.
    pub fn ended(&mut self, name: &str, at_s: f64) {
        let on = |fault: &&mut Fault| fault.name == name && fault.to_s.is_none();
        if let Some(fault) = self.faults.iter_mut().rev().find(on) {
            fault.to_s = Some(at_s);
        }
    }

    /// Whether one of that name is on.
    #[must_use]
    pub fn is_on(&self, name: &str) -> bool {
        self.faults.iter().any(|fault| fault.name == name && fault.to_s.is_none())
    }

    /// The faults that are on, by name.
    #[must_use]
    pub fn on(&self) -> Vec<String> {
        let on = self.faults.iter().filter(|fault| fault.to_s.is_none());
        on.map(|fault| fault.name.clone()).collect()
    }

    /// All of them.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// The fault behind a trouble, by its place in [`faults`](Self::faults): the last one that began
    /// before the trouble was over, and that was on during it, or has not been got over since. One
    /// that only slows is behind what no other explains.
    #[must_use]
    pub fn behind(&self, trouble: Trouble<'_>) -> Option<usize> {
        let explains = |(fault, only): (&Fault, &Option<String>)| {
            if only.as_deref().is_some_and(|only| trouble.client != Some(only)) {
                return false;
            }
            let to = fault.to_s.unwrap_or(f64::INFINITY);
            let touched = to + AFTERMATH >= trouble.from_s;
            fault.from_s - LEAD <= trouble.to_s && (touched || to >= trouble.last_good_s)
        };
        let last = |of: &dyn Fn(&str) -> bool| {
            let mut faults = self.faults.iter().zip(&self.only);
            faults.rposition(|(fault, only)| of(&fault.kind) && explains((fault, only)))
        };
        last(&breaks).or_else(|| last(&|_| true))
    }

    /// The same, by name.
    #[must_use]
    pub fn cause(&self, trouble: Trouble<'_>) -> Option<&str> {
        self.behind(trouble).map(|at| self.faults[at].name.as_str())
    }

    /// Whether a fault of such a kind was on for a client during a time.
    #[must_use]
    pub fn had(
        &self,
        is_kind: impl Fn(&str) -> bool,
        client: &str,
        (from_s, to_s): (f64, f64),
    ) -> bool {
        self.faults.iter().zip(&self.only).any(|(fault, only)| {
            is_kind(&fault.kind)
                && only.as_deref().is_none_or(|only| only == client)
                && fault.from_s - LEAD <= to_s
                && fault.to_s.unwrap_or(f64::INFINITY) + AFTERMATH >= from_s
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> Timeline {
        let mut timeline = Timeline::default();
        timeline.began("slow", "latency", Some(Direction::Both), 1.0);
        timeline.ended("slow", 2.0);
        timeline.began("gone", "kill", None, 5.0);
        timeline.ended("gone", 5.5);
        timeline
    }

    fn trouble(from_s: f64, to_s: f64, last_good_s: f64) -> Trouble<'static> {
        Trouble { client: None, from_s, to_s, last_good_s }
    }

    #[test]
    fn a_failure_is_laid_to_the_fault_that_was_on() {
        let timeline = two();
        assert_eq!(timeline.cause(trouble(1.5, 1.6, 1.4)), Some("slow"));
        assert_eq!(timeline.cause(trouble(4.9, 5.2, 4.8)), Some("gone"));
    }

    #[test]
    fn what_only_slows_explains_only_what_no_other_does() {
        let mut timeline = Timeline::default();
        timeline.began("cut", "reset", None, 1.0);
        timeline.began("slow", "latency", None, 1.1);
        timeline.ended("cut", 1.2);
        assert_eq!(timeline.cause(trouble(1.3, 1.4, 0.9)), Some("cut"));
        assert_eq!(timeline.cause(trouble(2.0, 2.1, 1.9)), Some("slow"));
        assert!(!timeline.had(breaks, "a", (2.0, 2.1)));
    }

    #[test]
    fn a_failure_before_any_fault_or_after_recovery_is_laid_to_none() {
        let timeline = two();
        assert_eq!(timeline.cause(trouble(0.1, 0.9, 0.0)), None);
        assert_eq!(timeline.cause(trouble(3.0, 3.5, 2.9)), None);
        assert_eq!(timeline.cause(trouble(4.9, 4.97, 4.8)), Some("gone"));
    }

    #[test]
    fn what_nobody_recovered_from_is_still_its_cause() {
        let timeline = two();
        assert_eq!(timeline.cause(trouble(9.0, 9.1, 4.9)), Some("gone"));
        assert_eq!(timeline.cause(trouble(9.0, 9.1, 8.9)), None);
    }

    #[test]
    fn what_is_done_to_one_client_explains_no_other() {
        let mut timeline = Timeline::default();
        timeline.began_for(Some("a"), ("cut a", "reset"), None, 1.0);
        let seen_by = |client| Trouble { client, ..trouble(1.1, 1.2, 0.9) };
        assert_eq!(timeline.cause(seen_by(Some("a"))), Some("cut a"));
        assert_eq!(timeline.cause(seen_by(Some("b"))), None);
        assert_eq!(timeline.cause(seen_by(None)), None);
        let had = |client| timeline.had(|_| true, client, (1.1, 1.2));
        assert!(had("a") && !had("b"));
    }

    #[test]
    fn a_fault_that_is_on_already_does_not_begin_again() {
        let mut timeline = two();
        timeline.began("x", "pause", None, 6.0);
        timeline.began("x", "pause", None, 7.0);
        timeline.injected("x");
        assert_eq!(timeline.on(), ["x"]);
        timeline.ended("x", 8.0);
        let last = timeline.faults().last().expect("one");
        assert_eq!((last.from_s, last.to_s, last.injected), (6.0, Some(8.0), 1));
        let had = |from_s| timeline.had(|kind| kind == "pause", "a", (from_s, 9.0));
        assert!(had(7.9) && !had(8.5));
    }
}

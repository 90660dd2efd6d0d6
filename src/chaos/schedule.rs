//! When a fault is in force: pure arithmetic over the time since it was put in.

use crate::{ChaosError, span};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// When a fault is in force. The default is from now on and for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// How long after it was put in it begins.
    #[serde(default, with = "span", skip_serializing_if = "Duration::is_zero")]
    pub at: Duration,
    /// How long it lasts; for ever if absent.
    #[serde(
        default,
        rename = "for",
        with = "span::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub lasts: Option<Duration>,
    /// It begins again each time so much has passed since it began.
    #[serde(default, with = "span::option", skip_serializing_if = "Option::is_none")]
    pub every: Option<Duration>,
    /// How often it begins; without end if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
}

/// Where a schedule stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stand {
    /// The ordinal of the occurrence that is in force, from 1.
    pub(crate) occurrence: Option<u64>,
    /// When the last occurrence began, after the fault was put in.
    pub(crate) begun: Duration,
    /// When that changes, after the fault was put in.
    pub(crate) next: Option<Duration>,
}

impl Schedule {
    /// In force once: from `at`, for so long.
    #[must_use]
    pub fn once(at: Duration, lasts: Duration) -> Self {
        Self { at, lasts: Some(lasts), ..Self::default() }
    }

    pub(crate) fn check(&self) -> Result<(), ChaosError> {
        let wrong = |text: &str| Err(ChaosError::Invalid(text.to_owned()));
        match (self.every, self.lasts) {
            (None, _) if self.times.is_some() => wrong("`times` needs `every`: how often it comes"),
            (Some(_), None) => wrong("`every` needs `for`: how long it lasts each time"),
            (Some(every), Some(lasts)) if lasts >= every => {
                wrong("`for` must be shorter than `every`, or it would never end")
            }
            _ if self.lasts.is_some_and(|lasts| lasts.is_zero()) => wrong("`for` must not be 0"),
            _ if self.times == Some(0) => wrong("`times` must not be 0"),
            _ => Ok(()),
        }
    }

    /// Where it stands so long after the fault was put in.
    pub(crate) fn stand(&self, elapsed: Duration) -> Stand {
        let Some(since) = elapsed.checked_sub(self.at) else {
            return Stand { occurrence: None, begun: self.at, next: Some(self.at) };
        };
        let (index, within) = match self.every {
            Some(every) => {
                let index = since.as_nanos() / every.as_nanos().max(1);
                let index = u32::try_from(index).unwrap_or(u32::MAX);
                (index, since.saturating_sub(every * index))
            }
            None => (0, since),
        };
        let ordinal = u64::from(index) + 1;
        let begun = elapsed.saturating_sub(within);
        if self.times.is_some_and(|times| ordinal > times) {
            return Stand { occurrence: None, begun, next: None };
        }
        if self.lasts.is_none_or(|lasts| within < lasts) {
            let next = self.lasts.map(|lasts| begun + lasts);
            return Stand { occurrence: Some(ordinal), begun, next };
        }
        let again = self.times.is_none_or(|times| ordinal < times);
        let next = self.every.filter(|_| again).map(|every| begun + every);
        Stand { occurrence: None, begun, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn without_a_schedule_it_is_in_force_for_ever() {
        let stand = Schedule::default().stand(s(1_000));
        assert_eq!(stand, Stand { occurrence: Some(1), begun: s(0), next: None });
    }

    #[test]
    fn it_begins_and_ends_when_it_says() {
        let once = Schedule::once(s(10), s(5));
        let stand = |occurrence, next| Stand { occurrence, begun: s(10), next };
        assert_eq!(once.stand(s(0)), stand(None, Some(s(10))));
        assert_eq!(once.stand(s(10)), stand(Some(1), Some(s(15))));
        assert_eq!(once.stand(s(14)), stand(Some(1), Some(s(15))), "it began when it began");
        assert_eq!(once.stand(s(15)), stand(None, None));
    }

    #[test]
    fn it_comes_again_as_often_as_it_says() {
        let thrice = Schedule { at: s(1), lasts: Some(s(2)), every: Some(s(10)), times: Some(3) };
        let occurrences: Vec<_> =
            [0, 1, 2, 3, 11, 13, 21, 22, 23, 31].map(|at| thrice.stand(s(at)).occurrence).into();
        let expected = [None, Some(1), Some(1), None, Some(2), None, Some(3), Some(3), None, None];
        assert_eq!(occurrences, expected);
        assert_eq!(thrice.stand(s(3)).next, Some(s(11)));
        assert_eq!(thrice.stand(s(23)).next, None, "it was the last");
    }

    #[test]
    fn following_next_meets_every_change() {
        let often = Schedule { at: s(2), lasts: Some(s(1)), every: Some(s(3)), times: Some(4) };
        let (mut at, mut changes) = (Duration::ZERO, Vec::new());
        while let Some(next) = often.stand(at).next {
            assert!(next > at, "time goes on");
            at = next;
            changes.push(at.as_secs());
        }
        assert_eq!(changes, [2, 3, 5, 6, 8, 9, 11, 12]);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let wrong = [
            Schedule { times: Some(2), ..Schedule::default() },
            Schedule { every: Some(s(1)), ..Schedule::default() },
            Schedule { every: Some(s(1)), lasts: Some(s(1)), ..Schedule::default() },
            Schedule { lasts: Some(s(0)), ..Schedule::default() },
            Schedule {
                every: Some(s(2)),
                lasts: Some(s(1)),
                times: Some(0),
                ..Schedule::default()
            },
        ];
        for schedule in wrong {
            assert!(schedule.check().is_err(), "{schedule:?}");
        }
    }
}

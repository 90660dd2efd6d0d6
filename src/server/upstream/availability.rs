//! How long tools could be called and how long not, worked out from when their upstream was there.
//! Pure: the time is passed in.
//!
//! A tool is available while it is listed and a call of it would be dispatched within `park`, the
//! longest time for which a call waits. So of an outage all but its last `park` counts, and a
//! moment of it counts once `park` has passed since: the sums advance while the outage lasts.

use mcp_client::{ClientError, Ending};
use mcp_telemetry::OutageCause;
use std::time::Duration;
use tokio::time::Instant;

/// Since when something is away, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Away {
    pub(super) since: Instant,
    pub(super) cause: OutageCause,
}

/// Tools that come and go together: those that are listed in the same eras.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    /// In the legacy era only.
    Legacy,
    /// In the modern era only.
    Modern,
    /// In both: away when both are.
    Both,
    /// What an upstream counts as of which no list is known.
    Unlisted,
}

impl Group {
    /// Every group.
    pub(super) const ALL: [Self; 4] = [Self::Legacy, Self::Modern, Self::Both, Self::Unlisted];
}

/// What went by since it was last asked, in seconds, summed over tools.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Passed {
    /// All of it.
    pub(super) seconds: f64,
    /// The part in which tools could not be called.
    pub(super) unavailable: Vec<(OutageCause, f64)>,
    /// Whether a group is found to be unavailable now that was not before.
    pub(super) has_turned: bool,
}

/// The account of one upstream.
#[derive(Debug)]
pub(super) struct Account {
    last: Instant,
    groups: [Entry; 4],
}

#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    tools: usize,
    away: Option<Away>,
    /// Up to when its outage was counted.
    counted: Option<Instant>,
}

impl Account {
    /// An account of nothing yet.
    pub(super) fn new(now: Instant) -> Self {
        Self { last: now, groups: [Entry::default(); 4] }
    }

    /// Counts up to `now`.
    pub(super) fn advance(&mut self, now: Instant, park: Duration) -> Passed {
        let mut passed = Passed::default();
        let since = now.saturating_duration_since(self.last).as_secs_f64();
        self.last = now;
        for entry in &mut self.groups {
            passed.seconds += times(entry.tools, since);
            if let Some((cause, seconds, turned)) = entry.advance(now, park) {
                passed.unavailable.push((cause, seconds));
                passed.has_turned |= turned;
            }
        }
        passed
    }

    /// Says how many tools a group has and since when they are away. To be called right after
    /// [`Account::advance`].
    pub(super) fn set(&mut self, group: Group, tools: usize, away: Option<Away>) {
        let entry = &mut self.groups[group as usize];
        if entry.away.map(|away| away.since) != away.map(|away| away.since) {
            entry.counted = None;
        }
        (entry.tools, entry.away) = (tools, away);
    }

    /// Whether the tools of a group are available, as far as that is known.
    pub(super) fn is_available(&self, group: Group) -> bool {
        self.groups[group as usize].counted.is_none()
    }
}

impl Entry {
    /// Counts what is now known of its outage: the cause, the seconds, whether it is the first.
    fn advance(&mut self, now: Instant, park: Duration) -> Option<(OutageCause, f64, bool)> {
        let away = self.away?;
        let known = now.checked_sub(park)?;
        let from = self.counted.unwrap_or(away.since);
        if known <= from {
            return None;
        }
        let turned = self.counted.replace(known).is_none();
        Some((away.cause, times(self.tools, known.duration_since(from).as_secs_f64()), turned))
    }
}

#[expect(clippy::cast_precision_loss, reason = "no upstream has 2^53 tools")]
fn times(tools: usize, seconds: f64) -> f64 {
    tools as f64 * seconds
}

/// Why tools are away after a connection was lost so.
pub(super) const fn cause(lost: &ClientError) -> OutageCause {
    match lost {
        ClientError::SessionLost => OutageCause::SessionLost,
        ClientError::Refused(_) | ClientError::Auth { .. } => OutageCause::Refused,
        ClientError::Spawn { .. } | ClientError::Closed { ending: Ending::Exited(_), .. } => {
            OutageCause::Exited
        }
        ClientError::Timeout { .. } | ClientError::Closed { ending: Ending::Silent { .. }, .. } => {
            OutageCause::Silent
        }
        ClientError::Connect(_)
        | ClientError::Tls(_)
        | ClientError::Unfinished(_)
        | ClientError::Http { .. }
        | ClientError::Protocol(_)
        | ClientError::TooLarge { .. }
        | ClientError::Busy
        | ClientError::Invalid(_)
        | ClientError::Closed { .. } => OutageCause::ConnectionLost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARK: Duration = Duration::from_secs(10);
    const EXITED: OutageCause = OutageCause::Exited;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn sums(passed: &[Passed]) -> (f64, f64) {
        let unavailable = passed.iter().flat_map(|passed| &passed.unavailable);
        (passed.iter().map(|passed| passed.seconds).sum(), unavailable.map(|(_, part)| part).sum())
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_counts_but_for_the_time_that_calls_would_have_waited() {
        let begun = Instant::now();
        let mut account = Account::new(begun);
        account.set(Group::Legacy, 3, None);
        let mut passed = vec![account.advance(begun + seconds(100), PARK)];
        assert_eq!(sums(&passed), (300.0, 0.0));
        let away = Away { since: begun + seconds(100), cause: EXITED };
        account.set(Group::Legacy, 3, Some(away));
        let mut advance = |account: &mut Account, at| {
            passed.push(account.advance(begun + seconds(at), PARK));
            sums(&passed)
        };
        assert_eq!(advance(&mut account, 109), (327.0, 0.0), "a call may still be dispatched");
        assert!(account.is_available(Group::Legacy));
        assert_eq!(advance(&mut account, 112), (336.0, 6.0), "it advances while it lasts");
        assert!(!account.is_available(Group::Legacy));
        assert_eq!(advance(&mut account, 113), (339.0, 9.0));
        assert_eq!(advance(&mut account, 160), (480.0, 150.0));
        account.set(Group::Legacy, 3, None);
        assert!(account.is_available(Group::Legacy));
        assert_eq!(advance(&mut account, 200), (600.0, 150.0), "(60 s - 10 s) of 3 tools");
        assert_eq!(passed[2].unavailable, [(EXITED, 6.0)]);
        assert_eq!(passed.iter().filter(|passed| passed.has_turned).count(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_within_the_wait_of_a_call_costs_nothing() {
        let begun = Instant::now();
        let mut account = Account::new(begun);
        let away = Away { since: begun, cause: OutageCause::SessionLost };
        account.set(Group::Both, 5, Some(away));
        let mut passed = vec![account.advance(begun + seconds(9), PARK)];
        account.set(Group::Both, 5, None);
        passed.push(account.advance(begun + seconds(60), PARK));
        assert_eq!(sums(&passed), (300.0, 0.0));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_never_reached_counts_as_one_tool_until_it_is() {
        let begun = Instant::now();
        let mut account = Account::new(begun);
        let away = Away { since: begun, cause: OutageCause::NeverReached };
        account.set(Group::Unlisted, 1, Some(away));
        let mut passed = vec![account.advance(begun + seconds(30), PARK)];
        account.set(Group::Unlisted, 0, None);
        account.set(Group::Modern, 8, None);
        passed.push(account.advance(begun + seconds(40), PARK));
        assert_eq!(sums(&passed), (110.0, 20.0));
        assert_eq!(passed[0].unavailable, [(OutageCause::NeverReached, 20.0)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_outage_starts_anew() {
        let begun = Instant::now();
        let mut account = Account::new(begun);
        let away = |at| Some(Away { since: begun + seconds(at), cause: EXITED });
        let mut passed = Vec::new();
        for at in [0, 100] {
            passed.push(account.advance(begun + seconds(at), PARK));
            account.set(Group::Legacy, 1, away(at));
            passed.push(account.advance(begun + seconds(at + 30), PARK));
            account.set(Group::Legacy, 1, None);
        }
        assert_eq!(sums(&passed).1, 40.0);
    }
}

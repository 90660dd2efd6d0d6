//! How an upstream stands, worked out from its two lanes.

use super::{failure::Failure, lane::LaneState};
use mcp_telemetry::UpstreamState;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// How an upstream stands, and since when.
#[derive(Debug)]
pub(super) struct Standing {
    /// The state in one word.
    pub(super) state: UpstreamState,
    /// Since when.
    pub(super) since: SystemTime,
    /// Why it last failed.
    pub(super) last_error: Option<String>,
    /// When it is tried next, if it is down.
    pub(super) next_try: Option<Instant>,
}

impl Standing {
    /// Before the first try.
    pub(super) fn new() -> Self {
        let since = SystemTime::now();
        Self { state: UpstreamState::Connecting, since, last_error: None, next_try: None }
    }

    /// Enters a state; whether it or its reason is news. What was stopped stays so.
    pub(super) fn enter(&mut self, state: UpstreamState, error: Option<&str>) -> bool {
        if self.state == UpstreamState::Stopped {
            return false;
        }
        let news = self.state != state
            || error.is_some_and(|error| self.last_error.as_deref() != Some(error));
        if self.state != state {
            self.since = SystemTime::now();
        }
        self.state = state;
        if let Some(error) = error {
            self.last_error = Some(error.to_owned());
        }
        news
    }

    /// Why an era of it is not there, in a clause.
    pub(super) fn why(&self) -> &str {
        // The error of before is overcome, in the other era at least.
        let is_on_its_way =
            matches!(self.state, UpstreamState::Connecting | UpstreamState::Connected);
        let error = self.last_error.as_deref().filter(|_| !is_on_its_way);
        error.unwrap_or("it is still connecting")
    }

    /// Adds to a failure what is known here: why, and when to try again.
    pub(super) fn explain(&self, failure: Failure) -> Failure {
        match (failure, &self.last_error) {
            (Failure::Unavailable { retry_after, .. }, Some(why)) => {
                let next = self.next_try.map(|at| at.saturating_duration_since(Instant::now()));
                let retry_after = next.unwrap_or(retry_after).max(Duration::from_secs(1));
                Failure::Unavailable { why: why.clone(), retry_after }
            }
            (failure, _) => failure,
        }
    }
}

/// The state of an upstream whose lanes stand so.
pub(super) fn of(modern: &LaneState, legacy: &LaneState) -> UpstreamState {
    let any = |is: fn(&LaneState) -> bool| is(modern) || is(legacy);
    if any(|lane| {
        matches!(lane, LaneState::Unknown { failed: true } | LaneState::Down { failed: true })
    }) {
        UpstreamState::Failed
    } else if any(|lane| matches!(lane, LaneState::Down { failed: false })) {
        UpstreamState::Reconnecting
    } else if any(|lane| matches!(lane, LaneState::Up(_))) {
        UpstreamState::Connected
    } else {
        UpstreamState::Connecting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worse_lane_counts() {
        let unknown = |failed| LaneState::Unknown { failed };
        let down = |failed| LaneState::Down { failed };
        assert_eq!(of(&unknown(false), &unknown(false)), UpstreamState::Connecting);
        assert_eq!(of(&unknown(true), &unknown(true)), UpstreamState::Failed);
        assert_eq!(of(&LaneState::Absent, &down(false)), UpstreamState::Reconnecting);
        assert_eq!(of(&down(true), &down(false)), UpstreamState::Failed);
    }

    #[test]
    fn a_state_is_news_once() {
        let mut standing = Standing::new();
        assert!(standing.enter(UpstreamState::Failed, Some("no such file")));
        assert!(!standing.enter(UpstreamState::Failed, Some("no such file")));
        assert!(standing.enter(UpstreamState::Failed, Some("refused")));
        assert!(standing.enter(UpstreamState::Connected, None));
        assert_eq!(standing.last_error.as_deref(), Some("refused"));
        assert!(standing.enter(UpstreamState::Stopped, None));
        assert!(!standing.enter(UpstreamState::Failed, Some("late")), "the last word stands");
        assert_eq!(standing.state, UpstreamState::Stopped);
    }

    #[test]
    fn an_error_is_told_until_it_is_overcome() {
        let mut standing = Standing::new();
        assert_eq!(standing.why(), "it is still connecting");
        standing.enter(UpstreamState::Failed, Some("refused"));
        assert_eq!(standing.why(), "refused");
        standing.enter(UpstreamState::Connected, None);
        assert_eq!(standing.why(), "it is still connecting", "in the other era");
    }

    #[test]
    fn a_failure_says_why() {
        let mut standing = Standing::new();
        standing.enter(UpstreamState::Failed, Some("refused"));
        standing.next_try = None;
        let explained = standing.explain(Failure::unavailable("it is down"));
        assert_eq!(explained, Failure::unavailable("refused"));
    }
}

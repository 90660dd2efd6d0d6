//! The personas: what each client is known to do, as data.
//!
//! The figures are the defaults of released clients, or what their users report of them. A client that
//! waits for a process that has ended is not known.

use super::habits::{AfterFailure, Habits, Nature, Rule, SessionLost, Spent};
use std::time::Duration;

/// A second.
const SECOND: Duration = Duration::from_secs(1);

/// Tries nothing twice: what all others are told apart from.
const NEVER: Rule = Rule {
    retries: Some(0),
    first: SECOND,
    factor: 1.0,
    longest: SECOND,
    session_lost: SessionLost::GiveUp,
    after_failure: AfterFailure::GoOn,
    spent: Spent::CallFails,
    repeats_unknown: false,
};

const ALL: &[Habits] = &[
    Habits {
        name: "own",
        about: "This project's client library: waits for the server and comes back by itself",
        nature: Nature::Own,
    },
    Habits {
        name: "typescript-sdk",
        about: "The TypeScript SDK: 2 retries from 1 s, each wait 1.5 times the one before, then the \
                call fails; a lost session is lost",
        nature: Nature::Rule(Rule {
            retries: Some(2),
            factor: 1.5,
            longest: Duration::from_secs(30),
            ..NEVER
        }),
    },
    Habits {
        name: "python-sdk",
        about: "The Python SDK: 2 retries, each after 1 s, then the call fails; it never shakes hands \
                again, so a lost session is lost",
        nature: Nature::Rule(Rule { retries: Some(2), ..NEVER }),
    },
    Habits {
        name: "claude-code-http",
        about: "Claude Code over HTTP: 5 reconnections after 1, 2, 4, 8 and 16 s, then the server \
                counts as failed until somebody reconnects it by hand",
        nature: Nature::Rule(Rule {
            retries: Some(5),
            factor: 2.0,
            longest: Duration::from_secs(16),
            session_lost: SessionLost::Initialize,
            after_failure: AfterFailure::Reconnect,
            spent: Spent::GiveUp,
            ..NEVER
        }),
    },
    Habits {
        name: "claude-code-stdio",
        about: "Claude Code over stdio: a server that fails once is gone until somebody reconnects it \
                by hand",
        nature: Nature::Rule(Rule { spent: Spent::GiveUp, ..NEVER }),
    },
    Habits {
        name: "vscode",
        about: "VS Code: a call that fails is not tried again, the next one starts the server anew; \
                gives up when its session is not known any more",
        nature: Nature::Rule(Rule { after_failure: AfterFailure::Reconnect, ..NEVER }),
    },
    Habits {
        name: "rmcp",
        about: "The Rust SDK: tries for ever, from 1 s, each wait twice the one before; shakes hands \
                again when its session is lost",
        nature: Nature::Rule(Rule {
            retries: None,
            factor: 2.0,
            longest: Duration::from_secs(3_600),
            session_lost: SessionLost::Initialize,
            ..NEVER
        }),
    },
];

/// All personas.
#[must_use]
pub const fn all() -> &'static [Habits] {
    ALL
}

/// The persona of that name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Habits> {
    ALL.iter().find(|habits| habits.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persona::{Failed, Next, State};
    use mcp_client::Ran;
    use proptest::prelude::*;

    const FAILURES: [Failed; 6] = [
        Failed::Unreached,
        Failed::Unknown,
        Failed::SessionLost,
        Failed::Ended(Ran::No),
        Failed::Ended(Ran::Unknown),
        Failed::Refused,
    ];

    fn rule(name: &str) -> Rule {
        match by_name(name).expect("a persona").nature {
            Nature::Rule(rule) => rule,
            Nature::Own => panic!("{name} follows no rule"),
        }
    }

    fn rules() -> impl Iterator<Item = (&'static str, Rule)> {
        ALL.iter().filter_map(|habits| match habits.nature {
            Nature::Rule(rule) => Some((habits.name, rule)),
            Nature::Own => None,
        })
    }

    /// The waits, in seconds, while its server cannot be reached, and what it does after them.
    fn away(name: &str, most: usize) -> (Vec<f64>, Next) {
        let (rule, mut state, mut now) = (rule(name), State::default(), Duration::ZERO);
        let mut waits = Vec::new();
        loop {
            let (next, after) = rule.next(state, Failed::Unreached, now);
            match next {
                Next::Again(wait) | Next::Anew(wait) if waits.len() < most => {
                    waits.push(wait.as_secs_f64());
                    now += wait;
                }
                Next::Again(_) | Next::Anew(_) | Next::End | Next::Leave | Next::GiveUp => {
                    return (waits, next);
                }
            }
            state = after;
        }
    }

    #[test]
    fn while_the_server_is_away_each_does_what_it_is_known_for() {
        assert_eq!(away("typescript-sdk", 9), (vec![1.0, 1.5], Next::End));
        assert_eq!(away("python-sdk", 9), (vec![1.0, 1.0], Next::End));
        assert_eq!(away("claude-code-http", 9), (vec![1.0, 2.0, 4.0, 8.0, 16.0], Next::GiveUp));
        assert_eq!(away("claude-code-stdio", 9), (vec![], Next::GiveUp));
        assert_eq!(away("vscode", 9), (vec![], Next::Leave));
        let (waits, next) = away("rmcp", 1_000);
        assert_eq!((&waits[..4], waits[999]), (&[1.0, 2.0, 4.0, 8.0][..], 3_600.0));
        assert_eq!(next, Next::Again(Duration::from_secs(3_600)));
    }

    #[test]
    fn a_lost_session_is_opened_anew_or_the_end() {
        let lost = |name| rule(name).next(State::default(), Failed::SessionLost, SECOND).0;
        for name in ["typescript-sdk", "python-sdk", "vscode", "claude-code-stdio"] {
            assert_eq!(lost(name), Next::GiveUp, "{name}");
        }
        for name in ["claude-code-http", "rmcp"] {
            assert_eq!(lost(name), Next::Anew(SECOND), "{name}");
        }
    }

    #[test]
    fn calls_that_fail_side_by_side_are_one_failure() {
        let rule = rule("claude-code-http");
        let (_, first) = rule.next(State::default(), Failed::Unreached, SECOND);
        let half = SECOND + SECOND / 2;
        let (next, second) = rule.next(first, Failed::Unreached, half);
        assert_eq!((next, second), (Next::Anew(SECOND / 2), first));
        assert_eq!(rule.next(second, Failed::Unreached, SECOND * 2).1.failed, 2);
    }

    proptest! {
        #[test]
        fn whatever_fails_no_wait_is_too_long_and_who_gave_up_stays_so(
            failures in prop::collection::vec((0..FAILURES.len(), 0..100_000_u64), 1..60),
        ) {
            for (name, rule) in rules() {
                let (mut state, mut now) = (State::default(), Duration::ZERO);
                for (failure, later) in &failures {
                    now += Duration::from_millis(*later);
                    let (next, after) = rule.next(state, FAILURES[*failure], now);
                    if let Next::Again(wait) | Next::Anew(wait) = next {
                        prop_assert!(wait <= rule.longest, "{name}: {wait:?}");
                        prop_assert!(now + wait <= after.next_try);
                    }
                    prop_assert_eq!(next == Next::GiveUp, after.gave_up, "{}", name);
                    prop_assert!(!state.gave_up || after.gave_up, "{name} came back");
                    prop_assert!(rule.retries.is_none_or(|most| after.failed <= most), "{name}");
                    state = after;
                }
            }
        }

        #[test]
        fn nobody_sends_again_what_may_have_run(failed in 0..5_u32, now in 0..1_000_u64) {
            for (name, rule) in rules() {
                let state = State { failed, ..State::default() };
                for failed in [Failed::Unknown, Failed::Ended(Ran::Unknown)] {
                    let (next, _) = rule.next(state, failed, Duration::from_secs(now));
                    let repeats = matches!(next, Next::Again(_) | Next::Anew(_));
                    prop_assert!(!repeats, "{name}: {next:?}");
                }
            }
        }
    }
}

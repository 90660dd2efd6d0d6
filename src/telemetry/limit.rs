//! Holds back log lines that repeat: a few of each kind in a window, then a count.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

const WINDOW: Duration = Duration::from_secs(60);
const LINES_PER_WINDOW: u32 = 5;
const MAX_KEYS: usize = 1_024;
/// The kind of all that have no room of their own.
const SHARED: u64 = 0;

/// What was written and held back of late, by kind.
#[derive(Debug, Default)]
pub(crate) struct Limiter(Mutex<HashMap<u64, Window>>);

#[derive(Debug)]
struct Window {
    since: Instant,
    written: u32,
    held_back: u64,
}

impl Limiter {
    /// Whether a line may be written now, and how many like it were held back before it.
    pub(crate) fn admit(&self, kind: impl Hash, now: Instant) -> Option<u64> {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = hash(kind);
        if windows.len() >= MAX_KEYS && !windows.contains_key(&wanted) {
            forget_old(&mut windows, now);
        }
        let room = windows.len() < MAX_KEYS || windows.contains_key(&wanted);
        let key = if room { wanted } else { SHARED };
        let window = windows.entry(key).or_insert(Window { since: now, written: 0, held_back: 0 });
        let mut before = 0;
        if now.duration_since(window.since) >= WINDOW {
            before = window.held_back;
            *window = Window { since: now, written: 0, held_back: 0 };
        }
        if window.written < LINES_PER_WINDOW {
            window.written += 1;
            return Some(before);
        }
        window.held_back += 1;
        None
    }

    /// How many lines are held back and not yet told of.
    pub(crate) fn held_back(&self) -> u64 {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .map(|window| window.held_back)
            .sum()
    }
}

/// Makes room; what old kinds held back is told with the next line that has no room of its own.
fn forget_old(windows: &mut HashMap<u64, Window>, now: Instant) {
    let mut held_back = 0;
    windows.retain(|key, window| {
        let keep = *key == SHARED || now.duration_since(window.since) < WINDOW;
        held_back += if keep { 0 } else { window.held_back };
        keep
    });
    if held_back > 0 {
        let fresh = Window { since: now, written: 0, held_back: 0 };
        windows.entry(SHARED).or_insert(fresh).held_back += held_back;
    }
}

fn hash(kind: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    kind.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_lines_are_held_back_and_counted() {
        let limiter = Limiter::default();
        let start = Instant::now();
        let written = (0..20).filter(|_| limiter.admit("a", start).is_some()).count();
        assert_eq!((written, limiter.held_back()), (5, 15));
        assert_eq!(limiter.admit("b", start), Some(0), "another kind is written");
        assert_eq!(limiter.admit("a", start + WINDOW), Some(15));
        assert_eq!(limiter.held_back(), 0);
    }

    #[test]
    fn the_number_of_kinds_is_bounded() {
        let limiter = Limiter::default();
        let start = Instant::now();
        assert_eq!(
            (0..10_000).filter(|kind| limiter.admit(kind, start).is_some()).count(),
            MAX_KEYS + 5
        );
        assert!(limiter.0.lock().expect("not poisoned").len() <= MAX_KEYS + 1);
    }
}

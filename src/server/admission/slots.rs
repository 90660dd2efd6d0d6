//! The rate limiter's memory: one number for each key that was seen of late, and never more
//! keys than its bound. When there is no room, new keys share one slot until old ones fade.

use governor::{nanos::Nanos, state::StateStore};
use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

const SHARDS: usize = 16;
/// Least time between two looks for keys that faded, so that a flood of keys costs little.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Slots for at most so many keys.
pub(super) struct Slots<K> {
    shards: [Mutex<Shard<K>>; SHARDS],
    most_in_shard: usize,
    hasher: RandomState,
    started: Instant,
}

struct Shard<K> {
    slots: HashMap<K, Nanos>,
    shared: Option<Nanos>,
    next_sweep: Instant,
}

impl<K: Hash + Eq> Slots<K> {
    /// Room for about `most` keys. `started` is when the limiter's clock stood at zero.
    pub(super) fn new(most: usize, started: Instant) -> Self {
        let shard = |_| {
            let (slots, shared) = (HashMap::new(), None);
            Mutex::new(Shard { slots, shared, next_sweep: started })
        };
        Self {
            shards: std::array::from_fn(shard),
            most_in_shard: most.div_ceil(SHARDS),
            hasher: RandomState::new(),
            started,
        }
    }

    fn shard(&self, key: &K) -> &Mutex<Shard<K>> {
        let hash = self.hasher.hash_one(key);
        &self.shards[usize::try_from(hash % SHARDS as u64).unwrap_or_default()]
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).slots.len()).sum()
    }
}

impl<K> Shard<K> {
    /// Drops the keys whose time is over: they are as good as never seen.
    fn sweep(&mut self, started: Instant) {
        let now = Instant::now();
        if now < self.next_sweep {
            return;
        }
        self.next_sweep = now + SWEEP_EVERY;
        let passed = Nanos::from(now.saturating_duration_since(started));
        self.slots.retain(|_, due| *due > passed);
    }
}

fn lock<T>(shard: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<K: Hash + Eq + Clone> StateStore for Slots<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut shard = lock(self.shard(key));
        if let Some(slot) = shard.slots.get_mut(key) {
            let (outcome, due) = measure(Some(*slot))?;
            *slot = due;
            return Ok(outcome);
        }
        if shard.slots.len() >= self.most_in_shard {
            shard.sweep(self.started);
        }
        if shard.slots.len() >= self.most_in_shard {
            let (outcome, due) = measure(shard.shared)?;
            shard.shared = Some(due);
            return Ok(outcome);
        }
        let (outcome, due) = measure(None)?;
        shard.slots.insert(key.clone(), due);
        Ok(outcome)
    }
}

//! All tasks that are kept here, within bounds. Decided purely; the caller writes and tells.

use super::kept::Kept;
use mcp_store::{TaskState, UtcMillis};
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

/// Most bytes of all tasks together, params and results included.
const MOST_BYTES: usize = 256 << 20;

/// All of them.
pub(super) struct Table {
    most: usize,
    ttl: Duration,
    tasks: HashMap<Arc<str>, Kept>,
    /// Those that do not run, by their last change: each goes some time after it.
    resting: BTreeSet<(UtcMillis, Arc<str>)>,
    bytes: usize,
}

impl Table {
    pub(super) fn new(most: usize, ttl: Duration) -> Self {
        Self { most, ttl, tasks: HashMap::new(), resting: BTreeSet::new(), bytes: 0 }
    }

    /// Takes a new task, if there is room: none goes before its time.
    pub(super) fn admit(&mut self, kept: Kept) -> bool {
        let has_room = self.tasks.len() < self.most && self.bytes < MOST_BYTES;
        if has_room {
            self.insert(kept);
        }
        has_room
    }

    /// Whether there is room for so many bytes more.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.bytes.saturating_add(bytes) <= MOST_BYTES
    }

    /// Takes a task in, whatever its state.
    pub(super) fn insert(&mut self, kept: Kept) {
        let id = Arc::clone(&kept.record.id);
        if kept.record.state != TaskState::Running {
            self.resting.insert((kept.record.changed, Arc::clone(&id)));
        }
        self.bytes += kept.bytes();
        self.tasks.insert(id, kept);
    }

    pub(super) fn get(&self, id: &str) -> Option<&Kept> {
        self.tasks.get(id)
    }

    /// The task of that id, if it is that principal's.
    pub(super) fn of(&self, principal: &str, id: &str) -> Option<&Kept> {
        self.get(id).filter(|kept| *kept.record.principal == *principal)
    }

    /// Changes a task that has not ended.
    pub(super) fn change(&mut self, id: &str, change: impl FnOnce(&mut Kept)) -> Option<&Kept> {
        if self.get(id)?.record.state.has_ended() {
            return None;
        }
        let mut kept = self.forget(id)?;
        change(&mut kept);
        self.insert(kept);
        self.get(id)
    }

    pub(super) fn forget(&mut self, id: &str) -> Option<Kept> {
        let kept = self.tasks.remove(id)?;
        self.bytes = self.bytes.saturating_sub(kept.bytes());
        self.resting.remove(&(kept.record.changed, Arc::clone(&kept.record.id)));
        Some(kept)
    }

    /// Forgets those whose time is over.
    pub(super) fn expire(&mut self, now: UtcMillis) -> Vec<Arc<str>> {
        let old = now.before(self.ttl);
        let mut gone = Vec::new();
        while let Some((at, id)) = self.resting.first().cloned()
            && at <= old
        {
            self.forget(&id);
            gone.push(id);
        }
        gone
    }
}

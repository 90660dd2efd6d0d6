//! All tasks that are kept here, within bounds. Decided purely; the caller writes and tells.

use super::kept::Kept;
use crate::config::TasksConfig;
use mcp_store::{TaskState, UtcMillis};
use std::{
    collections::{BTreeSet, HashMap, hash_map::Entry},
    sync::Arc,
};

/// Most bytes of all tasks together, params and results included; one principal may have half.
const MOST_BYTES: usize = 256 << 20;

/// What is kept of everybody, or of one principal.
#[derive(Default, Clone, Copy)]
struct Size {
    tasks: usize,
    bytes: usize,
}

impl Size {
    fn add(&mut self, kept: &Kept) {
        self.tasks += 1;
        self.bytes += kept.bytes();
    }

    fn take_off(&mut self, kept: &Kept) {
        self.tasks = self.tasks.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(kept.bytes());
    }
}

/// All of them.
pub(super) struct Table {
    config: TasksConfig,
    tasks: HashMap<Arc<str>, Kept>,
    /// Those that do not run, by their last change: each goes some time after it.
    resting: BTreeSet<(UtcMillis, Arc<str>)>,
    size: Size,
    /// Of each principal that has any.
    shares: HashMap<Arc<str>, Size>,
}

impl Table {
    pub(super) fn new(config: TasksConfig) -> Self {
        Self {
            config,
            tasks: HashMap::new(),
            resting: BTreeSet::new(),
            size: Size::default(),
            shares: HashMap::new(),
        }
    }

    /// Takes a new task, if there is room: none goes before its time.
    pub(super) fn admit(&mut self, kept: Kept) -> bool {
        let principal = &kept.record.principal;
        let has_room = self.size.tasks < self.config.most
            && self.share(principal).tasks < self.config.most_per_principal
            && self.has_room(principal, kept.bytes());
        if has_room {
            self.insert(kept);
        }
        has_room
    }

    /// Whether there is room for so many bytes more of a principal.
    pub(super) fn has_room(&self, principal: &str, bytes: usize) -> bool {
        self.size.bytes.saturating_add(bytes) <= MOST_BYTES
            && self.share(principal).bytes.saturating_add(bytes) <= MOST_BYTES / 2
    }

    fn share(&self, principal: &str) -> Size {
        self.shares.get(principal).copied().unwrap_or_default()
    }

    /// Takes a task in, whatever its state.
    pub(super) fn insert(&mut self, kept: Kept) {
        let id = Arc::clone(&kept.record.id);
        if kept.record.state != TaskState::Running {
            self.resting.insert((kept.record.changed, Arc::clone(&id)));
        }
        self.size.add(&kept);
        self.shares.entry(Arc::clone(&kept.record.principal)).or_default().add(&kept);
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
        self.size.take_off(&kept);
        if let Entry::Occupied(mut share) = self.shares.entry(Arc::clone(&kept.record.principal)) {
            share.get_mut().take_off(&kept);
            if share.get().tasks == 0 {
                share.remove();
            }
        }
        self.resting.remove(&(kept.record.changed, Arc::clone(&kept.record.id)));
        Some(kept)
    }

    /// Forgets those whose time is over.
    pub(super) fn expire(&mut self, now: UtcMillis) -> Vec<Arc<str>> {
        let old = now.before(self.config.ttl);
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

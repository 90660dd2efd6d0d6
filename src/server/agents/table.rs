//! All tasks, and which of them wait: decided purely, written to the store by the caller.

use super::task::{Code, End, MOST_ATTEMPTS, Task};
use mcp_client::Ran;
use mcp_store::{TaskState, UtcMillis};
use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

/// Most bytes of all tasks together, arguments and results included.
const MOST_BYTES: usize = 256 << 20;

/// Who may run what: agents run only tasks of the principal that started them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Lane {
    pub(super) principal: Arc<str>,
    pub(super) kind: Arc<str>,
}

/// Why no further task is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// As many wait as may wait.
    Queue(usize),
    /// As many of one principal wait as may wait.
    QueueOfOne(usize),
    /// As many are kept as may be kept, and none has ended.
    Tasks(usize),
}

/// Bounds on a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) most_tasks: usize,
    pub(super) most_queued: usize,
    pub(super) most_queued_of_one: usize,
    pub(super) queue_timeout: Duration,
    /// How long what has ended is kept.
    pub(super) kept: Duration,
}

/// All tasks.
pub(super) struct Table {
    bounds: Bounds,
    tasks: HashMap<Arc<str>, Task>,
    lanes: HashMap<Lane, VecDeque<Arc<str>>>,
    /// Those that wait, and those about to: oldest first.
    waiting: BTreeSet<(UtcMillis, Arc<str>)>,
    ended: BTreeSet<(UtcMillis, Arc<str>)>,
    bytes: usize,
}

impl Table {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            tasks: HashMap::new(),
            lanes: HashMap::new(),
            waiting: BTreeSet::new(),
            ended: BTreeSet::new(),
            bytes: 0,
        }
    }

    /// Takes a new task, which does not wait for an agent before it is queued; those that were
    /// forgotten for it.
    pub(super) fn admit(&mut self, task: Task) -> Result<Vec<Arc<str>>, Full> {
        if self.waiting.len() >= self.bounds.most_queued {
            return Err(Full::Queue(self.bounds.most_queued));
        }
        if self.waiting_of(&task.record.principal) >= self.bounds.most_queued_of_one {
            return Err(Full::QueueOfOne(self.bounds.most_queued_of_one));
        }
        let forgotten = self.bound(self.bounds.most_tasks - 1);
        if self.tasks.len() >= self.bounds.most_tasks || self.bytes > MOST_BYTES {
            return Err(Full::Tasks(self.bounds.most_tasks));
        }
        self.insert(task);
        Ok(forgotten)
    }

    fn waiting_of(&self, principal: &str) -> usize {
        let waiting = self.waiting.iter().filter_map(|(_, id)| self.tasks.get(id));
        waiting.filter(|task| *task.record.principal == *principal).count()
    }

    /// Forgets the oldest that have ended until no more than so many are left, or none has.
    pub(super) fn bound(&mut self, most: usize) -> Vec<Arc<str>> {
        let mut forgotten = Vec::new();
        while (self.tasks.len() > most || self.bytes > MOST_BYTES)
            && let Some((_, oldest)) = self.ended.first().cloned()
        {
            self.forget(&oldest);
            forgotten.push(oldest);
        }
        forgotten
    }

    /// Takes a task in, whatever its state.
    pub(super) fn insert(&mut self, task: Task) {
        let (id, record) = (Arc::clone(&task.record.id), &task.record);
        match record.state {
            TaskState::Queued => drop(self.waiting.insert((record.created, Arc::clone(&id)))),
            TaskState::Running => {}
            TaskState::Completed | TaskState::Failed | TaskState::Cancelled => {
                self.ended.insert((record.changed, Arc::clone(&id)));
            }
        }
        self.bytes += task.bytes();
        self.tasks.insert(id, task);
    }

    /// Makes a task wait for an agent, as the last, or as the first if it was placed before.
    pub(super) fn queue(&mut self, id: &Arc<str>) -> Option<Lane> {
        let task = self.tasks.get(id).filter(|task| task.record.state == TaskState::Queued)?;
        let lane = lane_of(task);
        let queue = self.lanes.entry(lane.clone()).or_default();
        if task.record.attempts == 0 {
            queue.push_back(Arc::clone(id));
        } else {
            queue.push_front(Arc::clone(id));
        }
        Some(lane)
    }

    /// The next task for an agent, which runs from here on.
    pub(super) fn take(&mut self, lane: &Lane, agent: &Arc<str>, now: UtcMillis) -> Option<&Task> {
        let queue = self.lanes.get_mut(lane)?;
        let id = queue.pop_front();
        if queue.is_empty() {
            self.lanes.remove(lane);
        }
        let id = id?;
        self.change(&id, |task| {
            task.record.state = TaskState::Running;
            task.record.attempts += 1;
            task.agent = Some(Arc::clone(agent));
            task.step("placed", Some(agent), now);
        })
    }

    /// Whether there is a next task.
    pub(super) fn has_waiting(&self, lane: &Lane) -> bool {
        self.lanes.contains_key(lane)
    }

    /// Notes whether a task that runs may be placed again.
    pub(super) fn repeatable(&mut self, id: &str, repeatable: bool) -> Option<&Task> {
        self.change(id, |task| task.record.repeatable = repeatable)
    }

    /// A task that ran lost its agent: it waits again if that is safe, else it ends.
    pub(super) fn lost(&mut self, id: &str, ran: Ran, why: &str, now: UtcMillis) -> Option<&Task> {
        let record = &self.tasks.get(id)?.record;
        if record.state != TaskState::Running {
            return None;
        }
        let again = record.attempts < MOST_ATTEMPTS;
        match ran {
            Ran::No if !again => {
                let text = format!("No agent took it in {MOST_ATTEMPTS} tries ({why}).");
                return self.end(id, &End::failed(Code::Unavailable, "no", text), now);
            }
            Ran::Unknown if !(again && record.repeatable) => {
                let text = format!(
                    "Its agent was lost while it ran ({why}), so it may have been done, in part or whole. Look before you give it again."
                );
                return self.end(id, &End::failed(Code::OutcomeUnknown, "unknown", text), now);
            }
            Ran::No | Ran::Unknown => {}
        }
        self.change(id, |task| {
            task.record.state = TaskState::Queued;
            let agent = task.agent.take();
            task.step("to be placed again", agent.as_deref(), now);
        })
    }

    /// Ends a task; `None` when it has ended before.
    pub(super) fn end(&mut self, id: &str, end: &End, now: UtcMillis) -> Option<&Task> {
        let task = self.tasks.get(id).filter(|task| !task.record.state.has_ended())?;
        if task.record.state == TaskState::Queued {
            let lane = lane_of(task);
            self.leave(&lane, id);
        }
        self.change(id, |task| task.end(end, now))
    }

    fn leave(&mut self, lane: &Lane, id: &str) {
        let Some(queue) = self.lanes.get_mut(lane) else { return };
        queue.retain(|queued| **queued != *id);
        if queue.is_empty() {
            self.lanes.remove(lane);
        }
    }

    pub(super) fn forget(&mut self, id: &str) {
        let Some(task) = self.tasks.remove(id) else { return };
        self.bytes = self.bytes.saturating_sub(task.bytes());
        let id = task.record.id;
        self.waiting.remove(&(task.record.created, Arc::clone(&id)));
        self.ended.remove(&(task.record.changed, id));
    }

    /// Changes a task and keeps the accounts.
    fn change(&mut self, id: &str, change: impl FnOnce(&mut Task)) -> Option<&Task> {
        let mut task = self.tasks.remove(id)?;
        let id = Arc::clone(&task.record.id);
        self.bytes = self.bytes.saturating_sub(task.bytes());
        self.waiting.remove(&(task.record.created, Arc::clone(&id)));
        change(&mut task);
        self.insert(task);
        self.tasks.get(&id)
    }

    /// Those that have waited for too long.
    pub(super) fn overdue(&self, now: UtcMillis) -> Vec<Arc<str>> {
        let old = now.before(self.bounds.queue_timeout);
        let overdue = self.waiting.iter().take_while(|(given, _)| *given <= old);
        overdue.map(|(_, id)| Arc::clone(id)).collect()
    }

    /// Forgets what ended long ago; the store does the same by itself.
    pub(super) fn expire(&mut self, now: UtcMillis) {
        let old = now.before(self.bounds.kept);
        while let Some((at, id)) = self.ended.first().cloned()
            && at <= old
        {
            self.forget(&id);
        }
    }

    pub(super) fn get(&self, id: &str) -> Option<&Task> {
        self.tasks.get(id)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Task> {
        self.tasks.values()
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }
}

fn lane_of(task: &Task) -> Lane {
    Lane { principal: Arc::clone(&task.record.principal), kind: Arc::clone(&task.record.kind) }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;

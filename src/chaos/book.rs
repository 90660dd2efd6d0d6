//! The faults of a proxy: which there are, which are in force, and what they did.

use crate::{
    ChaosError, Direction, Events, Fault, FaultEvent, Phase,
    event::EventList,
    kind::Site,
    plan::MOST_FAULTS,
    sessions::Sessions,
    verdict::{Verdict, verdict},
};
use mcp_telemetry::{ChaosEvent, Event, Telemetry};
use serde::Serialize;
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

/// A fault that is in force.
#[derive(Debug, Clone)]
pub(crate) struct Active {
    /// The same as long as the fault is not changed; no two are the same.
    pub(crate) id: u64,
    pub(crate) fault: Arc<Fault>,
    /// How often it has been in force, this time included.
    pub(crate) occurrence: u64,
    /// When it began this time.
    pub(crate) since: Instant,
    name: Arc<str>,
    injected: Arc<AtomicU64>,
}

/// The faults in force, in the order in which they see a message.
pub(crate) type InForce = Arc<[Active]>;

/// A fault and where it stands.
#[derive(Debug, Clone, Serialize)]
pub struct FaultState {
    /// The fault.
    #[serde(flatten)]
    pub fault: Fault,
    /// Whether it is in force.
    pub active: bool,
    /// How often it was done to something.
    pub injected: u64,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    fault: Arc<Fault>,
    name: Arc<str>,
    /// When its schedule began to count.
    counts_from: Instant,
    occurrence: Option<u64>,
    since: Instant,
    injected: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct Entries {
    last_id: u64,
    list: Vec<Entry>,
}

/// The faults of one proxy.
#[derive(Debug)]
pub(crate) struct Book {
    seed: u64,
    has_process: bool,
    started: Instant,
    entries: Mutex<Entries>,
    in_force: watch::Sender<InForce>,
    changed: Notify,
    events: Arc<EventList>,
    sessions: Sessions,
    telemetry: Telemetry,
}

impl Book {
    pub(crate) fn new(seed: u64, has_process: bool, telemetry: Telemetry) -> Self {
        Self {
            seed,
            has_process,
            started: Instant::now(),
            entries: Mutex::default(),
            in_force: watch::Sender::new(Arc::new([])),
            changed: Notify::new(),
            events: Arc::default(),
            sessions: Sessions::default(),
            telemetry,
        }
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// The sessions that passed.
    pub(crate) fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    pub(crate) fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    /// The faults in force, from now on.
    pub(crate) fn follow(&self) -> watch::Receiver<InForce> {
        self.in_force.subscribe()
    }

    /// Kept events after that number.
    pub(crate) fn told(&self, after: u64, most: usize) -> Vec<FaultEvent> {
        self.events.after(after, most)
    }

    pub(crate) fn events(&self) -> Events {
        Events::new(Arc::clone(&self.events))
    }

    /// Puts a fault in; its schedule counts from `since`.
    pub(crate) fn add(&self, fault: Fault, since: Instant) -> Result<(), ChaosError> {
        self.check(&fault)?;
        let mut entries = self.lock();
        if entries.list.iter().any(|entry| *entry.name == fault.name) {
            return Err(ChaosError::Taken(fault.name));
        }
        if entries.list.len() >= MOST_FAULTS {
            return Err(ChaosError::TooMany(MOST_FAULTS));
        }
        let entry = entries.entry(fault, since);
        entries.list.push(entry);
        self.settle(&mut entries);
        self.changed.notify_waiters();
        Ok(())
    }

    /// Puts a fault in the place of the one of its name; its schedule counts from now.
    pub(crate) fn change(&self, fault: Fault) -> Result<(), ChaosError> {
        self.check(&fault)?;
        let mut entries = self.lock();
        let place = entries.place(&fault.name)?;
        let entry = entries.entry(fault, Instant::now());
        let old = std::mem::replace(&mut entries.list[place], entry);
        self.end(&old);
        self.settle(&mut entries);
        self.changed.notify_waiters();
        Ok(())
    }

    pub(crate) fn remove(&self, name: &str) -> Result<Fault, ChaosError> {
        let mut entries = self.lock();
        let place = entries.place(name)?;
        let old = entries.list.remove(place);
        self.end(&old);
        self.settle(&mut entries);
        self.changed.notify_waiters();
        Ok(Fault::clone(&old.fault))
    }

    pub(crate) fn list(&self) -> Vec<FaultState> {
        let state = |entry: &Entry| FaultState {
            fault: Fault::clone(&entry.fault),
            active: entry.occurrence.is_some(),
            injected: entry.injected.load(Ordering::Relaxed),
        };
        self.lock().list.iter().map(state).collect()
    }

    /// Puts faults in force and out of it when their time comes. Never ends.
    pub(crate) async fn keep_time(&self) {
        loop {
            let changed = self.changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            let next = self.settle(&mut self.lock());
            match next {
                Some(next) => {
                    let _woken = tokio::time::timeout_at(next, changed).await;
                }
                None => changed.await,
            }
        }
    }

    /// Ends all faults and the list of events.
    pub(crate) fn close(&self) {
        let mut entries = self.lock();
        let old = std::mem::take(&mut entries.list);
        old.iter().for_each(|entry| self.end(entry));
        self.settle(&mut entries);
        self.events.close();
    }

    /// What a fault does with a message, or, with the number of its occurrence in the place of
    /// the message's, with a connection.
    pub(crate) fn verdict(
        &self,
        active: &Active,
        connection: u64,
        way: Direction,
        n: u64,
    ) -> Verdict {
        verdict(self.seed, &active.name, connection, way, n)
    }

    /// Whether a fault is done to a connection, this time that it is in force.
    pub(crate) fn hits_connection(&self, active: &Active, connection: u64) -> bool {
        let verdict = self.verdict(active, connection, Direction::Both, active.occurrence);
        verdict.hits(active.fault.share)
    }

    /// Tells that a fault was done to something.
    pub(crate) fn injected(
        &self,
        active: &Active,
        way: Direction,
        connection: Option<u64>,
        message: Option<u64>,
    ) {
        active.injected.fetch_add(1, Ordering::Relaxed);
        self.telemetry.emit(&Event::Chaos(ChaosEvent::FaultInjected {
            fault: active.fault.kind.label(),
            direction: way.label(),
            name: &active.name,
            connection: connection.unwrap_or(0),
            message: message.unwrap_or(0),
        }));
        let event = self.event(&active.name, &active.fault, Phase::Injected);
        self.events.push(FaultEvent { direction: way, connection, message, ..event });
    }

    fn check(&self, fault: &Fault) -> Result<(), ChaosError> {
        fault.check()?;
        match fault.kind.effect().site() {
            Site::Process(act) if act.needs_process() && !self.has_process => {
                Err(ChaosError::Invalid(format!(
                    "fault `{}`: `{}` needs a server that was started here (--spawn)",
                    fault.name,
                    fault.kind.name()
                )))
            }
            Site::Process(_) | Site::Message | Site::Connection(_) => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings what is in force in line with the time, and says when to do so again.
    fn settle(&self, entries: &mut Entries) -> Option<Instant> {
        let now = Instant::now();
        let mut next: Option<Instant> = None;
        for entry in &mut entries.list {
            let stand = entry.fault.schedule.stand(now - entry.counts_from);
            if stand.occurrence != entry.occurrence {
                self.end(entry);
                entry.occurrence = stand.occurrence;
                entry.since = entry.counts_from + stand.begun;
                self.begin(entry);
            }
            let at = stand.next.map(|next| entry.counts_from + next);
            next = [next, at].into_iter().flatten().min();
        }
        let active: Vec<Active> = entries.list.iter().filter_map(Entry::active).collect();
        self.in_force.send_if_modified(|before| {
            let key = |active: &Active| (active.id, active.occurrence);
            let same = before.iter().map(key).eq(active.iter().map(key));
            if !same {
                *before = active.into();
            }
            !same
        });
        next
    }

    fn begin(&self, entry: &Entry) {
        if entry.occurrence.is_none() {
            return;
        }
        let (fault, direction) = (entry.fault.kind.label(), entry.fault.direction.label());
        let event = ChaosEvent::FaultBegan { fault, direction, name: &entry.name };
        self.telemetry.emit(&Event::Chaos(event));
        self.events.push(self.event(&entry.name, &entry.fault, Phase::Began));
    }

    fn end(&self, entry: &Entry) {
        if entry.occurrence.is_none() {
            return;
        }
        let (fault, direction) = (entry.fault.kind.label(), entry.fault.direction.label());
        let event = ChaosEvent::FaultEnded { fault, direction, name: &entry.name };
        self.telemetry.emit(&Event::Chaos(event));
        self.events.push(self.event(&entry.name, &entry.fault, Phase::Ended));
    }

    fn event(&self, name: &Arc<str>, fault: &Fault, phase: Phase) -> FaultEvent {
        FaultEvent {
            number: 0,
            at: SystemTime::now(),
            offset: self.offset(),
            fault: Arc::clone(name),
            kind: fault.kind.name(),
            direction: fault.direction,
            connection: None,
            message: None,
            phase,
        }
    }

    fn offset(&self) -> Duration {
        self.started.elapsed()
    }
}

impl Entries {
    fn entry(&mut self, fault: Fault, since: Instant) -> Entry {
        self.last_id += 1;
        Entry {
            id: self.last_id,
            name: fault.name.as_str().into(),
            fault: Arc::new(fault),
            counts_from: since,
            occurrence: None,
            since,
            injected: Arc::default(),
        }
    }

    fn place(&self, name: &str) -> Result<usize, ChaosError> {
        let place = self.list.iter().position(|entry| *entry.name == *name);
        place.ok_or_else(|| ChaosError::Unknown(name.to_owned()))
    }
}

impl Entry {
    fn active(&self) -> Option<Active> {
        Some(Active {
            id: self.id,
            fault: Arc::clone(&self.fault),
            occurrence: self.occurrence?,
            since: self.since,
            name: Arc::clone(&self.name),
            injected: Arc::clone(&self.injected),
        })
    }
}

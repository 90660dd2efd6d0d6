//! What all parts of a running scenario share: the target, the clock, the faults and the notes.

use super::{
    LabError,
    awaited::Awaited,
    line::{Line, On},
    notes::{Failed, Notes},
};
use crate::{
    oracle::tools::Menu,
    persona::{Agent, Habits},
    progress::Progress,
    result::{Direction, EventLog, Phase, What},
    scenario::{Fault, Of, Scenario, Step},
    target::Place,
};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

/// A scenario that runs.
pub(super) struct Stage {
    pub(super) scenario: Scenario,
    /// What it is called in results.
    pub(super) name: String,
    pub(super) habits: &'static Habits,
    pub(super) scale: f64,
    pub(super) seed: u64,
    pub(super) place: Place,
    pub(super) menu: Menu,
    /// What the keys of its calls begin with.
    pub(super) prefix: String,
    /// When it began, in seconds of the run.
    pub(super) started_s: f64,
    pub(super) began: Instant,
    pub(super) log: EventLog,
    pub(super) progress: watch::Sender<Progress>,
    pub(super) notes: Mutex<Notes>,
    pub(super) lines: Mutex<Vec<Weak<Line>>>,
    /// The faults of the network that steps have switched on.
    pub(super) on: Mutex<Vec<On>>,
    /// Who looks at the tools.
    pub(super) prober: OnceLock<Weak<Agent>>,
    pub(super) awaited: Awaited,
    pub(super) calls: AtomicU64,
}

impl Stage {
    /// Seconds since the scenario began.
    pub(super) fn at(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    pub(super) fn notes(&self) -> MutexGuard<'_, Notes> {
        lock(&self.notes)
    }

    pub(super) fn next_call(&self) -> u64 {
        self.calls.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Chance for somebody of that name: the same for the same seed.
    pub(super) fn seed_of(&self, name: &str) -> u64 {
        let bytes = self.scenario.name.bytes().chain([0]).chain(name.bytes());
        let start = 0xcbf2_9ce4_8422_2325 ^ self.seed;
        bytes.fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }

    /// Notes an event.
    pub(super) fn tell(&self, client: Option<&str>, what: What) {
        self.log.note(crate::result::Line {
            at_s: self.started_s + self.at(),
            scenario: self.name.clone(),
            client: client.map(ToOwned::to_owned),
            what,
        });
    }

    /// Shows what is done now.
    pub(super) fn show(&self, change: impl FnOnce(&mut crate::progress::Now)) {
        self.progress.send_modify(|progress| {
            if let Some(now) = progress.now.as_mut() {
                change(now);
            }
        });
    }

    /// Notes that something went wrong.
    pub(super) fn failed(&self, client: Option<&str>, what: &str, message: &str, from_s: f64) {
        let at_s = self.at();
        let (what, message) = (what.to_owned(), message.to_owned());
        self.tell(
            client,
            What::Failed { what: what.clone(), message: message.clone(), fault: None },
        );
        self.show(|now| now.failures += 1);
        let client = client.map(ToOwned::to_owned);
        self.notes().failed(Failed { from_s, at_s, client, what, message });
    }

    /// The process that stands for the target: the one for all clients, or, where each client starts
    /// one of its own, that of the prober, which is there from the start to the end.
    pub(super) async fn process_id(&self) -> Option<u32> {
        match self.place.process_id().await {
            None => self.prober.get()?.upgrade()?.process_id(),
            one => one,
        }
    }

    /// A way to the target for somebody of that name.
    pub(super) async fn line(self: &Arc<Self>, name: &str) -> Result<Arc<Line>, LabError> {
        let switched = switched(&self.scenario);
        let scheduled = super::line::scheduled(&self.scenario.faults, &switched, self.scale);
        let on = |fault| On { fault, since: self.began };
        let mut faults: Vec<On> = scheduled.map(on).collect();
        faults.extend(lock(&self.on).iter().cloned());
        let proxied = self.needs_proxies();
        let line = Line::new(&self.place, proxied, self.seed_of(name), faults).await?;
        let line = Arc::new(line);
        {
            let mut lines = lock(&self.lines);
            lines.retain(|line| line.strong_count() > 0);
            lines.push(Arc::downgrade(&line));
        }
        // What steps have switched while its proxy came up. Steps wait for the lock meanwhile.
        let on = lock(&self.on);
        let is_off = |name: &&&str| !on.iter().any(|on| on.fault.name == **name);
        switched.iter().filter(is_off).for_each(|name| line.remove(name));
        on.iter().for_each(|on| line.add(on));
        drop(on);
        Ok(line)
    }

    fn needs_proxies(&self) -> bool {
        let network = |fault: &Fault| matches!(fault, Fault::Network(_));
        self.scenario.faults.iter().any(network)
            || super::steps_of(&self.scenario)
                .any(|step| matches!(step, Step::ForceDisconnect { .. }))
    }

    /// Notes what the proxy of a line does, until it ends. That faults begin and end is told by one
    /// line for all.
    pub(super) async fn follow(self: Arc<Self>, line: Weak<Line>, client: String, tells_all: bool) {
        let Some(mut events) = line.upgrade().and_then(|line| line.events()) else { return };
        while let Some(event) = events.next().await {
            let phase = match event.phase {
                mcp_chaos::Phase::Began => Phase::Began,
                mcp_chaos::Phase::Injected => Phase::Injected,
                mcp_chaos::Phase::Ended => Phase::Ended,
            };
            if Line::is_cut(&event.fault) || (phase != Phase::Injected && !tells_all) {
                continue;
            }
            let direction = direction(event.direction);
            self.fault(&event.fault, event.kind, phase, Some(direction));
            self.tell(
                (phase == Phase::Injected).then_some(client.as_str()),
                What::Fault {
                    fault: event.fault.to_string(),
                    kind: event.kind.to_owned(),
                    phase,
                    direction: Some(direction),
                    connection: event.connection,
                    message: event.message,
                },
            );
        }
    }

    /// Notes what a fault did.
    pub(super) fn fault(&self, name: &str, kind: &str, phase: Phase, direction: Option<Direction>) {
        let at_s = self.at();
        let mut notes = self.notes();
        match phase {
            Phase::Began => notes.timeline.began(name, kind, direction, at_s),
            Phase::Injected => notes.timeline.injected(name),
            Phase::Ended => notes.timeline.ended(name, at_s),
        }
        let on = notes.timeline.on();
        drop(notes);
        self.show(|now| now.faults = on);
    }

    /// Switches a fault on; for `lasts`, if that is given, else until it is switched off.
    pub(super) async fn switch_on(&self, name: &str, of: Of, lasts: Option<Duration>) {
        let fault = self.scenario.faults.iter().find(|fault| fault.name() == name);
        match fault.map(|fault| fault.scaled(self.scale)) {
            Some(Fault::Network(fault)) => {
                // A line that comes up now finds it there.
                let on = On::now(*fault);
                lock(&self.on).push(on.clone());
                self.each_line(|line| line.add(&on));
                if let Some(lasts) = lasts {
                    sleep(lasts).await;
                    self.switch_off(name).await;
                }
            }
            Some(Fault::Process(fault)) => {
                self.process_fault(name, fault.kind, of, lasts.unwrap_or_default()).await;
            }
            Some(Fault::Machine(fault)) => {
                self.machine_fault(&fault, lasts.unwrap_or_default()).await;
            }
            None => {}
        }
    }

    /// Switches a fault of the network off.
    pub(super) async fn switch_off(&self, name: &str) {
        lock(&self.on).retain(|on| on.fault.name != name);
        self.each_line(|line| line.remove(name));
    }

    fn each_line(&self, act: impl Fn(&Line)) {
        lock(&self.lines).iter().filter_map(Weak::upgrade).for_each(|line| act(&line));
    }
}

/// The faults that steps switch.
pub(super) fn switched(scenario: &Scenario) -> Vec<&str> {
    let mut names = Vec::new();
    for step in super::steps_of(scenario) {
        if let Step::Fault { on: Some(name), .. } = step {
            names.push(name.as_str());
        }
    }
    names
}

const fn direction(direction: mcp_chaos::Direction) -> Direction {
    match direction {
        mcp_chaos::Direction::Up => Direction::Up,
        mcp_chaos::Direction::Down => Direction::Down,
        mcp_chaos::Direction::Both => Direction::Both,
    }
}

pub(super) fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

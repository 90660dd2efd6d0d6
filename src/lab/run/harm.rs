//! Faults of the target's process and of the machine it runs on: done when their step begins, undone
//! when it ends.

use super::stage::Stage;
use crate::{
    result::{Phase, What},
    scenario::{Of, ProcessKind},
};
use mcp_chaos::Pressure;
use rustix::process::Signal;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How often an upstream is taken away anew while it must stay away.
const AGAIN: Duration = Duration::from_millis(25);

impl Stage {
    /// Does something to a process for a while.
    pub(super) async fn process_fault(
        &self,
        name: &str,
        kind: ProcessKind,
        of: Of,
        lasts: Duration,
    ) {
        self.process_phase(name, kind.name(), Phase::Began);
        self.process_phase(name, kind.name(), Phase::Injected);
        match (of, kind) {
            (Of::Target, ProcessKind::Stop) => {
                self.place.signal(Signal::STOP).await;
                sleep(lasts).await;
                self.place.signal(Signal::CONT).await;
            }
            (Of::Target, kind) => {
                self.place.end_process(kind == ProcessKind::Terminate).await;
                sleep(lasts).await;
                // How long the process takes to come up is the fault's own time.
                let started = match self.place.start_process().await {
                    Ok(()) => self.place.come_up().await,
                    Err(error) => Err(error),
                };
                if let Err(error) = started {
                    self.failed(None, "start of the target", &error.to_string(), self.at());
                }
            }
            (Of::Upstream, ProcessKind::Stop) => {
                self.place.signal_children(Signal::STOP).await;
                sleep(lasts).await;
                self.place.signal_children(Signal::CONT).await;
            }
            (Of::Upstream, kind) => {
                let signal = if kind == ProcessKind::Kill { Signal::KILL } else { Signal::TERM };
                let until = Instant::now() + lasts;
                self.place.signal_children(signal).await;
                while Instant::now() < until {
                    sleep(AGAIN.min(until - Instant::now())).await;
                    self.place.signal_children(signal).await;
                }
            }
        }
        self.process_phase(name, kind.name(), Phase::Ended);
    }

    /// Puts the machine under pressure for a while: the target, as it is on it, gets less of it.
    pub(super) async fn machine_fault(&self, fault: &mcp_chaos::Fault, lasts: Duration) {
        let (name, kind) = (fault.name.as_str(), fault.kind.name());
        self.process_phase(name, kind, Phase::Began);
        self.process_phase(name, kind, Phase::Injected);
        let pressure = Pressure::of(&fault.kind);
        sleep(lasts).await;
        drop(pressure);
        self.process_phase(name, kind, Phase::Ended);
    }

    fn process_phase(&self, name: &str, kind: &str, phase: Phase) {
        self.fault(name, kind, phase, None);
        self.tell(
            None,
            What::Fault {
                fault: name.to_owned(),
                kind: kind.to_owned(),
                phase,
                direction: None,
                connection: None,
                message: None,
            },
        );
    }
}

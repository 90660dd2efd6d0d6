//! Runs scenarios: one task for each client, one for the script, one that looks at the tools, one
//! for the load. Every wait is bounded, so a run ends whatever its target does.
//!
//! `one` runs one scenario, `play` lets all in it play, `stage` is what they share, `awaited` who must
//! be there first, `actor` does steps, `ask` makes requests, `line` is a client's way to the target,
//! `watch` looks, `loading` loads, `notes` is what was noted, `verdict` what comes of it.

mod actor;
mod ask;
mod awaited;
mod date;
mod harm;
mod line;
mod loading;
mod notes;
mod one;
mod play;
mod stage;
mod verdict;
mod watch;

pub use date::rfc3339;

use crate::{
    persona::{self, Habits},
    progress::{Ended, Now, Progress},
    result::{self, EventLog, RunResult, SCHEMA},
    scenario::{Scenario, ScenarioError, Step},
    target::{Place, TargetError, TargetSpec},
};
use one::One;
use std::time::{Duration, SystemTime};
use tokio::{sync::watch as channel, time::Instant};

/// What is to be run.
pub struct Run {
    /// The scenarios, in their order.
    pub scenarios: Vec<Scenario>,
    /// Against what.
    pub target: TargetSpec,
    /// By whom, in place of the personas that the scenarios name; empty for those.
    pub personas: Vec<String>,
    /// What all chance comes from.
    pub seed: u64,
    /// How long.
    pub pace: Pace,
    /// Takes the raw events.
    pub log: EventLog,
    /// Is told how far it is.
    pub progress: channel::Sender<Progress>,
}

/// How long scenarios take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// As they say.
    Real,
    /// In their quick form.
    Quick,
    /// As they say, times this.
    Times(f64),
    /// So long each.
    Lasting(Duration),
}

/// Why nothing could be run.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The target cannot be tested.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A scenario cannot be read.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// No such persona.
    #[error("there is no persona `{0}`: `lab list` tells which there are")]
    Persona(String),
    /// A proxy cannot be started.
    #[error(transparent)]
    Chaos(#[from] mcp_chaos::ChaosError),
    /// A client cannot be made.
    #[error("a client cannot be made: {0}")]
    Client(#[from] mcp_client::ConfigError),
}

impl Pace {
    fn scale(self, scenario: &Scenario) -> f64 {
        match self {
            Self::Real => 1.0,
            Self::Quick => scenario.quick,
            Self::Times(scale) => scale,
            Self::Lasting(duration) => {
                duration.as_secs_f64() / scenario.duration.get().max(f64::EPSILON)
            }
        }
    }
}

impl Run {
    /// Runs all of it.
    ///
    /// # Errors
    /// When nothing could be run: what becomes of a scenario is in the result.
    pub async fn run(self) -> Result<RunResult, LabError> {
        self.target.check()?;
        let all = self.all()?;
        self.progress.send_modify(|progress| progress.scenarios = all.len());
        let absent = self.wait_for_target(&all).await?;
        let (began, started) = (Instant::now(), SystemTime::now());
        let mut target = None;
        let mut scenarios = Vec::with_capacity(all.len());
        let scaled: f64 =
            all.iter().map(|(one, _)| self.pace.scale(one) * one.duration.get()).sum();
        let nominal: f64 = all.iter().map(|(scenario, _)| scenario.duration.get()).sum();
        for (scenario, habits) in all {
            let name = self.name_of(&scenario, habits);
            let one = One { run: &self, scenario, habits, name, began };
            let (ended, facts) = match &absent {
                Some(reason) => (one.not_played(reason), None),
                None => Box::pin(one.run()).await,
            };
            target = target.or(facts);
            self.ended(&ended);
            scenarios.push(ended);
        }
        let place = || self.target.facts();
        Ok(RunResult {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: rfc3339(started),
            duration_s: began.elapsed().as_secs_f64(),
            seed: self.seed,
            time_scale: if nominal > 0.0 { scaled / nominal } else { 1.0 },
            target: target.map_or_else(place, Ok)?,
            events: None,
            scenarios,
        })
    }

    /// Waits until a target that somebody else started answers; why it is not there. Else every
    /// scenario would wait for it.
    async fn wait_for_target(
        &self,
        all: &[(Scenario, &Habits)],
    ) -> Result<Option<String>, LabError> {
        let (Some(url), Some((first, habits))) = (self.target.there()?, all.first()) else {
            return Ok(None);
        };
        let scenario = self.name_of(first, habits);
        let now = Now { scenario, step: format!("waiting for {url}"), ..Now::default() };
        self.progress.send_modify(|progress| progress.now = Some(now));
        Ok(Place::start(&self.target).await.err().map(|error| error.to_string()))
    }

    /// What the scenarios are called in events and results.
    ///
    /// # Errors
    /// When a persona is not known.
    pub fn names(&self) -> Result<Vec<String>, LabError> {
        let all = self.all()?;
        Ok(all.iter().map(|(scenario, habits)| self.name_of(scenario, habits)).collect())
    }

    fn name_of(&self, scenario: &Scenario, habits: &Habits) -> String {
        if self.personas.len() > 1 || scenario.personas.len() > 1 {
            format!("{} ({})", scenario.name, habits.name)
        } else {
            scenario.name.clone()
        }
    }

    /// Every scenario with every persona.
    fn all(&self) -> Result<Vec<(Scenario, &'static Habits)>, LabError> {
        let mut all = Vec::new();
        for scenario in &self.scenarios {
            let names = if self.personas.is_empty() { &scenario.personas } else { &self.personas };
            for name in names {
                let habits =
                    persona::by_name(name).ok_or_else(|| LabError::Persona(name.clone()))?;
                all.push((scenario.clone(), habits));
            }
        }
        Ok(all)
    }

    fn ended(&self, scenario: &result::Scenario) {
        let failed = scenario.expectations.iter().find(|expectation| !expectation.passed);
        let failed = failed.map(|one| {
            format!("{}: {} expected, {} measured", one.name, one.expected, one.measured)
        });
        self.progress.send_modify(|progress| {
            progress.now = None;
            progress.ended.push(Ended {
                scenario: scenario.name.clone(),
                verdict: scenario.verdict,
                duration_s: scenario.duration_s,
                reason: scenario.reason.clone().or(failed),
            });
        });
    }
}

/// All steps of a scenario, also those inside others.
pub(super) fn steps_of(scenario: &Scenario) -> impl Iterator<Item = &Step> {
    fn add<'a>(step: &'a Step, all: &mut Vec<&'a Step>) {
        all.push(step);
        step.inner().into_iter().for_each(|step| add(step, all));
    }
    let mut all = Vec::new();
    let clients = scenario.clients.iter().flat_map(|group| &group.steps);
    scenario.steps.iter().chain(clients).for_each(|step| add(step, &mut all));
    all.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{progress, result::Verdict, scenario::shipped};

    #[tokio::test(start_paused = true)]
    async fn a_target_that_never_answers_fails_every_scenario_after_one_wait() {
        // It is nobody else's, and nobody listens there.
        let held = tokio::net::TcpSocket::new_v4().expect("a socket");
        held.bind(([127, 0, 0, 1], 0).into()).expect("a port");
        let address = held.local_addr().expect("an address");
        let scenarios = shipped().expect("they can be read");
        let names: Vec<_> = scenarios.iter().map(|scenario| scenario.name.clone()).collect();
        let (progress, told) = progress::channel();
        let url = Some(format!("http://{address}/mcp"));
        let run = Run {
            scenarios,
            target: TargetSpec { url, ..TargetSpec::default() },
            personas: vec!["own".to_owned()],
            seed: 7,
            pace: Pace::Quick,
            log: EventLog::start(std::io::sink()).expect("a log").0,
            progress,
        };
        let began = Instant::now();
        let result = run.run().await.expect("a result");
        assert!(began.elapsed() < Duration::from_secs(90), "{:?}", began.elapsed());
        let failed: Vec<_> = result.scenarios.iter().map(|one| one.name.clone()).collect();
        assert_eq!(failed, names);
        for one in &result.scenarios {
            assert_eq!(one.verdict, Verdict::Failed);
            let reason = one.reason.as_deref().unwrap_or_default();
            assert!(reason.contains(&format!("no answer at http://{address}/mcp")), "{reason}");
        }
        assert_eq!(told.borrow().ended.len(), names.len());
    }
}

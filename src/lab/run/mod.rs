//! Runs scenarios: one task for each client, one for the script, one that looks at the tools, one
//! for the load. Every wait is bounded, so a run ends whatever its target does.
//!
//! `stage` is what they share, `actor` does steps, `ask` makes requests, `line` is a client's way to
//! the target, `watch` looks, `loading` loads, `notes` is what was noted, `verdict` what comes of it.

mod actor;
mod ask;
mod line;
mod loading;
mod notes;
mod stage;
mod verdict;
mod watch;

use crate::{
    observe::process::descendants,
    oracle::tools::{Menu, RUN, count_of, counts},
    persona::{self, Agent, Habits, Opened},
    progress::{Ended, Now, Progress},
    result::{self, EventLog, RunResult, SCHEMA, Verdict, What},
    scenario::{Need, Scenario, ScenarioError, Step},
    target::{Place, TargetError, TargetSpec},
};
use actor::{Actor, Part};
use stage::Stage;
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::{
    sync::watch as channel,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

/// Longest time for a target to answer and to have all its tools.
const TO_BE_READY: Duration = Duration::from_secs(30);
/// How long the list of tools must stay the same before it counts as whole.
const SETTLED: Duration = Duration::from_millis(300);
/// Longest time for one question to a target before and after a scenario.
const QUESTION: Duration = Duration::from_secs(10);
/// How much longer than it says a scenario may take.
const GRACE: Duration = Duration::from_secs(120);

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
        let (began, started) = (Instant::now(), SystemTime::now());
        self.progress.send_modify(|progress| progress.scenarios = all.len());
        let mut target = None;
        let mut scenarios = Vec::with_capacity(all.len());
        let scaled: f64 =
            all.iter().map(|(one, _)| self.pace.scale(one) * one.duration.get()).sum();
        let nominal: f64 = all.iter().map(|(scenario, _)| scenario.duration.get()).sum();
        for (scenario, habits) in all {
            let several = self.personas.len() > 1 || scenario.personas.len() > 1;
            let one = One { run: &self, scenario, habits, several, began };
            let (ended, facts) = Box::pin(one.run()).await;
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

/// One scenario with one persona.
struct One<'a> {
    run: &'a Run,
    scenario: Scenario,
    habits: &'static Habits,
    several: bool,
    began: Instant,
}

/// A target that is ready, and what is known of it.
struct Ready {
    place: Place,
    menu: Menu,
    opened: Opened,
    scout: Agent,
}

impl One<'_> {
    async fn run(self) -> (result::Scenario, Option<result::Target>) {
        let started_s = self.began.elapsed().as_secs_f64();
        let name = self.name();
        let now = Now { scenario: name.clone(), step: "start".to_owned(), ..Now::default() };
        self.run.progress.send_modify(|progress| progress.now = Some(now));
        let note = |what| {
            let at_s = self.began.elapsed().as_secs_f64();
            let line = result::Line { at_s, scenario: name.clone(), client: None, what };
            self.run.log.note(line);
        };
        note(What::ScenarioBegan);
        let (ended, facts) = match self.ready().await {
            Ok(ready) => {
                let facts = facts(&ready);
                match self.missing(&ready).await {
                    Some(reason) => (self.unable(started_s, Verdict::Skipped, reason), Some(facts)),
                    None => (self.played(ready, started_s).await, Some(facts)),
                }
            }
            Err(reason) => (self.unable(started_s, Verdict::Failed, reason), None),
        };
        note(What::ScenarioEnded { verdict: ended.verdict });
        (ended, facts)
    }

    fn name(&self) -> String {
        if self.several {
            format!("{} ({})", self.scenario.name, self.habits.name)
        } else {
            self.scenario.name.clone()
        }
    }

    /// A scenario that was not played.
    fn unable(&self, started_s: f64, verdict: Verdict, reason: String) -> result::Scenario {
        result::Scenario {
            name: self.name(),
            description: self.scenario.description.clone(),
            personas: vec![self.habits.name.to_owned()],
            started_s,
            duration_s: self.began.elapsed().as_secs_f64() - started_s,
            verdict,
            reason: Some(reason),
            ..result::Scenario::default()
        }
    }

    /// Starts the target, and waits until all its tools are there.
    async fn ready(&self) -> Result<Ready, String> {
        let told = |error: &dyn std::fmt::Display| error.to_string();
        let place = Place::start(&self.run.target).await.map_err(|error| told(&error))?;
        let way = place.way(None).map_err(|error| told(&error))?;
        let own = persona::by_name("own").ok_or("no persona of our own")?;
        let scout = Agent::new("scout", own, way).map_err(|error| told(&error))?;
        let opened = scout.open(TO_BE_READY).await.map_err(|error| told(&error))?;
        let wanted = self.scenario.probe.tool.as_deref();
        let until = Instant::now() + TO_BE_READY;
        let mut menu = Menu::of(&ask::list_tools(&scout, QUESTION).await?, wanted);
        loop {
            sleep(SETTLED).await;
            let now = Menu::of(&ask::list_tools(&scout, QUESTION).await?, wanted);
            let whole = now == menu && !now.tools.is_empty();
            let oracle = now.oracle.is_some() || !self.scenario.needs.contains(&Need::Oracle);
            menu = now;
            if (whole && oracle && self.is_callable(&scout, &menu).await) || Instant::now() >= until
            {
                return Ok(Ready { place, menu, opened, scout });
            }
        }
    }

    /// Whether the harmless tool answers: behind a gateway it may be listed before it can be called.
    async fn is_callable(&self, scout: &Agent, menu: &Menu) -> bool {
        let Some((tool, arguments)) = &menu.harmless else { return true };
        let ended = ask::call_tool(scout, tool, arguments, QUESTION, true).await;
        ended.outcome == result::Outcome::Ok
    }

    /// What the target is not that the scenario needs.
    async fn missing(&self, ready: &Ready) -> Option<String> {
        for need in &self.scenario.needs {
            let (has, reason) = match need {
                Need::Spawn => {
                    (ready.place.is_spawned(), "the lab did not start the target's process")
                }
                Need::Network => {
                    (ready.place.upstream().is_some(), "no proxy can stand before the target")
                }
                Need::Oracle => (ready.menu.oracle.is_some(), "the target has no oracle tools"),
                Need::Upstream => {
                    let id = ready.place.process_id().await;
                    let has = id.is_some_and(|id| !descendants(id).is_empty());
                    (has, "the target has started no process of its own")
                }
                Need::Sessions => {
                    (ready.opened.session_id.is_some(), "the target gives its clients no sessions")
                }
            };
            if !has {
                return Some(reason.to_owned());
            }
        }
        None
    }

    async fn played(&self, ready: Ready, started_s: f64) -> result::Scenario {
        let Ready { place, menu, scout, .. } = ready;
        let nonce = fastrand::u64(..);
        let scale = self.run.pace.scale(&self.scenario);
        let stage = Arc::new(Stage {
            prefix: format!("lab-{nonce:016x}/"),
            scenario: self.scenario.clone(),
            name: self.name(),
            habits: self.habits,
            scale,
            seed: self.run.seed,
            place,
            menu,
            started_s,
            began: Instant::now(),
            log: self.run.log.clone(),
            progress: self.run.progress.clone(),
            notes: Default::default(),
            lines: Default::default(),
            on: Default::default(),
            calls: Default::default(),
        });
        let longest = self.scenario.duration.scaled(scale) * 2 + GRACE;
        let broken = match timeout(longest, play(&stage)).await {
            Ok(played) => played.err(),
            Err(_) => Some(format!("it did not end within {} s", longest.as_secs())),
        };
        let ran = ran(&stage, &scout).await;
        let broken = broken.or(ran.as_ref().err().cloned());
        let judged = verdict::judged(&stage, ran.ok().flatten().as_ref(), broken);
        scout.close().await;
        stage.place.end_process(true).await;
        judged
    }
}

/// Lets all play, and waits until all have.
async fn play(stage: &Arc<Stage>) -> Result<(), String> {
    let (stop, stopped) = channel::channel(false);
    let mut watching = JoinSet::new();
    watching.spawn(watch::tools(Arc::clone(stage), stopped.clone()));
    let resources = watch::resources(Arc::clone(stage), stopped);
    watching.spawn(async move {
        resources.await;
        Ok(())
    });
    let clock = show_time(stage);
    let played = tokio::select! {
        played = players(stage) => played,
        () = clock => Ok(()),
    };
    // Nobody is left to hear it when the watchers have failed; that is told below.
    let _heard = stop.send(true);
    let mut ended = played;
    while let Some(done) = watching.join_next().await {
        let done = match done {
            Ok(done) => done.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        ended = ended.and(done);
    }
    ended
}

async fn players(stage: &Arc<Stage>) -> Result<(), String> {
    let mut playing: JoinSet<Result<(), LabError>> = JoinSet::new();
    if let Some(load) = stage.scenario.load.clone() {
        playing.spawn(loading::load(Arc::clone(stage), load));
    }
    for group in &stage.scenario.clients {
        for at in 1..=group.count {
            playing.spawn(player(Arc::clone(stage), group.clone(), at));
        }
    }
    let script = Actor::script(stage);
    let (steps, stage) = (stage.scenario.steps.clone(), Arc::clone(stage));
    playing.spawn(async move {
        if !script.play(&steps).await {
            stage.tell(None, What::Note { message: "a step of the script failed".to_owned() });
        }
        Ok(())
    });
    let mut all = Ok(());
    while let Some(done) = playing.join_next().await {
        let done = match done {
            Ok(done) => done.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        all = all.and(done);
    }
    all
}

async fn player(stage: Arc<Stage>, group: crate::scenario::Group, at: u32) -> Result<(), LabError> {
    sleep((group.after.scaled(stage.scale)) + group.stagger.scaled(stage.scale) * (at - 1)).await;
    let habits = match &group.persona {
        Some(name) => persona::by_name(name).ok_or_else(|| LabError::Persona(name.clone()))?,
        None => stage.habits,
    };
    let test = group.test.clone().unwrap_or_else(|| stage.scenario.name.clone());
    let name = format!("{}_{at}", group.role);
    let actor = Actor::client(&stage, Part { name, role: group.role, test, habits }).await?;
    actor.play(&group.steps).await;
    Ok(())
}

/// Shows how much is done. Never ends.
async fn show_time(stage: &Arc<Stage>) {
    let lasts = stage.scenario.duration.scaled(stage.scale).as_secs_f64().max(0.1);
    loop {
        stage.show(|now| now.share_done = (stage.at() / lasts).min(1.0));
        sleep(Duration::from_millis(200)).await;
    }
}

/// How often each call ran, if the target tells.
async fn ran(stage: &Stage, scout: &Agent) -> Result<Option<BTreeMap<u64, u64>>, String> {
    let Some((_, count)) = &stage.menu.oracle else {
        let message = format!("the target has no `{RUN}`: what was lost or ran twice is not known");
        stage.tell(None, What::Note { message });
        return Ok(None);
    };
    let arguments = count_of(&stage.prefix);
    let mut last = String::new();
    for _ in 0..3 {
        let ended = ask::call_tool(scout, count, &arguments, QUESTION, true).await;
        if let Some(ran) = counts(&ended.result, &stage.prefix) {
            return Ok(Some(ran));
        }
        last = ended.message.unwrap_or_default();
        sleep(SETTLED).await;
    }
    Err(format!("the oracle does not answer: {last}"))
}

fn facts(ready: &Ready) -> result::Target {
    let mut facts = ready.place.facts();
    facts.protocol_version.clone_from(&ready.opened.protocol_version);
    if let Some((name, version)) = &ready.opened.server {
        facts.server_name = Some(name.clone());
        facts.server_version = Some(version.clone());
    }
    facts
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

/// A moment in UTC, to the second.
#[must_use]
pub fn rfc3339(at: SystemTime) -> String {
    let seconds = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Years begin in March, so that the day of a leap year is the last one.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) =
        (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_the_world_does() {
        let at = |seconds| rfc3339(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "1970-01-01T00:00:00Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(at(1_795_236_645), "2026-11-21T04:50:45Z");
    }
}

//! One scenario with one persona: the target is started and looked at, the scenario is played, the
//! oracle asked, and what came of it told.

use super::{
    Run, ask,
    awaited::Awaited,
    play::{self, play},
    stage::Stage,
    verdict,
};
use crate::{
    oracle::tools::{Menu, RUN, count_of, counts},
    persona::{self, Agent, Habits, Opened},
    progress::Now,
    result::{self, Verdict, What},
    scenario::{Need, Scenario},
    target::Place,
};
use mcp_client::ClientError;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, timeout};

/// Longest time for a target to answer and to have all its tools.
const TO_BE_READY: Duration = Duration::from_secs(30);
/// How long the list of tools must stay the same before it counts as whole.
const SETTLED: Duration = Duration::from_millis(300);
/// Longest time for one question to a target before and after a scenario.
const QUESTION: Duration = Duration::from_secs(10);
/// How much longer than it says a scenario may take.
const GRACE: Duration = Duration::from_secs(120);

/// One scenario with one persona.
pub(super) struct One<'a> {
    pub(super) run: &'a Run,
    pub(super) scenario: Scenario,
    pub(super) habits: &'static Habits,
    /// What it is called.
    pub(super) name: String,
    pub(super) began: Instant,
}

/// A target that is ready, and what is known of it.
struct Ready {
    place: Place,
    menu: Menu,
    opened: Opened,
    scout: Agent,
}

impl One<'_> {
    pub(super) async fn run(self) -> (result::Scenario, Option<result::Target>) {
        let started_s = self.began.elapsed().as_secs_f64();
        let now = Now { scenario: self.name.clone(), step: "start".to_owned(), ..Now::default() };
        self.run.progress.send_modify(|progress| progress.now = Some(now));
        self.note(What::ScenarioBegan);
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
        self.note(What::ScenarioEnded { verdict: ended.verdict });
        (ended, facts)
    }

    /// The same where there is no target, for that reason.
    pub(super) fn not_played(self, reason: &str) -> result::Scenario {
        let started_s = self.began.elapsed().as_secs_f64();
        self.note(What::ScenarioBegan);
        let ended = self.unable(started_s, Verdict::Failed, reason.to_owned());
        self.note(What::ScenarioEnded { verdict: ended.verdict });
        ended
    }

    fn note(&self, what: What) {
        let at_s = self.began.elapsed().as_secs_f64();
        let scenario = self.name.clone();
        self.run.log.note(result::Line { at_s, scenario, client: None, what });
    }

    /// A scenario that was not played.
    fn unable(&self, started_s: f64, verdict: Verdict, reason: String) -> result::Scenario {
        result::Scenario {
            name: self.name.clone(),
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
        let opened = scout.open(TO_BE_READY).await.map_err(|error| not_opened(&error))?;
        let wanted = self.scenario.probe.tool.as_deref();
        let until = Instant::now() + TO_BE_READY;
        let mut menu = Menu::of(&ask::list_tools(&scout, QUESTION).await?, wanted);
        loop {
            sleep(SETTLED).await;
            let now = Menu::of(&ask::list_tools(&scout, QUESTION).await?, wanted);
            let whole = now == menu && !now.tools.is_empty();
            let oracle = now.oracle.is_some() || !self.waits_for_oracle(&place);
            menu = now;
            if (whole && oracle && self.is_callable(&scout, &menu).await) || Instant::now() >= until
            {
                if menu.tools.is_empty() {
                    return Err("the target lists no tools".to_owned());
                }
                return Ok(Ready { place, menu, opened, scout });
            }
        }
    }

    /// Whether it wants the oracle's tools, and is not skipped for want of a process anyway.
    fn waits_for_oracle(&self, place: &Place) -> bool {
        let needs = |need| self.scenario.needs.contains(&need);
        needs(Need::Oracle) && (place.is_spawned() || !needs(Need::Spawn))
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
                Need::Upstream => (
                    ready.place.has_children().await,
                    "the target has started no process of its own",
                ),
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
            name: self.name.clone(),
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
            prober: Default::default(),
            awaited: Awaited::new(play::from_the_start(&self.scenario)),
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

/// How often each call ran, if the target tells: asked until nothing changes any more, as a second
/// run may come late.
async fn ran(stage: &Stage, scout: &Agent) -> Result<Option<BTreeMap<u64, u64>>, String> {
    let Some((_, count)) = &stage.menu.oracle else {
        let message = format!("the target has no `{RUN}`: what was lost or ran twice is not known");
        stage.tell(None, What::Note { message });
        return Ok(None);
    };
    let arguments = count_of(&stage.prefix);
    let until = Instant::now() + QUESTION;
    let (mut last, mut tries_left) = (None, 3);
    loop {
        let ended = ask::call_tool(scout, count, &arguments, QUESTION, true).await;
        let ran = counts(&ended.result, &stage.prefix);
        let is_late = Instant::now() >= until;
        if ran.is_some() && (ran == last || is_late) {
            return Ok(ran);
        }
        tries_left -= u32::from(ran.is_none());
        if tries_left == 0 {
            let said = ended.message.unwrap_or_default();
            return Err(format!("the oracle does not answer: {said}"));
        }
        last = ran;
        sleep(SETTLED).await;
    }
}

/// Why no client can connect to the target, and what to do where that is known.
fn not_opened(error: &ClientError) -> String {
    let cause =
        if let ClientError::Unfinished(unfinished) = error { unfinished.cause() } else { None };
    let cause = cause.unwrap_or(error);
    let is_auth = matches!(cause, ClientError::Auth { .. });
    let advice = if is_auth { "; give its token in MCP_ORCHESTRATOR_TOKEN" } else { "" };
    format!("no client can connect to the target: {cause}{advice}")
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

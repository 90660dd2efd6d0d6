//! A client of a scenario, or the script beside the clients: does its steps one after the other.

mod calls;
mod flow;
mod session;

use super::{
    LabError,
    line::Line,
    stage::{Stage, lock},
    verdict,
};
use crate::{
    persona::{Agent, Habits, Opened},
    result::{Client, FinalStatus, What},
    scenario::{Expect, Seconds, Step},
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

/// Longest time for a handshake.
const TO_OPEN: Duration = Duration::from_secs(30);
/// Longest time for the answer to a heartbeat.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// Longest time for a client to come back.
const TO_RETURN: Duration = Duration::from_secs(30);
/// How long a cut of no length lasts, so that it is one.
const SHORTEST_CUT: Duration = Duration::from_millis(50);

/// How long the last events of a proxy take to be noted.
const LAST_EVENTS: Duration = Duration::from_millis(10);

/// A future of steps: they may hold steps themselves.
type Doing<'a> = mcp_client::BoxFuture<'a, Result<(), String>>;

/// Who an actor is.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) role: String,
    pub(super) test: String,
    pub(super) habits: &'static Habits,
}

/// Somebody who does steps.
pub(super) struct Actor {
    stage: Arc<Stage>,
    part: Part,
    line: Option<Arc<Line>>,
    agent: Mutex<Option<Arc<Agent>>>,
    seen: Mutex<Seen>,
    chance: Mutex<fastrand::Rng>,
    began: Instant,
    /// Reads what its proxy does.
    _follow: JoinSet<()>,
}

/// What became of it so far.
#[derive(Debug, Default)]
struct Seen {
    first: Option<Opened>,
    last: Option<Opened>,
    came_back: bool,
    said_goodbye: bool,
    session_since: Option<Instant>,
    heartbeats: Option<(u64, u64)>,
    error: Option<String>,
}

impl Actor {
    /// The script: it has no connection.
    pub(super) fn script(stage: &Arc<Stage>) -> Arc<Self> {
        let part = Part {
            name: "script".to_owned(),
            role: "script".to_owned(),
            test: String::new(),
            habits: stage.habits,
        };
        Arc::new(Self::new(stage, part, None))
    }

    /// A client with a way of its own.
    pub(super) async fn client(stage: &Arc<Stage>, part: Part) -> Result<Arc<Self>, LabError> {
        let line = stage.line(&part.name).await?;
        Ok(Arc::new(Self::new(stage, part, Some(line))))
    }

    fn new(stage: &Arc<Stage>, part: Part, line: Option<Arc<Line>>) -> Self {
        let chance = Mutex::new(fastrand::Rng::with_seed(stage.seed_of(&part.name)));
        let mut follow = JoinSet::new();
        if let Some(line) = &line {
            let (line, name) = (Arc::downgrade(line), part.name.clone());
            follow.spawn(Arc::clone(stage).follow(line, name, false));
        }
        let (agent, seen) = (Mutex::default(), Mutex::default());
        let (stage, began) = (Arc::clone(stage), Instant::now());
        Self { stage, part, line, agent, seen, chance, began, _follow: follow }
    }

    /// Does all steps, says goodbye, and notes what became of it. True when it succeeded.
    pub(super) async fn play(self: Arc<Self>, steps: &[Step]) -> bool {
        if let Err(error) = self.all(steps).await {
            self.wrong(error);
        }
        let status = self.status();
        self.goodbye().await;
        // What its proxy did last is read by a task of its own.
        sleep(LAST_EVENTS).await;
        let client = self.told(status);
        let success = client.success;
        if self.line.is_some() {
            self.stage.notes().clients.push(client);
        }
        success
    }

    /// Does some steps, and stays.
    pub(super) async fn begin(self: &Arc<Self>, steps: &[Step]) {
        if let Err(error) = self.all(steps).await {
            self.wrong(error);
        }
    }

    fn name(&self) -> Option<&str> {
        self.line.as_ref().map(|_| self.part.name.as_str())
    }

    /// Notes the first thing that makes it a failure.
    fn wrong(&self, error: String) {
        lock(&self.seen).error.get_or_insert(error);
    }

    /// Notes that it saw all well.
    fn well(&self) {
        let at_s = self.stage.at();
        self.stage.notes().good(&self.part.name, at_s);
    }

    fn all<'a>(self: &'a Arc<Self>, steps: &'a [Step]) -> Doing<'a> {
        Box::pin(async move {
            for step in steps {
                self.step(step).await?;
            }
            Ok(())
        })
    }

    async fn step(self: &Arc<Self>, step: &Step) -> Result<(), String> {
        let (word, from_s) = (step.word(), self.stage.at());
        self.stage.tell(self.name(), What::StepBegan { step: word.to_owned() });
        self.stage.show(|now| word.clone_into(&mut now.step));
        let done = self.act(step).await;
        if done.is_ok() && step.shows_target() {
            self.well();
        }
        let error = done.as_ref().err().cloned();
        if let (Some(error), true) = (&error, step.inner().is_empty()) {
            self.stage.failed(self.name(), word, error, from_s);
        }
        self.stage.tell(self.name(), What::StepEnded { step: word.to_owned(), error });
        done
    }

    async fn act(self: &Arc<Self>, step: &Step) -> Result<(), String> {
        match step {
            Step::Connect {} => self.reach().await,
            Step::Initialize {} => {
                let done = self.initialize().await;
                self.stage.awaited.has_come(&self.part.name);
                done
            }
            Step::ListTools {} => self.list_tools().await,
            Step::CallTool { tool, arguments, ms, may_fail } => {
                let ended = self.call(tool.as_deref(), arguments.as_ref(), *ms, None).await?;
                match ended {
                    Some(message) if !may_fail => self.wrong(message),
                    Some(_) | None => {}
                }
                Ok(())
            }
            Step::Wait { seconds, jitter } => {
                let share = lock(&self.chance).f64();
                sleep(self.scaled(*seconds) + self.scaled(*jitter).mul_f64(share)).await;
                Ok(())
            }
            Step::Repeat { times, seconds, every, steps } => {
                self.repeat((*times, *seconds), *every, steps).await
            }
            Step::Parallel { branches } => self.parallel(branches).await,
            Step::ForceDisconnect { how, seconds } => self.cut(*how, *seconds).await,
            Step::Reconnect { session } => self.come_back(*session).await,
            Step::Disconnect {} => {
                lock(&self.seen).said_goodbye = true;
                self.goodbye().await;
                Ok(())
            }
            Step::SpawnAgents { count, persona, steps } => {
                self.spawn(*count, persona.as_deref(), steps).await
            }
            Step::VerifyState { session } => self.verify(*session).await,
            Step::Heartbeat { every, seconds } => self.heartbeat(*every, *seconds).await,
            Step::Expect { that, at_least, at_most } => {
                let (that, at_least, at_most) = (*that, *at_least, *at_most);
                verdict::so_far(&self.stage, &Expect { that, at_least, at_most })
            }
            Step::Fault { on, off, seconds, of } => {
                self.fault(on.as_deref(), off.as_deref(), *seconds, *of).await;
                Ok(())
            }
        }
    }

    fn scaled(&self, seconds: Seconds) -> Duration {
        seconds.scaled(self.stage.scale)
    }

    fn timeout(&self) -> Duration {
        self.stage.scenario.call_timeout.whole()
    }

    fn agent(&self) -> Result<Arc<Agent>, String> {
        lock(&self.agent).clone().ok_or_else(|| "it is not connected: initialize first".to_owned())
    }

    async fn goodbye(&self) {
        let agent = lock(&self.agent).take();
        let Some(agent) = agent else { return };
        agent.close().await;
        let since = lock(&self.seen).session_since.take();
        if let Some(since) = since {
            self.stage.notes().session_seconds.push(since.elapsed().as_secs_f64());
            let reason = "it said goodbye".to_owned();
            self.stage.tell(self.name(), What::Disconnected { reason });
        }
    }

    fn status(&self) -> FinalStatus {
        let agent = lock(&self.agent).clone();
        let seen = lock(&self.seen);
        match (&seen.last, agent) {
            (None, _) => FinalStatus::NeverConnected,
            (Some(_), Some(agent)) if agent.gave_up() => FinalStatus::GaveUp,
            (Some(_), Some(_)) => FinalStatus::Active,
            (Some(_), None) => FinalStatus::Disconnected,
        }
    }

    fn told(&self, final_status: FinalStatus) -> Client {
        let seen = lock(&self.seen);
        let id =
            |opened: &Option<Opened>| opened.as_ref().and_then(|opened| opened.session_id.clone());
        let (first, last) = (id(&seen.first), id(&seen.last));
        let two = seen.came_back && first.is_some();
        Client {
            client_id: self.part.name.clone(),
            role: self.part.role.clone(),
            test: self.part.test.clone(),
            persona: self.part.habits.name.to_owned(),
            success: seen.error.is_none(),
            error: seen.error.clone(),
            session_id: last.clone(),
            session1_id: first.clone().filter(|_| two),
            session2_id: last.clone().filter(|_| two),
            sessions_different: two.then(|| first != last),
            heartbeats_sent: seen.heartbeats.map(|(sent, _)| sent),
            heartbeats_expected: seen.heartbeats.map(|(_, expected)| expected),
            duration_seconds: self.began.elapsed().as_secs_f64(),
            final_status,
        }
    }
}

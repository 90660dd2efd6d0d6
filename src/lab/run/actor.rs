//! A client of a scenario, or the script beside the clients: does its steps one after the other.

use super::{
    LabError, ask,
    line::Line,
    notes::Call,
    stage::{Stage, lock},
};
use crate::{
    oracle::tools::{first_text, run_of},
    persona::{Agent, Habits, Opened},
    result::{Client, FinalStatus, Outcome, What},
    scenario::{Cut, Of, SameSession, Seconds, Step},
};
use serde_json::{Map, Value};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
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
            Step::Initialize {} => self.initialize().await,
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
                let expect =
                    crate::scenario::Expect { that: *that, at_least: *at_least, at_most: *at_most };
                super::verdict::so_far(&self.stage, &expect)
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

    async fn reach(&self) -> Result<(), String> {
        let through = self.line.as_ref().and_then(|line| line.address());
        if self.stage.place.is_reachable(through).await {
            return Ok(());
        }
        Err("the target takes no connection".to_owned())
    }

    async fn initialize(&self) -> Result<(), String> {
        let line = self.line.as_ref().ok_or("no client")?;
        self.goodbye().await;
        let began = Instant::now();
        let agent = Agent::new(&self.part.name, self.part.habits, line.way());
        let agent = Arc::new(agent.map_err(|error| error.to_string())?);
        *lock(&self.agent) = Some(Arc::clone(&agent));
        let opened = agent.open(TO_OPEN).await.map_err(|error| error.to_string())?;
        self.stage.tell(
            self.name(),
            What::Connected {
                session_id: opened.session_id.clone(),
                protocol_version: opened.protocol_version.clone(),
                duration_ms: began.elapsed().as_secs_f64() * 1e3,
            },
        );
        lock(&self.seen).session_since = Some(Instant::now());
        self.stage.notes().sessions_opened += 1;
        self.has(opened)
    }

    /// Notes the session it has now.
    fn has(&self, opened: Opened) -> Result<(), String> {
        let session = opened.session_id.clone();
        {
            let mut seen = lock(&self.seen);
            seen.first.get_or_insert_with(|| opened.clone());
            seen.last = Some(opened);
            seen.said_goodbye = false;
        }
        let mut notes = self.stage.notes();
        let other = session.and_then(|session| notes.session_of(&session, &self.part.name));
        let Some(other) = other else { return Ok(()) };
        notes.leaked += 1;
        Err(format!("its session is that of {other} as well"))
    }

    fn agent(&self) -> Result<Arc<Agent>, String> {
        lock(&self.agent).clone().ok_or_else(|| "it is not connected: initialize first".to_owned())
    }

    async fn list_tools(&self) -> Result<(), String> {
        let agent = self.agent()?;
        let tools = ask::list_tools(&agent, self.timeout()).await?;
        let listed: Vec<&str> = tools.iter().filter_map(|tool| tool["name"].as_str()).collect();
        let known = self.stage.menu.tools.iter();
        let missing: Vec<String> =
            known.filter(|name| !listed.contains(&name.as_str())).cloned().collect();
        if missing.is_empty() {
            return Ok(());
        }
        let told = format!(
            "{} of {} tools are missing: {}",
            missing.len(),
            self.stage.menu.tools.len(),
            missing.join(", ")
        );
        self.stage.notes().missing.extend(missing);
        Err(told)
    }

    /// Calls a tool and notes how that ended: what went wrong, if something did.
    pub(super) async fn call(
        &self,
        tool: Option<&str>,
        arguments: Option<&Map<String, Value>>,
        ms: u32,
        due_s: Option<f64>,
    ) -> Result<Option<String>, String> {
        let agent = self.agent()?;
        let number = self.stage.next_call();
        let key = format!("{}{number}", self.stage.prefix);
        let menu = &self.stage.menu;
        let (tool, arguments, keyed) = match (tool, &menu.oracle, &menu.harmless) {
            (Some(tool), ..) => (tool, arguments.cloned().unwrap_or_default(), false),
            (None, Some((run, _)), _) => (run.as_str(), run_of(&key, ms), true),
            (None, None, Some((harmless, with))) => (harmless.as_str(), with.clone(), false),
            (None, None, None) => return Err("the target has no tool that does no harm".to_owned()),
        };
        let what = format!("tools/call {tool}");
        let sent_s = self.stage.at();
        self.stage.notes().calls_started += 1;
        self.stage.show(|now| now.calls += 1);
        self.stage.tell(self.name(), What::CallStarted { call: number, what: what.clone() });
        let ended = ask::call_tool(&agent, tool, &arguments, self.timeout(), false).await;
        let ended_s = self.stage.at();
        self.leaks(keyed.then_some(key.as_str()), &ended);
        self.stage.tell(
            self.name(),
            What::CallEnded {
                call: number,
                outcome: ended.outcome,
                duration_ms: (ended_s - sent_s) * 1e3,
                error: ended.message.clone(),
            },
        );
        let failed = (ended.outcome != Outcome::Ok)
            .then(|| format!("{what}: {}", ended.message.clone().unwrap_or_default()));
        if failed.is_some() {
            self.stage.show(|now| now.failures += 1);
        }
        self.stage.notes().call(Call {
            number,
            client: self.part.name.clone(),
            what,
            keyed,
            due_s: due_s.unwrap_or(sent_s),
            sent_s,
            ended_s,
            outcome: ended.outcome,
            told_not_run: ended.told_not_run,
            message: ended.message,
        });
        Ok(failed)
    }

    /// An answer under another key than the call's was meant for somebody else.
    fn leaks(&self, key: Option<&str>, ended: &ask::Ended) {
        let (Some(key), Outcome::Ok) = (key, ended.outcome) else { return };
        let answered = first_text(&ended.result);
        if answered != Some(key) {
            self.stage.notes().leaked += 1;
            let told =
                format!("the answer is that of another call: {}", answered.unwrap_or("none"));
            self.stage.failed(self.name(), "answer", &told, self.stage.at());
            self.wrong(told);
        }
    }

    async fn repeat(
        self: &Arc<Self>,
        (times, seconds): (Option<u32>, Option<Seconds>),
        every: Seconds,
        steps: &[Step],
    ) -> Result<(), String> {
        let (began, every) = (Instant::now(), self.scaled(every));
        let until = seconds.map(|seconds| began + self.scaled(seconds));
        let mut done = 0;
        while times.is_none_or(|times| done < times) {
            let due = began + every * done;
            if until.is_some_and(|until| due.max(Instant::now()) >= until) {
                break;
            }
            sleep_until(due).await;
            self.all(steps).await?;
            done += 1;
            // Steps that never wait must not keep others from working.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    async fn parallel(self: &Arc<Self>, branches: &[Vec<Step>]) -> Result<(), String> {
        let mut doing = JoinSet::new();
        for steps in branches {
            let (actor, steps) = (Arc::clone(self), steps.clone());
            doing.spawn(async move { actor.all(&steps).await });
        }
        let mut first = Ok(());
        while let Some(done) = doing.join_next().await {
            let done = done.unwrap_or_else(|error| Err(error.to_string()));
            first = first.and(done);
        }
        first
    }

    async fn cut(&self, how: Cut, seconds: Seconds) -> Result<(), String> {
        let line = self.line.as_ref().ok_or("no client")?;
        let lasts = self.scaled(seconds).max(SHORTEST_CUT);
        let name = format!("force-disconnect of {}", self.part.name);
        let Some(kind) = line.cut(how) else {
            return Err("no proxy can stand before this target".to_owned());
        };
        let direction = Some(crate::result::Direction::Both);
        let at_s = self.stage.at();
        {
            let mut notes = self.stage.notes();
            notes.timeline.began_for(self.name(), (&name, kind), direction, at_s);
            notes.timeline.injected(&name);
        }
        self.stage.tell(self.name(), What::Disconnected { reason: format!("{name}: {kind}") });
        sleep(lasts).await;
        line.mend();
        let at_s = self.stage.at();
        self.stage.notes().timeline.ended(&name, at_s);
        lock(&self.seen).came_back = true;
        Ok(())
    }

    async fn come_back(&self, session: SameSession) -> Result<(), String> {
        let agent = self.agent()?;
        lock(&self.seen).came_back = true;
        let began = Instant::now();
        ask::list_tools(&agent, TO_RETURN).await?;
        let opened = agent.opened();
        self.stage.tell(
            self.name(),
            What::Connected {
                session_id: opened.session_id.clone(),
                protocol_version: opened.protocol_version.clone(),
                duration_ms: began.elapsed().as_secs_f64() * 1e3,
            },
        );
        self.has(opened)?;
        self.session_is(session)
    }

    fn session_is(&self, wanted: SameSession) -> Result<(), String> {
        let seen = lock(&self.seen);
        let id =
            |opened: &Option<Opened>| opened.as_ref().and_then(|opened| opened.session_id.clone());
        match (wanted, id(&seen.first) == id(&seen.last)) {
            (SameSession::Same, false) => Err("it has another session now".to_owned()),
            (SameSession::Different, true) => Err("it has the same session still".to_owned()),
            (SameSession::Any | SameSession::Same | SameSession::Different, _) => Ok(()),
        }
    }

    async fn verify(&self, session: SameSession) -> Result<(), String> {
        self.list_tools().await?;
        if let Some(failed) = self.call(None, None, 0, None).await? {
            return Err(failed);
        }
        let opened = self.agent()?.opened();
        self.has(opened)?;
        self.session_is(session)
    }

    async fn heartbeat(&self, every: Seconds, seconds: Seconds) -> Result<(), String> {
        let agent = self.agent()?;
        let (began, every) = (Instant::now(), self.scaled(every).max(Duration::from_millis(1)));
        let expected = (self.scaled(seconds).as_secs_f64() / every.as_secs_f64()).round();
        let expected = (expected as u32).max(1);
        let mut answered = 0;
        for beat in 0..expected {
            sleep_until(began + every * beat).await;
            let at_s = self.stage.at();
            if agent.ping(HEARTBEAT).await {
                answered += 1;
            } else {
                self.stage.failed(self.name(), "heartbeat", "no answer", at_s);
            }
        }
        let mut seen = lock(&self.seen);
        let (sent, wanted) = seen.heartbeats.unwrap_or_default();
        seen.heartbeats = Some((sent + answered, wanted + u64::from(expected)));
        let mut notes = self.stage.notes();
        notes.heartbeats.0 += answered;
        notes.heartbeats.1 += u64::from(expected);
        Ok(())
    }

    async fn spawn(
        self: &Arc<Self>,
        count: u32,
        persona: Option<&str>,
        steps: &[Step],
    ) -> Result<(), String> {
        let habits = persona.and_then(crate::persona::by_name).unwrap_or(self.part.habits);
        let mut playing = JoinSet::new();
        for at in 1..=count {
            let part = Part {
                name: format!("{}_agent_{at}", self.part.name),
                role: "agent".to_owned(),
                test: self.part.test.clone(),
                habits,
            };
            let agent = Self::client(&self.stage, part).await.map_err(|error| error.to_string())?;
            let steps = steps.to_vec();
            playing.spawn(async move { agent.play(&steps).await });
        }
        let mut failed = 0;
        while let Some(success) = playing.join_next().await {
            failed += u32::from(!success.unwrap_or(false));
        }
        if failed == 0 { Ok(()) } else { Err(format!("{failed} of {count} agents failed")) }
    }

    async fn fault(&self, on: Option<&str>, off: Option<&str>, seconds: Option<Seconds>, of: Of) {
        if let Some(name) = on {
            self.stage.switch_on(name, of, seconds.map(|seconds| self.scaled(seconds))).await;
        }
        if let Some(name) = off {
            self.stage.switch_off(name).await;
        }
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

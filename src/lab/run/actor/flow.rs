//! Steps that hold others or act on what lies between: repeated, side by side, cut, by others.

use super::{Actor, Part, SHORTEST_CUT};
use crate::{
    result::{Direction, Phase, What},
    run::stage::lock,
    scenario::{Cut, Of, Seconds, Step},
};
use std::sync::Arc;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

impl Actor {
    pub(super) async fn repeat(
        self: &Arc<Self>,
        (times, seconds): (Option<u32>, Option<Seconds>),
        every: Seconds,
        steps: &[Step],
    ) -> Result<(), String> {
        let every = self.scaled(every);
        let mut due = Instant::now();
        let until = seconds.map(|seconds| due + self.scaled(seconds));
        let mut done = 0;
        while times.is_none_or(|times| done < times) {
            if until.is_some_and(|until| due.max(Instant::now()) >= until) {
                break;
            }
            sleep_until(due).await;
            // Who is late does not hurry afterwards.
            due = Instant::now() + every;
            self.all(steps).await?;
            done += 1;
            // Steps that never wait must not keep others from working.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    pub(super) async fn parallel(self: &Arc<Self>, branches: &[Vec<Step>]) -> Result<(), String> {
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

    pub(super) async fn cut(&self, how: Cut, seconds: Option<Seconds>) -> Result<(), String> {
        let line = self.line.as_ref().ok_or("no client")?;
        let name = format!("force-disconnect of {}", self.part.name);
        let Some(kind) = line.cut(how) else {
            return Err("no proxy can stand before this target".to_owned());
        };
        let at_s = self.stage.at();
        {
            let mut notes = self.stage.notes();
            notes.timeline.began_for(self.name(), (&name, kind), Some(Direction::Both), at_s);
            notes.timeline.injected(&name);
        }
        self.tell_cut(&name, kind, Phase::Began);
        self.tell_cut(&name, kind, Phase::Injected);
        self.stage.tell(self.name(), What::Disconnected { reason: format!("{name}: {kind}") });
        lock(&self.seen).came_back = seconds.is_some();
        let Some(seconds) = seconds else { return Ok(()) };
        sleep(self.scaled(seconds).max(SHORTEST_CUT)).await;
        line.mend();
        let at_s = self.stage.at();
        self.stage.notes().timeline.ended(&name, at_s);
        self.tell_cut(&name, kind, Phase::Ended);
        Ok(())
    }

    /// Tells of a cut as of any other fault.
    fn tell_cut(&self, name: &str, kind: &str, phase: Phase) {
        let what = What::Fault {
            fault: name.to_owned(),
            kind: kind.to_owned(),
            phase,
            direction: Some(Direction::Both),
            connection: None,
            message: None,
        };
        self.stage.tell(self.name(), what);
    }

    pub(super) async fn spawn(
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

    pub(super) async fn fault(
        &self,
        on: Option<&str>,
        off: Option<&str>,
        seconds: Option<Seconds>,
        of: Of,
    ) {
        if let Some(name) = on {
            self.stage.switch_on(name, of, seconds.map(|seconds| self.scaled(seconds))).await;
        }
        if let Some(name) = off {
            self.stage.switch_off(name).await;
        }
    }
}

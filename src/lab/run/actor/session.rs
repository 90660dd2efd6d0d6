//! What an actor does with its session: opens it, comes back to it, looks whether it is still the one.

use super::{Actor, HEARTBEAT, TO_OPEN, TO_RETURN};
use crate::{
    persona::{Agent, Opened},
    result::What,
    run::{ask, stage::lock},
    scenario::{SameSession, Seconds},
};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, sleep_until};

/// Between two looks at a connection that is in doubt.
const PAUSE: Duration = Duration::from_millis(50);

impl Actor {
    pub(super) async fn reach(&self) -> Result<(), String> {
        let through = self.line.as_ref().and_then(|line| line.address());
        if self.stage.place.is_reachable(through).await {
            return Ok(());
        }
        Err("the target takes no connection".to_owned())
    }

    pub(super) async fn initialize(&self) -> Result<(), String> {
        let line = self.line.as_ref().ok_or("no client")?;
        self.goodbye().await;
        let began = Instant::now();
        let agent = Agent::new(&self.part.name, self.part.habits, line.way());
        let agent = Arc::new(agent.map_err(|error| error.to_string())?);
        *lock(&self.agent) = Some(Arc::clone(&agent));
        let opened = agent.open(TO_OPEN).await.map_err(|error| error.to_string())?;
        self.tell_connected(&opened, began);
        lock(&self.seen).session_since = Some(Instant::now());
        self.stage.notes().sessions_opened += 1;
        self.has(opened)
    }

    fn tell_connected(&self, opened: &Opened, began: Instant) {
        self.stage.tell(
            self.name(),
            What::Connected {
                session_id: opened.session_id.clone(),
                protocol_version: opened.protocol_version.clone(),
                duration_ms: began.elapsed().as_secs_f64() * 1e3,
            },
        );
    }

    /// Notes the session it has now.
    pub(super) fn has(&self, opened: Opened) -> Result<(), String> {
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

    pub(super) async fn come_back(&self, session: SameSession) -> Result<(), String> {
        let agent = self.agent()?;
        lock(&self.seen).came_back = true;
        let began = Instant::now();
        let opened = loop {
            ask::list_tools(&agent, TO_RETURN.saturating_sub(began.elapsed())).await?;
            // Where its connection is in doubt again by now, it has none, and nobody knows its session.
            let opened = agent.opened();
            if opened.protocol_version.is_some() {
                break opened;
            }
            sleep(PAUSE).await;
        };
        self.tell_connected(&opened, began);
        self.has(opened)?;
        self.session_is(session)
    }

    pub(super) fn session_is(&self, wanted: SameSession) -> Result<(), String> {
        let seen = lock(&self.seen);
        let id =
            |opened: &Option<Opened>| opened.as_ref().and_then(|opened| opened.session_id.clone());
        match (wanted, id(&seen.first) == id(&seen.last)) {
            (SameSession::Same, false) => Err("it has another session now".to_owned()),
            (SameSession::Different, true) => Err("it has the same session still".to_owned()),
            (SameSession::Any | SameSession::Same | SameSession::Different, _) => Ok(()),
        }
    }

    pub(super) async fn verify(&self, session: SameSession) -> Result<(), String> {
        self.list_tools().await?;
        if let Some(failed) = self.call(None, None, 0, None).await? {
            return Err(failed);
        }
        let opened = self.agent()?.opened();
        self.has(opened)?;
        self.session_is(session)
    }

    pub(super) async fn heartbeat(&self, every: Seconds, seconds: Seconds) -> Result<(), String> {
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
                self.well();
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
}

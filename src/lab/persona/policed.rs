//! A client that follows a rule: one connection that does not heal itself, and a decision after each
//! failure.

use super::{
    habits::{Failed, Next, Rule, State},
    sink::{Deaf, identity},
};
use mcp_client::{ClientError, Connection, Options, OutCall, Target, Unfinished};
use mcp_protocol::{Era, Payload};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, sleep_until, timeout_at};

/// A client that follows a rule.
pub(super) struct Policed {
    name: String,
    way: Target,
    rule: Rule,
    state: Mutex<State>,
    /// Held while a connection is opened, so that calls side by side open one only.
    live: tokio::sync::Mutex<Option<Connection>>,
    /// The connection that was there last, for who must not wait.
    last: Mutex<Option<Connection>>,
}

impl Policed {
    pub(super) fn new(name: &str, way: Target, rule: Rule) -> Self {
        Self {
            name: name.to_owned(),
            way,
            rule,
            state: Mutex::default(),
            live: tokio::sync::Mutex::default(),
            last: Mutex::default(),
        }
    }

    /// The connection that was there last.
    pub(super) fn connection(&self) -> Option<Connection> {
        lock(&self.last).clone()
    }

    pub(super) fn gave_up(&self) -> bool {
        lock(&self.state).gave_up
    }

    /// Opens a connection if there is none.
    pub(super) async fn open(&self, until: Instant) -> Result<Connection, ClientError> {
        self.trying(until, None).await.map(|(connection, _)| connection)
    }

    /// Sends a request, and what its rule makes of a failure.
    pub(super) async fn request(
        &self,
        call: OutCall,
        until: Instant,
    ) -> Result<Payload, ClientError> {
        let began = Instant::now();
        let (_, answer) = self.trying(until, Some(call)).await?;
        let missing = Unfinished::NoAnswer { after: began.elapsed() };
        answer.ok_or(ClientError::Unfinished(missing))
    }

    async fn trying(
        &self,
        until: Instant,
        call: Option<OutCall>,
    ) -> Result<(Connection, Option<Payload>), ClientError> {
        loop {
            let error = match self.once(until, call.clone()).await {
                Ok(done) => {
                    lock(&self.state).failed = 0;
                    return Ok(done);
                }
                Err(error) => error,
            };
            let Some(wait) = self.decide(&error).await else { return Err(error) };
            let next = Instant::now() + wait;
            if next >= until {
                return Err(error);
            }
            sleep_until(next).await;
        }
    }

    /// How long to wait before the next try, if there is one.
    async fn decide(&self, error: &ClientError) -> Option<Duration> {
        // A call that ran out of time is over, whatever the rule.
        if matches!(error, ClientError::Unfinished(_)) {
            return None;
        }
        let next = {
            let mut state = lock(&self.state);
            let (next, after) = self.rule.next(*state, Failed::of(error));
            *state = after;
            next
        };
        match next {
            Next::Again(wait) => Some(wait),
            Next::Anew(wait) => {
                self.live.lock().await.take();
                Some(wait)
            }
            Next::End | Next::GiveUp => None,
        }
    }

    async fn once(
        &self,
        until: Instant,
        call: Option<OutCall>,
    ) -> Result<(Connection, Option<Payload>), ClientError> {
        if self.gave_up() {
            return Err(ClientError::Unfinished(Unfinished::GivenUp { why: None }));
        }
        let began = Instant::now();
        let late = |_| {
            ClientError::Unfinished(Unfinished::NoAnswer { after: began.elapsed() })
        };
        let connection = timeout_at(until, self.live()).await.map_err(late)??;
        let Some(call) = call else { return Ok((connection, None)) };
        let answer = timeout_at(until, connection.call(call)).await.map_err(late)??;
        Ok((connection, Some(answer)))
    }

    async fn live(&self) -> Result<Connection, ClientError> {
        let mut live = self.live.lock().await;
        if let Some(connection) = live.as_ref() {
            return Ok(connection.clone());
        }
        let identity = identity(&self.name);
        let (sink, options) = (Arc::new(Deaf), Options::default());
        let opened = Connection::open(&self.way, Some(Era::Legacy), &identity, sink, &options);
        let connection = Box::pin(opened).await?;
        *lock(&self.last) = Some(connection.clone());
        *live = Some(connection.clone());
        Ok(connection)
    }

    pub(super) async fn close(&self) {
        let connection = self.live.lock().await.take();
        if let Some(connection) = connection {
            connection.close().await;
        }
    }
}

fn lock<T>(value: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

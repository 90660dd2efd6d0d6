//! A client that follows a rule: one connection that does not heal itself, and a decision after each
//! failure.

use super::{habits::Rule, identity::identity, tries::Tries};
use mcp_client::{ClientError, Connection, Deaf, Options, OutCall, Target, Unfinished};
use mcp_protocol::{Era, Payload};
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};
use tokio::time::{Instant, timeout_at};

/// A client that follows a rule.
pub(super) struct Policed {
    name: String,
    way: Target,
    tries: Tries,
    /// Held while a connection is opened, so that calls side by side open one only.
    live: tokio::sync::Mutex<Live>,
    /// The connection that was there last, for who must not wait.
    last: Mutex<Option<Connection>>,
}

/// The connection in use.
#[derive(Default)]
struct Live {
    /// How many there were before it: a call that failed ends the one it used, and no other.
    number: u64,
    connection: Option<Connection>,
}

impl Policed {
    pub(super) fn new(name: &str, way: Target, rule: Rule) -> Self {
        Self {
            name: name.to_owned(),
            way,
            tries: Tries::new(rule),
            live: tokio::sync::Mutex::default(),
            last: Mutex::default(),
        }
    }

    /// The connection that was there last.
    pub(super) fn connection(&self) -> Option<Connection> {
        lock(&self.last).clone()
    }

    pub(super) fn gave_up(&self) -> bool {
        self.tries.gave_up()
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
        let used = AtomicU64::default();
        let once = |anew| self.once(until, call.clone(), (anew, &used));
        match self.tries.until(until, once).await {
            Ok(done) => Ok(done),
            Err(failure) => {
                if failure.leave {
                    self.leave(used.into_inner()).await;
                }
                Err(failure.error)
            }
        }
    }

    async fn once(
        &self,
        until: Instant,
        call: Option<OutCall>,
        (anew, used): (bool, &AtomicU64),
    ) -> Result<(Connection, Option<Payload>), ClientError> {
        if self.gave_up() {
            return Err(ClientError::Unfinished(Unfinished::GivenUp { why: None }));
        }
        if anew {
            self.leave(used.load(Ordering::Relaxed)).await;
        }
        let began = Instant::now();
        let late = |_| ClientError::Unfinished(Unfinished::NoAnswer { after: began.elapsed() });
        let (number, connection) = timeout_at(until, self.live()).await.map_err(late)??;
        used.store(number, Ordering::Relaxed);
        let Some(call) = call else { return Ok((connection, None)) };
        let answer = timeout_at(until, connection.call(call)).await.map_err(late)??;
        Ok((connection, Some(answer)))
    }

    async fn live(&self) -> Result<(u64, Connection), ClientError> {
        let mut live = self.live.lock().await;
        if let Some(connection) = live.connection.as_ref() {
            return Ok((live.number, connection.clone()));
        }
        let identity = identity(&self.name);
        let (sink, options) = (Arc::new(Deaf), Options::default());
        let opened = Connection::open(&self.way, Some(Era::Legacy), &identity, sink, &options);
        let connection = Box::pin(opened).await?;
        *lock(&self.last) = Some(connection.clone());
        *live = Live { number: live.number + 1, connection: Some(connection.clone()) };
        Ok((live.number, connection))
    }

    /// Uses that connection no more.
    async fn leave(&self, number: u64) {
        let mut live = self.live.lock().await;
        if live.number == number {
            live.connection = None;
        }
    }

    pub(super) async fn close(&self) {
        let connection = self.live.lock().await.connection.take();
        if let Some(connection) = connection {
            connection.close().await;
        }
    }
}

fn lock<T>(value: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

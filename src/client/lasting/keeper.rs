//! The task that keeps a client connected: reaches the server, notices that it is lost, and comes
//! back to it.

use super::{
    ear::Ear,
    endpoints::Endpoints,
    eras::{EraSearch, Opening},
    event::{ClientEvent, Return, State},
    line::is_hopeless,
    pace::{Next, Pace},
    restore::restore,
    shared::{Live, Place, Shared},
};
use crate::{ClientError, Connection, Ending, ErrorKind, Network, chance, fate::closed};
use futures_util::FutureExt;
use std::{pin::pin, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep_until, timeout};

/// Longest wait for the answer that says that the server is there, unless health checks say.
const KNOCK: Duration = Duration::from_secs(5);
/// A session that is silent so often is given up for a new one.
const SILENT: u32 = 3;

/// Keeps one client connected.
pub(super) struct Keeper {
    shared: Arc<Shared>,
    pace: Pace,
    eras: EraSearch,
    endpoints: Endpoints,
    /// The connection while it is in trouble: its session may still be there.
    kept: Option<Connection>,
    silent: u32,
    epoch: u64,
    /// Since when the server is away, if it was there before.
    away: Option<Instant>,
    tries: u32,
    /// When the next row of tries begins.
    begin: Next,
}

impl Keeper {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let (pace, eras) = (Pace::new(&shared.config), EraSearch::new(shared.config.eras));
        let endpoints = Endpoints::new(shared.config.targets().count());
        Self {
            shared,
            pace,
            eras,
            endpoints,
            kept: None,
            silent: 0,
            epoch: 0,
            away: None,
            tries: 0,
            begin: Next::At(Instant::now()),
        }
    }

    /// Works until the client is closed; then closes the connection.
    pub(super) async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        tokio::select! {
            biased;
            () = shared.closing.cancelled() => {}
            () = Box::pin(self.keep()) => {}
        }
        let live = shared.place.borrow().live.clone();
        let last = live.map(|live| live.connection).or(self.kept);
        shared.ledger().lost();
        shared.stand(Place { state: State::Disconnected, live: None, why: None });
        if let Some(connection) = last {
            connection.close().await;
        }
    }

    async fn keep(&mut self) {
        loop {
            let (connection, how) = self.reach().await;
            self.arrive(connection.clone(), how);
            let why = self.stay(&connection).await;
            self.lose(connection, why);
        }
    }

    /// Tries until the server is reached.
    async fn reach(&mut self) -> (Connection, Return) {
        let mut next = self.begin;
        loop {
            self.wait(next).await;
            let began = Instant::now();
            self.pace.begin(began);
            self.tries = self.tries.saturating_add(1);
            self.shared.ledger().attempts += 1;
            match self.attempt().await {
                Ok(reached) => {
                    self.pace.succeed(Instant::now());
                    self.shared.ledger().reached(began);
                    return reached;
                }
                Err(why) => next = self.failed(why),
            }
        }
    }

    /// Waits for the next try: its time, or somebody who wants one, and never too early.
    async fn wait(&mut self, next: Next) {
        let until = match next {
            Next::At(at) => Some(at),
            Next::OnUse | Next::OnWish => None,
        };
        tokio::select! {
            () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => {}
            () = self.shared.wanted.notified(), if next != Next::OnWish => {}
            () = self.shared.wished.notified() => self.pace.again(),
        }
        let why = self.shared.place.borrow().why.clone();
        self.shared.stand(Place { state: self.trying(), live: None, why });
        sleep_until(self.pace.earliest(Instant::now())).await;
    }

    const fn trying(&self) -> State {
        if self.away.is_some() { State::Reconnecting } else { State::Connecting }
    }

    fn failed(&mut self, why: ClientError) -> Next {
        self.shared.ledger().failures += 1;
        let next = self.pace.fail(&why, Instant::now(), chance());
        self.shared.tell(ClientEvent::TryFailed { why: why.clone(), failed: self.pace.failed() });
        self.shared.stand(Place { state: self.awaiting(next), live: None, why: Some(why) });
        next
    }

    const fn awaiting(&self, next: Next) -> State {
        match next {
            Next::At(_) => self.trying(),
            Next::OnUse | Next::OnWish => State::Failed,
        }
    }

    /// One try: is the old session still there, else a new one.
    async fn attempt(&mut self) -> Result<(Connection, Return), ClientError> {
        if let Some(kept) = self.kept.take() {
            match self.knock(&kept).await {
                Ok(()) => return Ok((kept, Return::Resumed)),
                // Another endpoint is better than none; sessions do not move there.
                Err(_) if self.endpoints.has_others() && !is_over(&kept) => {
                    self.endpoints.fail(Instant::now());
                }
                Err(why) if self.is_worth_keeping(&kept, &why) => {
                    self.kept = Some(kept);
                    return Err(why);
                }
                Err(why) if is_hopeless(Some(&why)) && !is_over(&kept) => return Err(why),
                Err(_) => drop(kept),
            }
        }
        self.endpoints.draw(Instant::now(), chance());
        let opened = self.open().await;
        match &opened {
            Ok(_) => self.endpoints.succeed(Instant::now()),
            Err(_) => self.endpoints.fail(Instant::now()),
        }
        Ok((opened?, Return::Reinitialized))
    }

    /// Whether the server of this connection answers.
    async fn knock(&self, connection: &Connection) -> Result<(), ClientError> {
        if is_over(connection) {
            return Err(connection.closed().await);
        }
        let after = self.shared.config.health.map_or(KNOCK, |pulse| pulse.within);
        timeout(after, connection.ping())
            .await
            .unwrap_or(Err(ClientError::Timeout { method: "ping", after }))
    }

    fn is_worth_keeping(&mut self, kept: &Connection, why: &ClientError) -> bool {
        let away = matches!(
            why.kind(),
            ErrorKind::Network | ErrorKind::Timeout | ErrorKind::RateLimit | ErrorKind::Server
        );
        self.silent = if why.kind() == ErrorKind::Timeout { self.silent + 1 } else { 0 };
        away && self.silent < SILENT && !is_over(kept)
    }

    async fn open(&mut self) -> Result<Connection, ClientError> {
        self.silent = 0;
        let shared = &self.shared;
        let ear = Ear { shared: Arc::downgrade(shared), sink: Arc::clone(&shared.sink) };
        let open = Opening {
            target: shared.config.endpoint(self.endpoints.current()),
            identity: &shared.identity,
            sink: Arc::new(ear),
            options: &shared.config.options,
        };
        let connection = self.eras.open(&open).await?;
        restore(&self.shared, &connection).await?;
        Ok(connection)
    }

    fn arrive(&mut self, connection: Connection, how: Return) {
        self.epoch += 1;
        let live = self.live(connection);
        self.shared.stand(Place { state: State::Connected, live: Some(live), why: None });
        if let Some(since) = self.away.take() {
            let (away, attempts) = (since.elapsed(), self.tries);
            self.shared.tell(ClientEvent::Returned { how, away, attempts });
        }
        self.tries = 0;
        self.shared.stale.notify_one();
    }

    const fn live(&self, connection: Connection) -> Live {
        Live { connection, endpoint: self.endpoints.current(), epoch: self.epoch }
    }

    /// Stays until the connection is lost.
    async fn stay(&mut self, connection: &Connection) -> ClientError {
        let shared = Arc::clone(&self.shared);
        let pulse = async {
            match &shared.config.health {
                Some(pulse) => {
                    connection.pulse(pulse, |answer| shared.ledger().pinged(answer)).await
                }
                None => std::future::pending().await,
            }
        };
        let mut pulse = pin!(pulse);
        let mut trouble = shared.trouble.subscribe();
        loop {
            let surely = tokio::select! {
                biased;
                why = connection.closed() => return why,
                why = &mut pulse => return why,
                surely = self.in_trouble(&mut trouble) => surely,
                () = connection.doubted() => false,
                () = shared.wished.notified() => false,
            };
            if surely {
                return closed(false, Ending::Lost("the server cannot be reached".to_owned()));
            }
            if let Err(why) = self.knock(connection).await {
                return why;
            }
            self.epoch += 1;
            let live = self.live(connection.clone());
            shared.stand(Place { state: State::Connected, live: Some(live), why: None });
        }
    }

    /// Resolves when somebody has trouble in the present epoch.
    async fn in_trouble(&self, trouble: &mut tokio::sync::watch::Receiver<(u64, bool)>) -> bool {
        let found = trouble.wait_for(|(epoch, _)| *epoch >= self.epoch).await;
        match found.map(|found| found.1) {
            Ok(surely) => surely,
            Err(_) => std::future::pending().await,
        }
    }

    fn lose(&mut self, connection: Connection, why: ClientError) {
        self.shared.ledger().lost();
        self.away = Some(Instant::now());
        self.begin = self.pace.lose(Instant::now(), chance());
        let state = self.awaiting(self.begin);
        self.shared.stand(Place { state, live: None, why: Some(why) });
        match self.shared.config.endpoint(self.endpoints.current()).network() {
            // A process that does not answer is ended; whatever waits for it ends with it.
            Network::Stdio => {
                self.shared.tasks.spawn(async move { connection.close().await });
            }
            Network::Http => self.kept = Some(connection),
        }
    }
}

fn is_over(connection: &Connection) -> bool {
    connection.closed().now_or_never().is_some()
}

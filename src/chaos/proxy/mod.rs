//! A proxy that runs: accepts clients, connects each to the server, and does to what passes what
//! the faults in force say. It ends when it is stopped or dropped, with all its connections.

mod connection;
mod lane;
mod queue;
mod server;

use crate::{ChaosError, Events, Fault, FaultState, Plan, Process, book::Book};
use connection::Connection;
use mcp_telemetry::{Event, Telemetry};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::Instant,
};

/// Most connections at once; further ones wait to be accepted.
const MOST_CONNECTIONS: usize = 10_000;

/// Wait after a failed accept: it fails again at once when files run out.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// What a proxy stands between, and what goes wrong there.
#[derive(Debug, Clone)]
pub struct ProxyOptions {
    /// The address to listen on; with port 0 the system chooses one.
    pub listen: SocketAddr,
    /// The server: an address or a name, with its port.
    pub upstream: String,
    /// The seed of all chances; that of the plan wins.
    pub seed: u64,
    /// What goes wrong from the start on.
    pub plan: Plan,
    /// The process of the server, for faults of processes.
    pub process: Option<Process>,
    /// Where it reports to; its own if absent.
    pub telemetry: Option<Telemetry>,
}

impl ProxyOptions {
    /// A proxy on this machine, at a port the system chooses, without faults.
    #[must_use]
    pub fn before(upstream: impl Into<String>) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            upstream: upstream.into(),
            seed: 0,
            plan: Plan::default(),
            process: None,
            telemetry: None,
        }
    }
}

/// A proxy that runs, for as long as this is kept.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    upstream: Arc<str>,
    book: Arc<Book>,
    tasks: JoinSet<()>,
}

impl Proxy {
    /// Starts a proxy.
    ///
    /// # Errors
    /// When a fault makes no sense or the address cannot be listened on.
    pub async fn start(options: ProxyOptions) -> Result<Self, ChaosError> {
        let ProxyOptions { listen, upstream, seed, plan, process, telemetry } = options;
        plan.check()?;
        let failed = |error| ChaosError::Listen { address: listen, error };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let invalid = |error: mcp_telemetry::TelemetryError| ChaosError::Invalid(error.to_string());
        let telemetry = telemetry.map_or_else(Telemetry::for_chaos, Ok).map_err(invalid)?;
        let book = Arc::new(Book::new(plan.seed.unwrap_or(seed), process.is_some(), telemetry));
        let now = Instant::now();
        plan.faults.into_iter().try_for_each(|fault| book.add(fault, now))?;
        let mut proxy = Self { address, upstream: upstream.into(), book, tasks: JoinSet::new() };
        let book = Arc::clone(&proxy.book);
        proxy.tasks.spawn(async move { book.keep_time().await });
        proxy.tasks.spawn(server::keep(Arc::clone(&proxy.book), process));
        let accepting = accept(listener, Arc::clone(&proxy.upstream), Arc::clone(&proxy.book));
        proxy.tasks.spawn(accepting);
        Ok(proxy)
    }

    /// The address that it listens on.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The server it stands before.
    #[must_use]
    pub fn upstream(&self) -> &str {
        &self.upstream
    }

    /// The seed of all its chances.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.book.seed()
    }

    /// Puts a fault in, behind those that are there; its schedule counts from now.
    ///
    /// # Errors
    /// When it makes no sense, its name is taken, or there are too many.
    pub fn add(&self, fault: Fault) -> Result<(), ChaosError> {
        self.add_since(fault, Instant::now())
    }

    /// The same with a schedule that counts from a moment in the past: for proxies that start one
    /// after another, and are to do the same at the same time.
    ///
    /// # Errors
    /// When it makes no sense, its name is taken, or there are too many.
    pub fn add_since(&self, fault: Fault, since: Instant) -> Result<(), ChaosError> {
        self.book.add(fault, since)
    }

    /// Takes a fault out.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn remove(&self, name: &str) -> Result<Fault, ChaosError> {
        self.book.remove(name)
    }

    /// All faults, in force or not.
    #[must_use]
    pub fn list(&self) -> Vec<FaultState> {
        self.book.list()
    }

    /// What was done, from the start on.
    #[must_use]
    pub fn events(&self) -> Events {
        self.book.events()
    }

    pub(crate) fn book(&self) -> &Arc<Book> {
        &self.book
    }

    /// Ends it, and every connection with it. Readers of its events see their end.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
        self.book.close();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.book.close();
    }
}

/// Accepts clients for ever; all connections end with this.
async fn accept(listener: TcpListener, upstream: Arc<str>, book: Arc<Book>) {
    let (mut connections, mut ordinal) = (JoinSet::new(), 0);
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= MOST_CONNECTIONS {
            let _ended = connections.join_next().await;
            continue;
        }
        match listener.accept().await {
            Ok((client, _)) => {
                ordinal += 1;
                let connection = Connection::new(ordinal, Arc::clone(&book));
                connections.spawn(serve(client, Arc::clone(&upstream), connection));
            }
            Err(error) => {
                let detail = error.to_string();
                let event = Event::InternalError { what: "chaos accept", detail: &detail };
                book.telemetry().emit(&event);
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

async fn serve(client: TcpStream, upstream: Arc<str>, connection: Connection) {
    connection.run(client, &upstream).await;
}

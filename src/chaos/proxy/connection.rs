//! One connection: a client, its server, a lane each way, and the faults that are done to both.

use super::lane::{Lane, Shared, Stopped};
use crate::{
    Direction,
    book::{Active, Book, InForce},
    kind::{Deed, Site},
    passing::End,
    wire::{Framer, Requests, Responses},
};
use std::{
    collections::BTreeSet,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::AsyncReadExt,
    net::TcpStream,
    sync::{mpsc, watch},
    time::Instant,
};

/// Most answers of our own that wait for one client.
const MOST_ANSWERS: usize = 16;

/// Longest wait for the server to accept.
const CONNECT: Duration = Duration::from_secs(30);

/// One connection, known by its ordinal.
pub(super) struct Connection {
    ordinal: u64,
    book: Arc<Book>,
    in_force: watch::Receiver<InForce>,
    /// Faults that were decided on, by id and occurrence, so that each is told once.
    decided: BTreeSet<(u64, u64)>,
    opened: Instant,
}

/// What becomes of a connection when a fault takes it.
enum Fate {
    /// Both sides are reset.
    Reset,
    /// Both sides hear no more.
    Silence(Active, Option<Duration>),
}

impl Connection {
    pub(super) fn new(ordinal: u64, book: Arc<Book>) -> Self {
        let in_force = book.follow();
        Self { ordinal, book, in_force, decided: BTreeSet::new(), opened: Instant::now() }
    }

    pub(super) async fn run(mut self, client: TcpStream, upstream: &str) {
        if self.refused() {
            return reset(&client);
        }
        let connecting = tokio::time::timeout(CONNECT, TcpStream::connect(upstream));
        let server = tokio::select! {
            fate = self.fate() => return self.meet(fate, client, None).await,
            server = connecting => server,
        };
        // A server that is away looks through the proxy as it does without: nothing is there.
        let Ok(Ok(server)) = server else { return reset(&client) };
        self.carry(client, server).await;
    }

    async fn carry(mut self, mut client: TcpStream, mut server: TcpStream) {
        // Latency is ours to add, and nobody else's.
        let quick = client.set_nodelay(true).and_then(|()| server.set_nodelay(true));
        if quick.is_err() {
            return;
        }
        let (sender, answers) = mpsc::channel(MOST_ANSWERS);
        let shared = Shared {
            connection: self.ordinal,
            book: Arc::clone(&self.book),
            exchange: Mutex::default(),
            answers: sender,
        };
        let up = Lane::new(Framer::Up(Requests::default()), &shared, None);
        let down = Lane::new(Framer::Down(Responses::default()), &shared, Some(answers));
        let fate = {
            let (from_client, to_client) = client.split();
            let (from_server, to_server) = server.split();
            let both = async {
                tokio::try_join!(up.run(from_client, to_server), down.run(from_server, to_client))
            };
            tokio::select! {
                ended = both => match ended {
                    Ok(_) | Err(Stopped(End::Close)) => return,
                    Err(Stopped(End::Reset)) => Fate::Reset,
                },
                fate = self.fate() => fate,
            }
        };
        self.meet(fate, client, Some(server)).await;
    }

    /// Whether it is not let in.
    fn refused(&mut self) -> bool {
        let in_force = Arc::clone(&self.in_force.borrow());
        in_force.iter().any(|active| {
            active.fault.kind.effect().site() == Site::Connection(Deed::Refuse)
                && self.decide(active)
        })
    }

    /// Whether a fault is done to this connection; told when it is asked first.
    fn decide(&mut self, active: &Active) -> bool {
        let hit = self.book.hits_connection(active, self.ordinal);
        if self.decided.insert((active.id, active.occurrence)) && hit {
            self.book.injected(active, Direction::Both, Some(self.ordinal), None);
        }
        hit
    }

    /// Waits until a fault takes the whole connection.
    async fn fate(&mut self) -> Fate {
        loop {
            let in_force = Arc::clone(&self.in_force.borrow_and_update());
            let mut resets = None::<Instant>;
            for active in in_force.iter() {
                match active.fault.kind.effect().site() {
                    Site::Connection(Deed::Silence(timeout)) if self.decide(active) => {
                        return Fate::Silence(active.clone(), timeout);
                    }
                    Site::Connection(Deed::Reset(after)) if self.decide(active) => {
                        let at = self.opened.max(active.since) + after;
                        resets = Some(resets.map_or(at, |other| other.min(at)));
                    }
                    Site::Connection(Deed::Pause) => {
                        let _told = self.decide(active);
                    }
                    Site::Connection(_) | Site::Message | Site::Process(_) => {}
                }
            }
            tokio::select! {
                () = until(resets) => return Fate::Reset,
                changed = self.in_force.changed() => if changed.is_err() { return Fate::Reset },
            }
        }
    }

    async fn meet(mut self, fate: Fate, mut client: TcpStream, server: Option<TcpStream>) {
        if let Fate::Silence(active, timeout) = fate {
            let end = timeout.map(|timeout| Instant::now() + timeout);
            tokio::select! {
                () = swallow(&mut client) => {}
                () = until(end) => {}
                () = self.gone(&active) => {}
            }
        }
        reset(&client);
        server.iter().for_each(reset);
    }

    /// Waits until a fault is in force no longer.
    async fn gone(&mut self, fault: &Active) {
        let same = |active: &Active| active.id == fault.id && active.occurrence == fault.occurrence;
        // When the proxy ends, so does this task.
        let _gone = self.in_force.wait_for(|in_force| !in_force.iter().any(same)).await;
    }
}

/// Takes what comes and loses it, until the other side goes away.
async fn swallow(socket: &mut TcpStream) {
    let mut lost = vec![0; 16 << 10];
    while let Ok(read) = socket.read(&mut lost).await
        && read > 0
    {}
}

/// Waits for a moment, or for ever.
pub(super) async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Makes the coming drop of a socket an RST.
fn reset(socket: &TcpStream) {
    // One that is closed already needs none.
    let _closed: io::Result<()> = socket.set_zero_linger();
}

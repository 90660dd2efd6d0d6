//! The wire between a WebSocket client and the server, broken where a test wants it: refused,
//! silent, or cut at a known point of a frame of the client.

use crate::support::{Port, bind};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU64, Ordering},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{Notify, watch},
    task::JoinSet,
};

/// Where a frame of the client is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// Nowhere.
    None,
    /// Before its first byte: it never comes.
    Before,
    /// In the middle: the server never has the whole.
    During,
    /// After the server has the whole.
    After,
    /// In the middle of what the server says next.
    InAnswer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Open,
    Silent,
    Down,
}

type Plan = dyn Fn(&str) -> Cut + Send + Sync;

struct Shared {
    target: String,
    port: Port,
    plan: Box<Plan>,
    mode: watch::Sender<Mode>,
    listens: watch::Sender<bool>,
    cut_all: Notify,
    opened: AtomicU64,
    /// Connections up to this one pass nothing on any more.
    muted: AtomicU64,
    cuts: Mutex<Vec<Cut>>,
}

/// The wire; it lives as long as this.
pub(super) struct Wire {
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

impl Wire {
    /// Before the server at that address. `plan` is asked with each text of the client.
    pub(super) fn before(base: &str, plan: impl Fn(&str) -> Cut + Send + Sync + 'static) -> Self {
        let shared = Arc::new(Shared {
            target: base.trim_start_matches("http://").to_owned(),
            port: Port::reserve(),
            plan: Box::new(plan),
            mode: watch::Sender::new(Mode::Open),
            listens: watch::Sender::new(false),
            cut_all: Notify::new(),
            opened: AtomicU64::new(0),
            muted: AtomicU64::new(0),
            cuts: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(listen(Arc::clone(&shared)));
        Self { shared, _tasks: tasks }
    }

    /// One that only a test cuts.
    pub(super) fn whole(base: &str) -> Self {
        Self::before(base, |_| Cut::None)
    }

    /// The WebSocket through it.
    pub(super) fn url(&self) -> String {
        format!("ws://{}/ws", self.shared.port.address())
    }

    /// All connections end, and nobody listens any more when this returns.
    pub(super) async fn down(&self) {
        self.shared.mode.send_replace(Mode::Down);
        let mut listens = self.shared.listens.subscribe();
        listens.wait_for(|listens| !listens).await.expect("the sender is ours");
    }

    /// Nothing is passed on any more, on open connections and on new ones.
    pub(super) fn silent(&self) {
        self.shared.mode.send_replace(Mode::Silent);
    }

    /// What is open now passes nothing on any more; new connections are well.
    pub(super) fn mute(&self) {
        self.shared.muted.store(self.shared.opened.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// All connections end, and nothing is passed on on new ones.
    pub(super) fn dead_end(&self) {
        self.silent();
        self.shared.cut_all.notify_one();
    }

    /// All is well again, for new connections at least.
    pub(super) fn up(&self) {
        self.shared.mode.send_replace(Mode::Open);
    }

    /// How often it was cut like that.
    pub(super) fn cuts(&self, like: Cut) -> usize {
        self.shared.cuts.lock().expect("no panic").iter().filter(|cut| **cut == like).count()
    }
}

async fn listen(shared: Arc<Shared>) {
    let mut mode = shared.mode.subscribe();
    loop {
        mode.wait_for(|mode| *mode != Mode::Down).await.expect("the sender is ours");
        let listener = bind(&shared.port);
        shared.listens.send_replace(true);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let Ok((client, _)) = accepted else { continue };
                    connections.spawn(connection(client, Arc::clone(&shared)));
                }
                () = shared.cut_all.notified() => connections.abort_all(),
                _ = mode.wait_for(|mode| *mode == Mode::Down) => break,
            }
            while connections.try_join_next().is_some() {}
        }
        drop(listener);
        connections.shutdown().await;
        shared.listens.send_replace(false);
    }
}

async fn connection(client: TcpStream, shared: Arc<Shared>) {
    let Ok(server) = TcpStream::connect(&shared.target).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let number = shared.opened.fetch_add(1, Ordering::SeqCst) + 1;
    let one = One { number, shared: &shared, cut_answer: AtomicBool::new(false) };
    tokio::select! {
        () = up(from_client, to_server, &one) => {}
        () = down(from_server, to_client, &one) => {}
    }
}

/// One connection.
struct One<'a> {
    number: u64,
    shared: &'a Shared,
    cut_answer: AtomicBool,
}

impl One<'_> {
    /// What was silent once stays so: only new connections are well again.
    async fn hear(&self) {
        let is_muted = self.number <= self.shared.muted.load(Ordering::SeqCst);
        if is_muted || *self.shared.mode.borrow() == Mode::Silent {
            std::future::pending::<()>().await;
        }
    }
}

async fn up(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, one: &One<'_>) {
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n") {
        if !matches!(from.read_buf(&mut seen).await, Ok(1..)) {
            return;
        }
    }
    one.hear().await;
    if to.write_all(&seen).await.is_err() {
        return;
    }
    seen.clear();
    loop {
        while let Some(length) = length_of_frame(&seen) {
            let frame: Vec<u8> = seen.drain(..length).collect();
            one.hear().await;
            let cut = (one.shared.plan)(&text_of(&frame));
            if cut != Cut::None {
                one.shared.cuts.lock().expect("no panic").push(cut);
            }
            let part = match cut {
                Cut::Before => return,
                Cut::During => &frame[..frame.len() - 7],
                Cut::None | Cut::After | Cut::InAnswer => &frame,
            };
            one.cut_answer.fetch_or(cut == Cut::InAnswer, Ordering::SeqCst);
            if to.write_all(part).await.is_err() || matches!(cut, Cut::During | Cut::After) {
                return;
            }
        }
        if !matches!(from.read_buf(&mut seen).await, Ok(1..)) {
            return;
        }
    }
}

async fn down(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, one: &One<'_>) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        one.hear().await;
        let is_cut = one.cut_answer.load(Ordering::SeqCst);
        let part = if is_cut { read / 2 } else { read };
        if to.write_all(&buffer[..part]).await.is_err() || is_cut {
            return;
        }
    }
}

/// The length of the frame that begins there, once it is whole (RFC 6455, section 5.2).
fn length_of_frame(seen: &[u8]) -> Option<usize> {
    let (head, payload) = head_of_frame(seen)?;
    (seen.len() >= head + payload).then_some(head + payload)
}

/// Lengths of the head, with the mask that all clients use, and of the payload.
fn head_of_frame(seen: &[u8]) -> Option<(usize, usize)> {
    let number = |bytes: &[u8]| bytes.iter().fold(0, |all, byte| all << 8 | usize::from(*byte));
    match seen.get(1)? & 0x7f {
        126 => Some((8, number(seen.get(2..4)?))),
        127 => Some((14, number(seen.get(2..10)?))),
        few => Some((6, usize::from(few))),
    }
}

fn text_of(frame: &[u8]) -> String {
    let (head, _) = head_of_frame(frame).expect("it is whole");
    let mask = &frame[head - 4..head];
    let bytes = frame[head..].iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
    String::from_utf8_lossy(&bytes.collect::<Vec<_>>()).into_owned()
}

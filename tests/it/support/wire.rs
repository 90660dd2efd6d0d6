//! The wire between the server and an upstream over HTTP, broken where a test wants it: refused,
//! silent, or cut at a known point of a request. It counts its cuts by whether a byte of a request
//! had come.

use super::{Port, until};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{Notify, watch},
    task::JoinSet,
};

/// Where a request is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Nowhere.
    None,
    /// In the middle of its body: the upstream never has the whole.
    During,
    /// After the upstream has the whole, before a byte of the answer.
    After,
    /// In the first bytes of the answer.
    InAnswer,
    /// Not at all, but the upstream never hears of it: it is answered with this status, and in a
    /// JSON-RPC message with this member (`"error":{…}`), if there is one.
    Answer(&'static str, &'static str),
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
    cut_idle: Notify,
    idle: AtomicUsize,
    before: AtomicUsize,
    after: AtomicUsize,
}

/// The wire; it lives as long as this.
pub struct Wire {
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

impl Wire {
    /// Before the server at that address. `plan` is asked with the body of each request.
    pub fn before(base: &str, plan: impl Fn(&str) -> Cut + Send + Sync + 'static) -> Self {
        let shared = Arc::new(Shared {
            target: base.trim_start_matches("http://").to_owned(),
            port: Port::reserve(),
            plan: Box::new(plan),
            mode: watch::Sender::new(Mode::Open),
            listens: watch::Sender::new(false),
            cut_idle: Notify::new(),
            idle: AtomicUsize::new(0),
            before: AtomicUsize::new(0),
            after: AtomicUsize::new(0),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(listen(Arc::clone(&shared)));
        Self { shared, _tasks: tasks }
    }

    /// The MCP endpoint through it.
    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.shared.port.address())
    }

    /// All connections end, and nobody listens any more when this returns.
    pub async fn down(&self) {
        self.shared.mode.send_replace(Mode::Down);
        let mut listens = self.shared.listens.subscribe();
        listens.wait_for(|listens| !listens).await.expect("the sender is ours");
    }

    /// Connections are accepted and nothing is passed on, also on those that are open.
    pub fn silent(&self) {
        self.shared.mode.send_replace(Mode::Silent);
    }

    /// All is well again, for new connections at least.
    pub fn up(&self) {
        self.shared.mode.send_replace(Mode::Open);
    }

    /// Ends the connections that no request is on, and waits until the client has seen it. To be
    /// asked for while no request is on its way: one that is written while its connection ends
    /// may have arrived, for all that a client can know.
    pub async fn cut_idle(&self) {
        until("the client has seen the end", || async {
            // Again, for one whose answer has only just been passed on.
            self.shared.cut_idle.notify_waiters();
            self.shared.idle.load(Ordering::SeqCst) == 0
        })
        .await;
    }

    /// How many cuts there were before the first byte of a request, and after it.
    pub fn cuts(&self) -> (usize, usize) {
        let count = |of: &AtomicUsize| of.load(Ordering::SeqCst);
        (count(&self.shared.before), count(&self.shared.after))
    }
}

async fn listen(shared: Arc<Shared>) {
    let mut mode = shared.mode.subscribe();
    loop {
        let is_up = |mode: &Mode| *mode != Mode::Down;
        mode.wait_for(is_up).await.expect("the sender is ours");
        let listener = bind(&shared.port);
        shared.listens.send_replace(true);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let Ok((client, _)) = accepted else { continue };
                    let shared = Arc::clone(&shared);
                    connections.spawn(async move { connection(client, &shared).await });
                }
                _ = mode.wait_for(|mode| *mode == Mode::Down) => break,
            }
            while connections.try_join_next().is_some() {}
        }
        drop(listener);
        connections.shutdown().await;
        shared.listens.send_replace(false);
    }
}

/// Listens at a port that is held.
pub fn bind(port: &Port) -> TcpListener {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("a socket");
    socket.bind(port.address()).expect("the port is ours");
    socket.listen(1_024).expect("the port is ours")
}

/// A connection that no request is on.
struct Idle<'a>(&'a AtomicUsize);

impl<'a> Idle<'a> {
    fn of(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Idle<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn connection(client: TcpStream, shared: &Arc<Shared>) {
    let Ok(server) = TcpStream::connect(&shared.target).await else { return };
    serve(client, server, shared).await;
}

/// Ends a connection on which no request is: if one comes nevertheless, it is a cut after its
/// first byte.
async fn end_unused(mut client: TcpStream, shared: &Shared) {
    let closed = client.shutdown().await.is_ok();
    let came = closed && matches!(client.read(&mut [0; 1]).await, Ok(1..));
    let count = if came { &shared.after } else { &shared.before };
    count.fetch_add(1, Ordering::SeqCst);
}

async fn serve(mut client: TcpStream, mut server: TcpStream, shared: &Arc<Shared>) {
    loop {
        let mut request = Vec::new();
        let idle = Idle::of(&shared.idle);
        tokio::select! {
            read = client.read_buf(&mut request) => if !matches!(read, Ok(1..)) { return },
            () = shared.cut_idle.notified() => return end_unused(client, shared).await,
        }
        drop(idle);
        while whole(&request).is_none() {
            if !matches!(client.read_buf(&mut request).await, Ok(1..)) {
                return;
            }
        }
        hear(shared).await;
        let cut = (shared.plan)(&String::from_utf8_lossy(&request));
        if let Cut::Answer(status, member) = cut {
            if client.write_all(answered(&request, status, member).as_bytes()).await.is_err() {
                return;
            }
            continue;
        }
        if matches!(cut, Cut::During | Cut::After | Cut::InAnswer) {
            shared.after.fetch_add(1, Ordering::SeqCst);
            return cut_off(client, server, &request, cut).await;
        }
        if server.write_all(&request).await.is_err()
            || !answer(&mut client, &mut server, shared).await
        {
            // The upstream went, or the client.
            return;
        }
    }
}

/// The answer to a request in place of the upstream's.
fn answered(request: &[u8], status: &str, member: &str) -> String {
    let request = String::from_utf8_lossy(request);
    let digits = request.split_once("\"id\":").map_or("0", |(_, rest)| rest);
    let id = digits.split(|digit: char| !digit.is_ascii_digit()).next().unwrap_or("0");
    let message = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},{member}}}");
    let body = if member.is_empty() { "" } else { &message };
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// Waits for as long as the wire is silent.
async fn hear(shared: &Shared) {
    let mut mode = shared.mode.subscribe();
    if *mode.borrow_and_update() == Mode::Silent {
        // What was silent once stays so: only new connections are well again.
        std::future::pending::<()>().await;
    }
}

async fn cut_off(mut client: TcpStream, mut server: TcpStream, request: &[u8], cut: Cut) {
    let part = if cut == Cut::During { &request[..request.len() - 7] } else { request };
    if server.write_all(part).await.is_err() || cut != Cut::InAnswer {
        return;
    }
    let mut answer = Vec::new();
    if matches!(server.read_buf(&mut answer).await, Ok(1..)) {
        let few = answer.len().min(20);
        // It is cut either way.
        let _written = client.write_all(&answer[..few]).await.is_ok();
    }
}

/// Passes one answer on; whether the connection can be used again.
async fn answer(client: &mut TcpStream, server: &mut TcpStream, shared: &Shared) -> bool {
    let mut seen = Vec::new();
    let mut unheard = [0; 1];
    loop {
        let from = seen.len();
        tokio::select! {
            read = server.read_buf(&mut seen) => if !matches!(read, Ok(1..)) { return false },
            // A client that has an open request says nothing: it has gone.
            _gone = client.read(&mut unheard) => return false,
        }
        hear(shared).await;
        if client.write_all(&seen[from..]).await.is_err() {
            return false;
        }
        if whole(&seen).is_some() {
            return true;
        }
    }
}

/// The length of a whole HTTP/1.1 message, once it is there.
fn whole(message: &[u8]) -> Option<usize> {
    let head = message.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&message[..head]).to_ascii_lowercase();
    if text.contains("\r\ntransfer-encoding: chunked") {
        return message.ends_with(b"0\r\n\r\n").then_some(message.len());
    }
    let length = text.split_once("\r\ncontent-length: ").map_or(0, |(_, rest)| {
        rest.split_once('\r').and_then(|(digits, _)| digits.parse().ok()).unwrap_or(0)
    });
    (message.len() >= head + length).then_some(head + length)
}

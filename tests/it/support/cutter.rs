//! A wire that breaks: passes bytes on between clients and the server, and cuts event streams of
//! calls where the test wants it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinSet,
};

/// A proxy on loopback that lives as long as this.
pub struct Cutter {
    port: u16,
    left: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Cutter {
    /// Stands before the server, and cuts the first `times` event streams after their first event
    /// id, together with the request that they answer.
    pub async fn before(base: &str, times: usize) -> Self {
        let target = base.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let left = Arc::new(AtomicUsize::new(times));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, target, Arc::clone(&left)));
        Self { port, left, _tasks: tasks }
    }

    /// The MCP endpoint through the proxy.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.port)
    }

    /// How many cuts are still to come.
    pub fn left(&self) -> usize {
        self.left.load(Ordering::SeqCst)
    }
}

async fn accept(listener: TcpListener, target: String, left: Arc<AtomicUsize>) {
    let mut pipes = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let Ok(server) = TcpStream::connect(&target).await else { continue };
        let left = Arc::clone(&left);
        pipes.spawn(async move {
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::select! {
                () = up(from_client, to_server) => {}
                () = down(from_server, to_client, &left) => {}
            }
        });
    }
}

async fn up(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    // Either side may go at any time.
    let _ended = tokio::io::copy(&mut from, &mut to).await.is_ok();
}

async fn down(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, left: &AtomicUsize) {
    let (mut seen, mut buffer) = (String::new(), vec![0; 16 << 10]);
    while let Ok(read) = from.read(&mut buffer).await
        && read > 0
        && to.write_all(&buffer[..read]).await.is_ok()
    {
        seen.push_str(&String::from_utf8_lossy(&buffer[..read]));
        // The stream of a call: the general stream names its events `0-`.
        let of_call = seen.contains("text/event-stream")
            && seen.contains("\nid: ")
            && !seen.contains("\nid: 0-");
        let cut = |left: usize| left.checked_sub(1);
        if of_call && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, cut).is_ok() {
            return;
        }
        if !seen.contains("text/event-stream") || seen.len() > 1 << 20 {
            seen.clear();
        }
    }
}

//! A socket that waits for its client to read, but not for ever: otherwise a client that never
//! reads would keep its socket, and all that waits for it, as long as it likes.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// A socket whose writes fail once the client has read nothing for too long.
pub(crate) struct Patient<S> {
    socket: S,
    longest: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
    seen: Arc<Seen>,
}

/// What was seen on a socket, for whoever asks at its end.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    heard_last: AtomicBool,
    gave_up: AtomicBool,
}

/// The error of a write that waited too long.
#[derive(Debug, thiserror::Error)]
#[error("the client does not read")]
struct TooSlow;

/// Whether an error says that the client did not read.
pub(super) fn is_too_slow(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<TooSlow>())
}

impl Seen {
    /// Whether the client said something that was not answered.
    pub(crate) fn heard_last(&self) -> bool {
        self.heard_last.load(Ordering::Relaxed)
    }

    /// Whether the client was given up because it did not read.
    pub(crate) fn gave_up(&self) -> bool {
        self.gave_up.load(Ordering::Relaxed)
    }
}

impl<S> Patient<S> {
    /// Waits at most `longest` at a time.
    pub(crate) fn new(socket: S, longest: Duration) -> Self {
        Self { socket, longest, waiting: None, seen: Arc::default() }
    }

    /// What is seen here.
    pub(crate) fn seen(&self) -> Arc<Seen> {
        Arc::clone(&self.seen)
    }

    /// Looks at what became of a write: moved on, or still waiting, and how long.
    fn judge<T>(
        &mut self,
        task: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waiting = None;
            self.seen.heard_last.store(false, Ordering::Relaxed);
            return written;
        }
        let longest = self.longest;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(longest)));
        if waiting.as_mut().poll(task).is_pending() {
            return Poll::Pending;
        }
        self.seen.gave_up.store(true, Ordering::Relaxed);
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, TooSlow)))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.socket).poll_read(task, buffer);
        if buffer.filled().len() > before {
            self.seen.heard_last.store(true, Ordering::Relaxed);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(task, bytes);
        self.judge(task, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(task, bytes);
        self.judge(task, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Nothing moves by a flush that a write did not move: it alone ends no waiting.
        match Pin::new(&mut self.socket).poll_flush(task) {
            Poll::Pending => self.judge(task, Poll::Pending),
            flushed @ Poll::Ready(_) => flushed,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.socket).poll_shutdown(task);
        self.judge(task, shut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    const LONGEST: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_nothing_is_given_up_and_one_that_reads_slowly_is_not() {
        let (mut client, socket) = duplex(64);
        let mut patient = Patient::new(socket, LONGEST);
        let seen = patient.seen();
        let reads = async {
            for _ in 0..10 {
                tokio::time::sleep(LONGEST - Duration::from_secs(1)).await;
                client.read_exact(&mut [0; 64]).await.expect("bytes");
            }
            client
        };
        let (written, _client) = tokio::join!(patient.write_all(&[0; 640]), reads);
        assert!(written.is_ok() && !seen.gave_up());
        patient.write_all(&[0; 64]).await.expect("room");
        let error = patient.write_all(&[0]).await.expect_err("nobody reads");
        assert!(is_too_slow(&error) && seen.gave_up());
    }

    #[tokio::test]
    async fn it_knows_who_spoke_last() {
        let (mut client, socket) = duplex(64);
        let mut patient = Patient::new(socket, LONGEST);
        let seen = patient.seen();
        assert!(!seen.heard_last());
        client.write_all(b"GET").await.expect("room");
        patient.read_exact(&mut [0; 3]).await.expect("bytes");
        assert!(seen.heard_last());
        patient.write_all(b"200").await.expect("room");
        assert!(!seen.heard_last());
    }
}

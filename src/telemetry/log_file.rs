//! Log lines in a file. They wait in a buffer of bounded size, and a thread of its own writes them:
//! a disk that is slow or full costs lost lines, which are counted, and nothing else.

use crate::{TelemetryError, log::Log, rotating::Rotating};
use std::{
    io::{self, Write},
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};
use tracing_subscriber::fmt::MakeWriter;

/// Most bytes of lines that wait.
const ROOM: usize = 4 << 20;

/// Of the process, as the file is: each instance's `/metrics` tells it.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// A file of log lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFileConfig {
    /// Where it is. It is made, for its owner alone, if it is not there.
    pub path: PathBuf,
    /// It is put aside before it grows beyond so many bytes; 0 is never.
    pub max_size: u64,
    /// How many of those that were put aside are kept: `PATH.1` is the newest.
    pub keep: usize,
}

/// Lines that were to be in the file and are not.
pub(crate) fn dropped_lines() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// Takes lines for the file.
#[derive(Clone)]
pub(crate) struct LogFile(Arc<Queue>);

/// Lines on their way.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

/// What is not written yet.
#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    is_closed: bool,
    is_done: bool,
}

impl LogFile {
    /// Opens the file, and starts the thread that writes to it.
    pub(crate) fn open(config: &LogFileConfig) -> Result<Self, TelemetryError> {
        let failed = |error| TelemetryError::LogFile { path: config.path.clone(), error };
        let file = Rotating::open(config.clone()).map_err(failed)?;
        let queue = Arc::new(Queue::default());
        let theirs = Arc::clone(&queue);
        let thread = thread::Builder::new().name("log-file".into());
        // It ends when the queue is closed.
        drop(thread.spawn(move || write_all(&theirs, file)).map_err(failed)?);
        Ok(Self(queue))
    }

    /// Waits until all is written, but no longer than that. Lines that come later are lost.
    pub(crate) fn close(&self, wait: Duration) {
        let mut waiting = self.0.lock();
        waiting.is_closed = true;
        self.0.changed.notify_all();
        // One that takes longer is left to itself: the process ends.
        drop(self.0.changed.wait_timeout_while(waiting, wait, |waiting| !waiting.is_done));
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for lines and takes them all; `None` at the end.
    fn next(&self, mut written: Vec<u8>) -> Option<Vec<u8>> {
        written.clear();
        let is_idle = |waiting: &mut Waiting| waiting.lines.is_empty() && !waiting.is_closed;
        let waiting = self.changed.wait_while(self.lock(), is_idle);
        let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        if waiting.lines.is_empty() {
            waiting.is_done = true;
            self.changed.notify_all();
            return None;
        }
        Some(std::mem::replace(&mut waiting.lines, written))
    }
}

fn write_all(queue: &Queue, mut file: Rotating) {
    let (log, mut lines, mut lost) = (Log::default(), Vec::new(), 0);
    while let Some(next) = queue.next(std::mem::take(&mut lines)) {
        lines = next;
        match file.append(&lines) {
            Ok(()) if lost > 0 => log.file_works(std::mem::take(&mut lost)),
            Ok(()) => {}
            Err(failed) => {
                DROPPED.fetch_add(failed.lines, Ordering::Relaxed);
                lost += failed.lines;
                log.file_failed(&failed.error);
            }
        }
        if let Some(error) = file.not_put_aside() {
            log.file_grows(&error);
        }
    }
}

impl<'a> MakeWriter<'a> for LogFile {
    type Writer = &'a Queue;

    fn make_writer(&'a self) -> Self::Writer {
        &self.0
    }
}

/// Each write is one line.
impl Write for &Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut waiting = self.lock();
        if waiting.is_closed || waiting.lines.len() + line.len() > ROOM {
            DROPPED.fetch_add(1, Ordering::Relaxed);
        } else {
            if waiting.lines.is_empty() {
                self.changed.notify_all();
            }
            waiting.lines.extend_from_slice(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_takes_nothing_costs_lines_and_no_time() {
        // No thread takes anything, as on a disk that hangs.
        let file = LogFile(Arc::new(Queue::default()));
        let line = [&[b'x'; 1_023][..], b"\n"].concat();
        let before = dropped_lines();
        for _ in 0..ROOM / line.len() + 10 {
            assert_eq!(file.make_writer().write(&line).expect("never"), line.len());
        }
        assert_eq!(dropped_lines() - before, 10);
        assert_eq!(file.0.lock().lines.len(), ROOM);
        file.close(Duration::from_millis(1));
    }

    #[test]
    fn what_waits_is_written_when_it_is_closed() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("log");
        let config = LogFileConfig { path: path.clone(), max_size: 0, keep: 0 };
        let file = LogFile::open(&config).expect("it can be made");
        for _ in 0..1_000 {
            file.make_writer().write_all(b"line\n").expect("never");
        }
        file.close(Duration::from_secs(10));
        assert_eq!(std::fs::read_to_string(path).expect("text"), "line\n".repeat(1_000));
    }
}

//! Writes raw events while the run goes on. A thread of its own does it, so a slow disk delays no
//! call: what does not fit into its queue is counted and left out.

use super::{Line, Written};
use std::{
    io::{self, BufWriter, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, SyncSender},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// Events that may wait to be written.
const QUEUE: usize = 65_536;
/// What a run may write, in bytes.
const MOST_BYTES: u64 = 1 << 30;
/// How long an event may wait in memory.
const FLUSH: Duration = Duration::from_secs(1);

/// Takes events and writes them. Clones write to the same place.
#[derive(Clone)]
pub struct EventLog {
    queue: SyncSender<Line>,
    dropped: Arc<AtomicU64>,
    also: Option<Listener>,
}

/// Somebody who hears of each event before it is written.
type Listener = Arc<dyn Fn(&Line) + Send + Sync>;

/// The thread that writes.
#[derive(Debug)]
pub struct EventWriter {
    thread: JoinHandle<io::Result<u64>>,
    dropped: Arc<AtomicU64>,
}

impl EventLog {
    /// Writes events to `to`, until every clone of the log is dropped.
    ///
    /// # Errors
    ///
    /// When no thread can be started.
    pub fn start(to: impl Write + Send + 'static) -> io::Result<(Self, EventWriter)> {
        let (queue, events) = mpsc::sync_channel(QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let mut lines =
            Lines { to: BufWriter::new(to), bytes: 0, written: 0, dropped: dropped.clone() };
        let thread = thread::Builder::new()
            .name("lab-events".to_owned())
            .spawn(move || lines.write_all_of(&events))?;
        Ok((Self { queue, dropped: dropped.clone(), also: None }, EventWriter { thread, dropped }))
    }

    /// The same log, whose events somebody else hears of too, also those that are not written.
    #[must_use]
    pub fn heard_by(self, listener: impl Fn(&Line) + Send + Sync + 'static) -> Self {
        Self { also: Some(Arc::new(listener)), ..self }
    }

    /// Notes an event. Never waits: what does not fit is counted as dropped.
    pub fn note(&self, line: Line) {
        if let Some(also) = &self.also {
            also(&line);
        }
        if self.queue.try_send(line).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl EventWriter {
    /// Waits until all is written. Every clone of the log must be dropped before: it waits for that.
    ///
    /// # Errors
    ///
    /// When something could not be written; what came later was counted as dropped.
    pub fn finish(self) -> io::Result<Written> {
        let lines =
            self.thread.join().map_err(|_| io::Error::other("the writer ended early"))??;
        Ok(Written { lines, dropped: self.dropped.load(Ordering::Relaxed) })
    }
}

struct Lines<W: Write> {
    to: BufWriter<W>,
    bytes: u64,
    written: u64,
    dropped: Arc<AtomicU64>,
}

impl<W: Write> Lines<W> {
    fn write_all_of(&mut self, events: &Receiver<Line>) -> io::Result<u64> {
        loop {
            match events.recv_timeout(FLUSH) {
                Ok(line) => self.write(&line)?,
                Err(RecvTimeoutError::Timeout) => self.to.flush()?,
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.to.flush()?;
        Ok(self.written)
    }

    fn write(&mut self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        let bytes = self.bytes + text.len() as u64;
        if bytes > MOST_BYTES {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        self.to.write_all(&text)?;
        self.bytes = bytes;
        self.written += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::{Outcome, What};
    use std::sync::Mutex;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn line(what: What) -> Line {
        Line { at_s: 1.5, scenario: "s".to_owned(), client: Some("c".to_owned()), what }
    }

    #[test]
    fn an_event_is_one_line_of_json() {
        let text = Shared::default();
        let (log, writer) = EventLog::start(text.clone()).unwrap();
        log.note(line(What::CallEnded {
            call: 3,
            outcome: Outcome::OutcomeUnknown,
            duration_ms: 2.25,
            error: Some("line\nbreak".to_owned()),
        }));
        drop(log);
        assert_eq!(writer.finish().unwrap(), Written { lines: 1, dropped: 0 });
        assert_eq!(
            String::from_utf8(text.0.lock().unwrap().clone()).unwrap(),
            "{\"at_s\":1.5,\"scenario\":\"s\",\"client\":\"c\",\"event\":\"call_ended\",\"call\":3,\
             \"outcome\":\"outcome_unknown\",\"duration_ms\":2.25,\"error\":\"line\\nbreak\"}\n"
        );
    }

    /// A disk that takes nothing until it is let go.
    struct Stuck(Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.recv().ok();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stuck_disk_delays_nobody_and_what_is_left_out_is_counted() {
        let (let_go, stuck) = mpsc::channel();
        let (log, writer) = EventLog::start(Stuck(stuck)).unwrap();
        let sent = 3 * QUEUE as u64;
        for _ in 0..sent {
            log.note(line(What::ScenarioBegan));
        }
        drop((log, let_go));
        let written = writer.finish().unwrap();
        assert!(written.dropped > 0, "{written:?}");
        assert_eq!(written.lines + written.dropped, sent);
    }

    #[test]
    fn what_comes_after_a_broken_disk_is_dropped_and_the_end_tells() {
        struct Broken;
        impl Write for Broken {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::Error::other("full"))
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (log, writer) = EventLog::start(Broken).unwrap();
        log.note(line(What::ScenarioBegan));
        drop(log);
        assert_eq!(writer.finish().unwrap_err().to_string(), "full");
    }
}

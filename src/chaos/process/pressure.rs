//! Pressure on the machine: processors that are busy, memory that is taken. It ends when this is
//! dropped.

use crate::{
    Kind,
    kind::{Act, Site},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::time::Instant;

/// How long a thread is busy and idle together.
const PERIOD: Duration = Duration::from_millis(20);

/// Memory is taken in pieces of so many bytes.
const PIECE: usize = 16 << 20;

/// Smallest page of memory there is.
const PAGE: usize = 4 << 10;

/// Pressure that lasts as long as this is kept.
#[derive(Debug)]
pub struct Pressure {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Pressure {
    /// The pressure that a fault of this kind is; `None` if it is something else.
    #[must_use]
    pub fn of(kind: &Kind) -> Option<Self> {
        let Site::Process(act) = kind.effect().site() else { return None };
        Self::by(act)
    }

    pub(crate) fn by(act: Act) -> Option<Self> {
        match act {
            Act::Cpu(threads, load) => Some(Self::busy(threads, load)),
            Act::Memory(bytes) => Some(Self::memory(bytes)),
            Act::Kill | Act::Terminate | Act::Stop | Act::Restart => None,
        }
    }

    /// So many threads are busy for this share of their time.
    fn busy(threads: usize, load: f64) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let spin = |over: Arc<AtomicBool>| move || spin(&over, load);
        let threads = (0..threads).map(|_| thread::spawn(spin(Arc::clone(&over)))).collect();
        Self { over, threads }
    }

    /// So many bytes are taken, as far as there are so many.
    fn memory(bytes: u64) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        let thread = thread::spawn(move || {
            let taken = take(usize::try_from(bytes).unwrap_or(usize::MAX), &ended);
            while !ended.load(Ordering::Relaxed) {
                thread::park();
            }
            drop(taken);
        });
        Self { over, threads: vec![thread] }
    }
}

impl Drop for Pressure {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.threads.iter().for_each(|thread| thread.thread().unpark());
    }
}

fn spin(over: &AtomicBool, load: f64) {
    while !over.load(Ordering::Relaxed) {
        let from = Instant::now();
        while from.elapsed() < PERIOD.mul_f64(load) {
            std::hint::spin_loop();
        }
        thread::sleep(PERIOD.mul_f64(1.0 - load));
    }
}

/// Takes memory and writes to each page of it: what is never written to is not there.
fn take(bytes: usize, over: &AtomicBool) -> Vec<Vec<u8>> {
    let (mut taken, mut left) = (Vec::new(), bytes);
    while left > 0 && !over.load(Ordering::Relaxed) {
        let mut piece = Vec::new();
        if piece.try_reserve_exact(PIECE.min(left)).is_err() {
            break;
        }
        piece.resize(PIECE.min(left), 0);
        piece.iter_mut().step_by(PAGE).for_each(|byte| *byte = 1);
        left -= piece.len();
        taken.push(piece);
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_much_memory_is_taken_as_was_asked_for() {
        let taken = take(40 << 20, &AtomicBool::new(false));
        assert_eq!(taken.iter().map(Vec::len).sum::<usize>(), 40 << 20);
        assert!(take(1, &AtomicBool::new(true)).is_empty(), "it was over before");
    }

    #[test]
    fn pressure_ends_with_its_owner() {
        for pressure in [Pressure::busy(2, 0.5), Pressure::memory(1 << 20)] {
            let over = Arc::clone(&pressure.over);
            drop(pressure);
            // Each thread has one, and lets go of it when it ends.
            while Arc::strong_count(&over) > 1 {
                thread::yield_now();
            }
        }
    }
}

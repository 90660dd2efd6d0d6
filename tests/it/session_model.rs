//! Any sequence of handshakes, uses, expiries, ends, restarts and crashes: what is opened is
//! active or has ended, an end is for good, and every session is found by its own principal alone.

mod world;

use mcp_store::{Happening, SqliteReader};
use mcp_telemetry::Reason;
use proptest::{
    prelude::*,
    test_runner::{Config as Cases, TestRunner},
};
use std::{collections::BTreeSet, path::Path, time::Duration};
use world::{Known, World};

const PRINCIPALS: [&str; 3] = ["alice", "bob", "carol"];
/// Cases, shared by threads: most of their time is waiting.
const THREADS: u32 = 8;
const EACH: u32 = 8;
const IDLE: Duration = Duration::from_millis(80);
const SWEEP: Duration = Duration::from_millis(20);
const HANDSHAKE: Duration = Duration::from_millis(300);
/// How often the server looks at handshakes, and a little.
const LOOKED_AT: Duration = Duration::from_millis(350);

#[derive(Debug, Clone)]
enum Step {
    /// `initialize`, by that principal.
    Connect(usize),
    /// `notifications/initialized` in that session.
    Complete(usize),
    /// A ping in that session, by its principal or by one so many places after it.
    Use(usize, usize),
    /// A GET stream of that session, opened and dropped.
    Stream(usize),
    Delete(usize, usize),
    /// Nothing happens until idle sessions are put away.
    Wait,
    /// Nothing happens until handshakes are given up.
    WaitLong,
    Restart,
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let which = || 0..12_usize;
    // Mostly its own principal.
    let by = || prop_oneof![4 => Just(0_usize), 1 => 1..PRINCIPALS.len()];
    let step = prop_oneof![
        6 => (0..PRINCIPALS.len()).prop_map(Step::Connect),
        6 => which().prop_map(Step::Complete),
        8 => (which(), by()).prop_map(|(which, by)| Step::Use(which, by)),
        3 => which().prop_map(Step::Stream),
        3 => (which(), by()).prop_map(|(which, by)| Step::Delete(which, by)),
        2 => Just(Step::Wait),
        1 => Just(Step::WaitLong),
        1 => Just(Step::Restart),
        1 => Just(Step::Crash),
    ];
    prop::collection::vec(step, 1..30)
}

/// The history tells of each session in order, and nothing after an end for good.
fn history_holds(dir: &Path, known: &[Known]) {
    let reader = SqliteReader::open(dir).expect("a store");
    let counts = reader.status_counts().expect("it reads");
    let active = known.iter().filter(|known| {
        let history = reader.session(&known.id).expect("it reads").expect("it is there").history;
        assert!(history.is_sorted_by_key(|row| row.at), "{history:?}");
        assert_eq!(history[0].what, Happening::Opened, "{history:?}");
        for pair in history.windows(2) {
            // One that was put away may be deleted where it is.
            let is_deleted = pair[1].reason == Some(Reason::ClientDeleted);
            let follows = pair[1].what.from() == Some(pair[0].what.to());
            assert!(follows || is_deleted, "{history:?}");
        }
        let last = &history[history.len() - 1];
        let was_deleted = last.reason == Some(Reason::ClientDeleted);
        assert_eq!(was_deleted, known.deleted, "{known:?} {history:?}");
        last.what != Happening::Disconnected
    });
    assert_eq!(counts.active, active.count() as u64);
    assert_eq!(counts.active + counts.disconnected, known.len() as u64);
}

async fn holds(steps: Vec<Step>, is_window_short: bool) {
    let dir = tempfile::tempdir().expect("a folder");
    let mut world = World::new(dir.path(), is_window_short).await;
    for step in &steps {
        world.take(step).await;
        world.adds_up().await;
    }
    world.stop().await;
    let ids: BTreeSet<&String> = world.known.iter().map(|known| &known.id).collect();
    assert_eq!(ids.len(), world.known.len());
    history_holds(dir.path(), &world.known);
}

#[test]
fn any_sequence_adds_up_ends_for_good_and_stays_with_its_principal() {
    let cases = || {
        let config = Cases {
            cases: EACH,
            failure_persistence: None,
            max_shrink_iters: 60,
            ..Cases::default()
        };
        let runtime = tokio::runtime::Runtime::new().expect("threads");
        TestRunner::new(config).run(&(steps(), any::<bool>()), |(steps, is_window_short)| {
            runtime.block_on(holds(steps, is_window_short));
            Ok(())
        })
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..THREADS).map(|_| scope.spawn(cases)).collect();
        for ended in running {
            ended.join().expect("a runner returns").unwrap_or_else(|error| panic!("{error}"));
        }
    });
}

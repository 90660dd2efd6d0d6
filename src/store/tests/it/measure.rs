//! How fast it is. Run by hand, in release: `cargo test --release -p mcp-store -- --ignored measure --nocapture`.

use crate::support::{LONG, at, close, event, note, open, open_at, session};
use mcp_store::{Change, Store};
use mcp_telemetry::Reason;
use std::{sync::Arc, time::Duration};
use tokio::{task::JoinSet, time::Instant};

/// Opens sessions, each safe before the next, and closes them; how many a second, and the waits.
async fn open_and_close(creators: usize, each: usize) -> (f64, Vec<Duration>) {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Arc::new(open(dir.path()));
    let (begun, mut tasks) = (Instant::now(), JoinSet::new());
    for creator in 0..creators {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let mut waits = Vec::with_capacity(each);
            for number in 0..each {
                let id = format!("{creator:04}-{number:06}-0000-0000-000000000000");
                let asked = Instant::now();
                store.insert_session(session(&id)).await.expect("written");
                waits.push(asked.elapsed());
                note(&*store, &id, at(1), Change::Initialized);
                note(&*store, &id, at(2), Change::Disconnected(Reason::ClientClosed, None));
            }
            waits
        });
    }
    let mut waits = tasks.join_all().await.concat();
    store.flush(LONG).await.expect("written");
    let rate = (creators * each) as f64 / begun.elapsed().as_secs_f64();
    close(&*store, at(3)).await;
    waits.sort();
    (rate, waits)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn measure_sessions_per_second() {
    for creators in [1, 10, 50, 200] {
        let (rate, waits) = open_and_close(creators, 20_000 / creators).await;
        let at = |part: f64| waits[((waits.len() - 1) as f64 * part) as usize];
        println!(
            "{creators:4} creators: {rate:8.0} sessions/s opened and closed; wait p50 {:?} p99 {:?} max {:?}",
            at(0.5),
            at(0.99),
            at(1.0)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn measure_open_and_load() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Arc::new(open(dir.path()));
    let mut tasks = JoinSet::new();
    for task in 0..16 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            for number in 0..1_000 {
                let id = format!("{task:04}-{number:06}-0000-0000-000000000000");
                store.insert_session(session(&id)).await.expect("written");
                note(&*store, &id, at(1), Change::Initialized);
                note(&*store, &id, at(1), event(0, 1, &"x".repeat(400)));
            }
        });
    }
    tasks.join_all().await;
    close(&*store, at(3)).await;
    let size = std::fs::metadata(crate::support::file(dir.path())).expect("a file").len();
    let begun = Instant::now();
    let store = open_at(dir.path(), at(4));
    let opened = begun.elapsed();
    let loaded = store.load_sessions(at(4)).await.expect("read").len();
    println!(
        "{loaded} sessions, {size} bytes: open {opened:?}, open and load {:?}",
        begun.elapsed()
    );
    close(&store, at(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn measure_a_note() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    let ids: Vec<Arc<str>> = (0..1_000).map(|id| Arc::from(format!("session-{id}"))).collect();
    for id in &ids {
        store.insert_session(session(id)).await.expect("written");
    }
    let request: Arc<str> = "1".into();
    let (begun, rounds) = (Instant::now(), 300_000);
    for round in 0..rounds {
        let id = &ids[round % ids.len()];
        for change in [
            Change::CallStarted {
                request: request.clone(),
                method: mcp_protocol::Method::ToolsCall,
                stream: Some(1),
            },
            Change::Active(mcp_store::Counts::default()),
            Change::CallEnded { request: request.clone() },
        ] {
            assert_eq!(store.note(id, at(1), change), mcp_store::Noted::Queued);
        }
    }
    println!(
        "{:?} for the three notes of a call",
        begun.elapsed() / u32::try_from(rounds).expect("few")
    );
    let events = 20_000u64;
    let begun = Instant::now();
    for number in 0..events {
        let id = &ids[usize::try_from(number).expect("few") % ids.len()];
        note(&store, id, at(1), event(1, number, &"x".repeat(400)));
    }
    println!("{:?} for noting an event", begun.elapsed() / u32::try_from(events).expect("few"));
    store.flush(LONG).await.expect("written");
    println!(
        "{:?} for an event until it is written",
        begun.elapsed() / u32::try_from(events).expect("few")
    );
    close(&store, at(3)).await;
}

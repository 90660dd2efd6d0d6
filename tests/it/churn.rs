//! Sessions opened and dropped by the thousand: of each its history stays, and nothing else.

use crate::support::{Raw, Server, Setup, assert_sums, until};
use futures_util::future::join_all;
use mcp_store::{Happening, SqliteReader};
use tokio::time::Instant;

/// Clients that open sessions at the same time.
const AT_A_TIME: usize = 10;

/// The ids of sessions that were opened in one round, by how they ended.
struct Round {
    deleted: Vec<String>,
    left: Vec<String>,
}

impl Round {
    /// Opens so many sessions; every second one is ended by its client, the others are left alone.
    async fn of(clients: &mut [Raw], count: usize) -> Self {
        let each = count / clients.len();
        let opened = join_all(clients.iter_mut().map(async |client| {
            let mut round = Self { deleted: Vec::new(), left: Vec::new() };
            for number in 0..each {
                let session = client.handshake().await;
                if number % 2 == 0 {
                    client.delete(&session).await;
                    round.deleted.push(session);
                } else {
                    round.left.push(session);
                }
            }
            round
        }));
        let opened = opened.await;
        let all = |which: fn(&Self) -> &Vec<String>| opened.iter().flat_map(which).cloned();
        Self {
            deleted: all(|round| &round.deleted).collect(),
            left: all(|round| &round.left).collect(),
        }
    }
}

/// Memory in use when nothing is open any more, in bytes.
async fn settled(server: &Server) -> f64 {
    until("every session has ended", || async {
        let scrape = server.scrape().await;
        let open = ["mcp_active_sessions", "mcp_active_connections", "mcp_streams_active"];
        open.iter().all(|gauge| scrape.sum(gauge, &[]) == 0.0)
    })
    .await;
    server.scrape().await.sum("process_resident_memory_bytes", &[])
}

/// Fails unless the store tells of each session that it was opened, and ended once, for that reason.
fn all_told(reader: &SqliteReader, sessions: &[String], reason: &str) {
    for id in sessions {
        let detail = reader.session(id).expect("it reads").unwrap_or_else(|| panic!("no {id}"));
        let ends: Vec<_> =
            detail.history.iter().filter(|row| row.what == Happening::Disconnected).collect();
        let [end] = ends[..] else { panic!("{detail:?}") };
        assert_eq!(end.reason.map(mcp_telemetry::Reason::as_str), Some(reason), "{detail:?}");
        assert_eq!(detail.history.first().map(|row| row.what), Some(Happening::Opened));
        assert!(detail.history.is_sorted_by_key(|row| row.at), "{detail:?}");
    }
}

/// Opens and drops so many sessions, in rounds; the first round makes the memory warm. How long it
/// took, and the memory after each round.
pub async fn opened_and_dropped(count: usize, a_round: usize) -> String {
    let server = Setup::new().set("limits.session_idle", 1.0).set("limits.session_sweep", 0.2);
    let server = server.start().await;
    let mut clients = join_all((0..AT_A_TIME).map(|_| Raw::connect(&server))).await;
    let (begun, mut rounds, mut memory) = (Instant::now(), Vec::new(), Vec::new());
    for _ in 0..count / a_round {
        rounds.push(Round::of(&mut clients, a_round).await);
        memory.push(settled(&server).await);
    }
    server.sent_times("initialize", count as u64);
    let mib: Vec<String> = memory.iter().map(|bytes| format!("{:.1}", bytes / 1048576.0)).collect();
    let told = format!("{count} in {:?}; MiB: {}", begun.elapsed(), mib.join(" "));
    let (warm, last) = (memory[0], memory[memory.len() - 1]);
    assert!(last <= warm * 1.1, "grown from {warm} to {last}: {told}");
    let scrape = server.scrape().await;
    let ended = |reason| scrape.sum("mcp_disconnections_total", &[("reason", reason)]);
    let half = (count / 2) as f64;
    assert_eq!((ended("client_deleted"), ended("timeout_no_activity")), (half, half));
    assert_eq!(scrape.sum("mcp_store_errors_total", &[]), 0.0, "{}", server.log());
    assert_sums(&scrape);
    let health = server.json("/api/mcp/sessions/health").await;
    assert_eq!(health["status_breakdown"]["disconnected"], count, "{health}\n{}", server.log());
    let reader = SqliteReader::open(&server.dir().join("data")).expect("a store");
    for round in &rounds {
        all_told(&reader, &round.deleted, "client_deleted");
        all_told(&reader, &round.left, "timeout_no_activity");
    }
    drop(clients);
    server.finish().await;
    told
}

#[tokio::test]
async fn five_thousand_sessions_opened_and_dropped_leave_nothing_but_their_history() {
    println!("{}", opened_and_dropped(5_000, 1_000).await);
}

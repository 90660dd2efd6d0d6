//! `kill -9` again and again under load. Some clients call, some leave their calls and fetch the
//! results with `Last-Event-ID`, some come back over WebSocket: no session is lost, no result comes
//! twice, and none is missing without a word.

mod callers;
mod leavers;
mod sockets;

use crate::support::{Legacy, Server, Setup, assert_sums};
use serde_json::{Value, json};
use std::{
    ops::AddAssign,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::sleep;

/// How many clients of each kind there are.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// They call and wait.
    pub callers: usize,
    /// They leave their calls and come back for the results.
    pub leavers: usize,
    /// They are on a WebSocket and come back to their session.
    pub sockets: usize,
}

/// What clients got for their calls.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    /// True results.
    results: usize,
    /// Answers that say that nobody knows.
    unknown: usize,
    /// Other errors, as of an upstream that is still starting.
    errors: usize,
    /// Calls that the client itself must take for unknown, since it has no word of the server.
    unheard: usize,
}

impl Tally {
    /// Counts an answer; fails if it is a result and not the one that was asked for.
    fn count(&mut self, answer: &Value, wanted: &str) {
        let result = &answer["result"];
        if result["_meta"]["mcp-orchestrator/code"] == "outcome_unknown" {
            self.unknown += 1;
        } else if answer.get("error").is_some() || result["isError"] == true {
            self.errors += 1;
        } else {
            assert_eq!(crate::support::text(result), wanted);
            self.results += 1;
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.results += other.results;
        self.unknown += other.unknown;
        self.errors += other.errors;
        self.unheard += other.unheard;
    }
}

/// A client that goes on while the server comes and goes.
#[derive(Clone)]
struct Client {
    base: String,
    token: String,
    session: String,
    stop: Arc<AtomicBool>,
}

impl Client {
    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn headers(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        let request = request.bearer_auth(&self.token).header("mcp-session-id", &self.session);
        request.header("mcp-protocol-version", "2025-11-25")
    }

    /// Sends a call; `None` when the server is away.
    async fn call(
        &self,
        http: &reqwest::Client,
        id: u64,
        params: Value,
    ) -> Option<reqwest::Response> {
        let body = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params});
        let request = self.headers(http.post(format!("{}/mcp", self.base)));
        let request = request.header("accept", "application/json, text/event-stream");
        let Ok(response) = request.json(&body).send().await else {
            sleep(Duration::from_millis(20)).await;
            return None;
        };
        assert_eq!(response.status(), 200, "a live session is never unknown");
        Some(response)
    }
}

/// Kills the server so many times under that load, while it starts again each time; what the
/// clients got.
pub async fn kill_in_a_loop(kills: usize, load: Load) -> String {
    let server = Setup::new().fixture("fix", json!({})).set("drain", 0.5);
    let mut server = server.start().await;
    server.upstreams(&["fix"], "connected").await;
    let stop = Arc::new(AtomicBool::new(false));
    let client = Client {
        base: server.base().to_owned(),
        token: server.token().to_owned(),
        session: String::new(),
        stop: Arc::clone(&stop),
    };
    let mut running = tokio::task::JoinSet::new();
    for number in 0..load.callers + load.leavers {
        let client = Client { session: Legacy::open(&server).await.session, ..client.clone() };
        if number < load.callers {
            running.spawn(callers::run(client));
        } else {
            running.spawn(leavers::run(client));
        }
    }
    let mut opened = Vec::new();
    for _ in 0..load.sockets {
        opened.push(sockets::Traveller::open(client.clone()).await);
    }
    for traveller in opened {
        running.spawn(traveller.run());
    }
    for _ in 0..kills {
        sleep(Duration::from_millis(700)).await;
        server.start_again("KILL").await;
    }
    sleep(Duration::from_millis(700)).await;
    stop.store(true, Ordering::Relaxed);
    let (mut called, mut left, mut travelled) =
        (Tally::default(), Tally::default(), Tally::default());
    while let Some(ended) = running.join_next().await {
        let (kind, tally) = ended.expect("a client does not panic");
        *match kind {
            Kind::Caller => &mut called,
            Kind::Leaver => &mut left,
            Kind::Socket => &mut travelled,
        } += tally;
    }
    assert!(called.results > load.callers * kills, "{called:?}");
    assert!(left.results > 0 && left.unknown > 0, "{left:?}");
    assert!(travelled.results > load.sockets * kills, "{travelled:?}");
    all_went_on(&server, load).await;
    format!("{kills} kills\ncallers: {called:?}\nleavers: {left:?}\nsockets: {travelled:?}")
}

/// Which kind of client a tally is of.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Caller,
    Leaver,
    Socket,
}

/// Fails unless the last process took over every session and opened none of its own.
async fn all_went_on(server: &Server, load: Load) {
    let scrape = server.scrape().await;
    let all = (load.callers + load.leavers + load.sockets) as f64;
    let restored = scrape.sum("mcp_sessions_restored_total", &[("outcome", "restored")]);
    assert_eq!(restored, all);
    assert_eq!(scrape.sum("mcp_connections_total", &[("status", "accepted")]), 0.0);
    assert_eq!(scrape.sum("mcp_store_errors_total", &[]), 0.0);
    assert_sums(&scrape);
}

#[tokio::test]
async fn killed_again_and_again_under_load_it_loses_no_session_and_answers_nothing_twice() {
    println!("{}", kill_in_a_loop(5, Load { callers: 20, leavers: 4, sockets: 4 }).await);
}

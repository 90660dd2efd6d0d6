//! Any sequence of handshakes, uses, expiries, ends, restarts and crashes: what is opened is
//! active or has ended, an end is for good, and every session is found by its own principal alone.

use crate::support::{Scrape, http, within};
use mcp_client::Secret;
use mcp_server::{
    Config, OrchestratorServer,
    config::{AuthConfig, Limits, NamedToken},
};
use mcp_store::{Happening, SqliteConfig, SqliteReader, SqliteStore, StoreError};
use mcp_telemetry::{Reason, Telemetry};
use proptest::{
    prelude::*,
    test_runner::{Config as Cases, TestRunner},
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration, time::SystemTime};
use tokio::time::{Instant, sleep};

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

/// A session as its client knows it.
#[derive(Debug)]
struct Known {
    id: String,
    owner: usize,
    opened: Instant,
    touched: Instant,
    is_initialized: bool,
    is_over: bool,
    deleted: bool,
}

impl Known {
    /// Whether it may have ended for good without its client's wish.
    fn may_be_over(&self, is_window_short: bool) -> bool {
        let half_open = !self.is_initialized && self.opened.elapsed() >= HANDSHAKE;
        half_open || (is_window_short && self.touched.elapsed() >= IDLE)
    }
}

struct World<'a> {
    dir: &'a Path,
    is_window_short: bool,
    server: OrchestratorServer,
    url: String,
    http: reqwest::Client,
    known: Vec<Known>,
    asked: u64,
}

fn config(is_window_short: bool) -> Config {
    let token = |name: &&str| NamedToken {
        name: (*name).to_owned(),
        token: Some(Secret::from(format!("token-of-{name}-0123456789abcdef"))),
        sha256: None,
    };
    let limits = Limits {
        session_idle: IDLE,
        session_sweep: SWEEP,
        handshake_timeout: HANDSHAKE,
        resume_window: Duration::from_millis(if is_window_short { 1 } else { 3_600_000 }),
        ..Limits::default()
    };
    let auth =
        AuthConfig { tokens: PRINCIPALS.iter().map(token).collect(), ..AuthConfig::default() };
    Config { listen: ([127, 0, 0, 1], 0).into(), auth, limits, ..Config::default() }
}

/// Starts a server on that data dir; one that crashed may still be letting go of it.
async fn start(dir: &Path, is_window_short: bool) -> (OrchestratorServer, String) {
    let telemetry = Telemetry::new().expect("a sound catalogue");
    let opened = async {
        loop {
            let sqlite = SqliteConfig::in_dir(dir);
            match SqliteStore::open(&sqlite, SystemTime::now().into(), &telemetry) {
                Err(StoreError::InUse { .. }) => sleep(Duration::from_millis(5)).await,
                opened => return opened.expect("the store opens"),
            }
        }
    };
    let store = within(10, "the store is let go of", opened).await;
    let server = OrchestratorServer::builder().config(config(is_window_short)).telemetry(telemetry);
    let mut server = server.store(Arc::new(store)).build().expect("a sound configuration");
    let address = server.start().await.expect("it starts");
    (server, format!("http://{address}/mcp"))
}

impl World<'_> {
    fn request(
        &self,
        method: reqwest::Method,
        who: usize,
        which: Option<usize>,
    ) -> reqwest::RequestBuilder {
        let token = format!("token-of-{}-0123456789abcdef", PRINCIPALS[who]);
        let request = self.http.request(method, &self.url).bearer_auth(token);
        match which {
            Some(which) => request.header("mcp-session-id", &self.known[which].id),
            None => request,
        }
    }

    async fn post(
        &mut self,
        who: usize,
        which: Option<usize>,
        mut message: Value,
    ) -> reqwest::Response {
        message["jsonrpc"] = json!("2.0");
        if message["method"] != "notifications/initialized" {
            self.asked += 1;
            message["id"] = json!(self.asked);
        }
        let request = self.request(reqwest::Method::POST, who, which).json(&message);
        let request = request.header("accept", "application/json, text/event-stream");
        request.send().await.expect("an answer")
    }

    async fn connect(&mut self, owner: usize) {
        let opened = Instant::now();
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": {"name": "model", "version": "1"}});
        let welcome =
            self.post(owner, None, json!({"method": "initialize", "params": params})).await;
        assert_eq!(welcome.status(), 200);
        let id = welcome.headers()["mcp-session-id"].to_str().expect("visible").to_owned();
        assert!(self.known.iter().all(|known| known.id != id), "{id} again");
        let known = Known {
            id,
            owner,
            opened,
            touched: opened,
            is_initialized: false,
            is_over: false,
            deleted: false,
        };
        self.known.push(known);
    }

    /// Looks whether a session was found when it had to be, and only then.
    fn found(&mut self, which: usize, by: usize, status: reqwest::StatusCode) {
        let may_be_over = self.known[which].may_be_over(self.is_window_short);
        let known = &mut self.known[which];
        let is_found = status.is_success();
        assert!(is_found || status == 404, "{status} {known:?}");
        if by != 0 || known.is_over {
            assert!(!is_found, "{} finds {known:?}", PRINCIPALS[(known.owner + by) % 3]);
        } else if is_found {
            known.touched = Instant::now();
        } else {
            assert!(may_be_over, "lost: {known:?}");
            known.is_over = true;
        }
    }

    async fn take(&mut self, step: &Step) {
        match *step {
            Step::Connect(owner) => self.connect(owner).await,
            Step::Wait => sleep(IDLE + 3 * SWEEP).await,
            Step::WaitLong => sleep(HANDSHAKE + LOOKED_AT).await,
            Step::Restart => {
                self.server.stop().await;
                self.begin_again().await;
            }
            Step::Crash => self.begin_again().await,
            Step::Complete(which)
            | Step::Use(which, _)
            | Step::Stream(which)
            | Step::Delete(which, _) => {
                if let Some(which) = which.checked_rem(self.known.len()) {
                    self.in_session(which, step).await;
                }
            }
        }
    }

    async fn begin_again(&mut self) {
        let (server, url) = {
            // The old one is dropped before the new one is made: that is the crash.
            let stub = OrchestratorServer::builder().config(config(false)).build().expect("sound");
            drop(std::mem::replace(&mut self.server, stub));
            start(self.dir, self.is_window_short).await
        };
        (self.server, self.url) = (server, url);
    }

    async fn in_session(&mut self, which: usize, step: &Step) {
        let owner = self.known[which].owner;
        match *step {
            Step::Complete(_) => {
                let said = json!({"method": "notifications/initialized"});
                let status = self.post(owner, Some(which), said).await.status();
                self.found(which, 0, status);
                self.known[which].is_initialized |= status.is_success();
            }
            Step::Use(_, by) => {
                let who = (owner + by) % PRINCIPALS.len();
                let status = self.post(who, Some(which), json!({"method": "ping"})).await.status();
                self.found(which, by, status);
            }
            Step::Stream(_) => {
                let request = self.request(reqwest::Method::GET, owner, Some(which));
                let request = request.header("accept", "text/event-stream");
                let status = request.send().await.expect("an answer").status();
                self.found(which, 0, status);
            }
            Step::Delete(_, by) => {
                let who = (owner + by) % PRINCIPALS.len();
                let request = self.request(reqwest::Method::DELETE, who, Some(which));
                let status = request.send().await.expect("an answer").status();
                self.found(which, by, status);
                self.known[which].is_over |= status.is_success();
                self.known[which].deleted |= status.is_success();
            }
            Step::Connect(_) | Step::Wait | Step::WaitLong | Step::Restart | Step::Crash => {}
        }
    }

    /// What was opened and came back has ended or is active. A scrape is no moment, so it may
    /// take one or two until the sums agree.
    async fn adds_up(&self) {
        let agrees = async {
            loop {
                let scrape = Scrape::parse(&self.server.telemetry().encode());
                let accepted = scrape.sum("mcp_connections_total", &[("status", "accepted")]);
                let came = ["restored", "revived"]
                    .map(|how| scrape.sum("mcp_sessions_restored_total", &[("outcome", how)]));
                let ended = scrape.sum("mcp_disconnections_total", &[]);
                let active = scrape.sum("mcp_active_sessions", &[]);
                assert!(active <= self.known.len() as f64, "{active} active");
                if accepted + came[0] + came[1] == ended + active {
                    return;
                }
                sleep(Duration::from_millis(2)).await;
            }
        };
        within(3, "accepted + restored + revived = ended + active", agrees).await;
    }
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
            assert_eq!(pair[1].what.from(), Some(pair[0].what.to()), "{history:?}");
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
    let (server, url) = start(dir.path(), is_window_short).await;
    let (http, known) = (http(), Vec::new());
    let mut world = World { dir: dir.path(), is_window_short, server, url, http, known, asked: 0 };
    for step in &steps {
        world.take(step).await;
        world.adds_up().await;
    }
    world.server.stop().await;
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

//! The world of one case: a server, its store, and what its clients know.

use super::{HANDSHAKE, IDLE, LOOKED_AT, PRINCIPALS, SWEEP, Step};
use crate::support::{Scrape, http, within};
use mcp_client::Secret;
use mcp_server::{
    Config, OrchestratorServer,
    config::{AuthConfig, Limits, NamedToken},
};
use mcp_store::{SqliteConfig, SqliteStore, StoreError};
use mcp_telemetry::Telemetry;
use serde_json::{Value, json};
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::time::{Instant, sleep};

/// A session as its client knows it.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) id: String,
    owner: usize,
    opened: Instant,
    touched: Instant,
    is_initialized: bool,
    is_over: bool,
    pub(super) deleted: bool,
}

impl Known {
    /// Whether it may have ended for good without its client's wish.
    fn may_be_over(&self, is_window_short: bool) -> bool {
        let half_open = !self.is_initialized && self.opened.elapsed() >= HANDSHAKE;
        half_open || (is_window_short && self.touched.elapsed() >= IDLE)
    }
}

pub(super) struct World<'a> {
    dir: &'a Path,
    is_window_short: bool,
    server: OrchestratorServer,
    url: String,
    http: reqwest::Client,
    pub(super) known: Vec<Known>,
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

impl<'a> World<'a> {
    pub(super) async fn new(dir: &'a Path, is_window_short: bool) -> Self {
        let (server, url) = start(dir, is_window_short).await;
        Self { dir, is_window_short, server, url, http: http(), known: Vec::new(), asked: 0 }
    }

    pub(super) async fn stop(&mut self) {
        self.server.stop().await;
    }

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

    pub(super) async fn take(&mut self, step: &Step) {
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
    pub(super) async fn adds_up(&self) {
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

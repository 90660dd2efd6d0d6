//! Five scenarios of sessions side by side, on one server: sixteen checks, each scenario with a
//! result file. Here with a clock of seconds; a soak runs them with the real one.

use crate::support::{Legacy, Server, Setup, text};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// How long a session may be idle, and how often idle ones are looked for.
#[derive(Clone, Copy)]
pub struct Clock {
    pub idle: Duration,
    pub sweep: Duration,
}

impl Clock {
    /// Seconds instead of minutes.
    pub const SHORT: Self =
        Self { idle: Duration::from_secs(8), sweep: Duration::from_millis(500) };
    /// The server's own.
    pub const REAL: Self = Self { idle: Duration::from_secs(300), sweep: Duration::from_secs(60) };

    /// Long enough for an idle session to be found, on a machine that is busy.
    fn enough(self) -> Duration {
        self.idle + self.sweep + Duration::from_secs(2)
    }
}

/// What a scenario found.
struct Scenario {
    name: &'static str,
    checks: Vec<Value>,
}

impl Scenario {
    fn new(name: &'static str) -> Self {
        Self { name, checks: Vec::new() }
    }

    fn check(&mut self, what: &str, passed: bool, seen: impl Into<Value>) {
        self.checks.push(json!({"check": what, "passed": passed, "seen": seen.into()}));
    }

    fn passed(&self) -> usize {
        self.checks.iter().filter(|check| check["passed"] == true).count()
    }

    /// Writes the result file.
    fn write(&self, clock: Clock) -> PathBuf {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("session-scenarios");
        fs::create_dir_all(&folder).expect("a folder of cargo's");
        let file = folder.join(format!("{}-{}s.json", self.name, clock.idle.as_secs()));
        let result = json!({
            "scenario": self.name,
            "session_idle_seconds": clock.idle.as_secs_f64(),
            "session_sweep_seconds": clock.sweep.as_secs_f64(),
            "passed": self.passed(),
            "of": self.checks.len(),
            "checks": self.checks,
        });
        fs::write(&file, format!("{result:#}\n")).expect("a file in it");
        file
    }
}

/// A session as `/api/sessions/{id}` shows it.
async fn seen(server: &Server, id: &str) -> Value {
    server.json(&format!("/api/sessions/{id}")).await
}

async fn all_seen(server: &Server, ids: &[String]) -> Vec<Value> {
    join_all(ids.iter().map(|id| seen(server, id))).await
}

async fn open(server: &Server, count: usize) -> Vec<Legacy<'_>> {
    join_all((0..count).map(|_| Legacy::open(server))).await
}

fn ids(clients: &[Legacy<'_>]) -> Vec<String> {
    clients.iter().map(|client| client.session.clone()).collect()
}

fn different(ids: &[String]) -> usize {
    ids.iter().collect::<BTreeSet<_>>().len()
}

fn all(sessions: &[Value], key: &str, value: &str) -> bool {
    sessions.iter().all(|session| session[key] == value)
}

/// Milliseconds from one time to a later one, at most a day apart.
fn between(earlier: &Value, later: &Value) -> i64 {
    let of_day = |time: &Value| {
        let text = time.as_str().unwrap_or("0000-00-00T00:00:00.000Z");
        let part = |at: std::ops::Range<usize>| text[at].parse::<i64>().expect("digits");
        ((part(11..13) * 60 + part(14..16)) * 60 + part(17..19)) * 1_000 + part(20..23)
    };
    (of_day(later) - of_day(earlier)).rem_euclid(86_400_000)
}

async fn lifecycle(server: &Server) -> Scenario {
    let mut scenario = Scenario::new("lifecycle");
    let clients = open(server, 5).await;
    let ids = ids(&clients);
    scenario.check("five clients at once get five sessions", different(&ids) == 5, ids.clone());
    let found = all_seen(server, &ids).await;
    let is_right = all(&found, "status", "active")
        && found.iter().all(|session| session["client"]["name"] == "raw-legacy");
    scenario.check("each of them is active", is_right, found);
    let answers = join_all(clients.iter().map(|client| client.tools())).await;
    let has_tools = answers.iter().all(|tools| tools.contains(&"echo".to_owned()));
    scenario.check("each of them has its tools", has_tools, answers.len());
    join_all(clients.into_iter().map(Legacy::close)).await;
    let found = all_seen(server, &ids).await;
    let is_right =
        all(&found, "status", "disconnected") && all(&found, "disconnect_reason", "client_deleted");
    scenario.check("each of them ended because its client said so", is_right, found);
    scenario
}

async fn stale_cleanup(server: &Server, clock: Clock) -> Scenario {
    let mut scenario = Scenario::new("stale-cleanup");
    let clients = open(server, 2).await;
    sleep(clock.enough()).await;
    let found = all_seen(server, &ids(&clients)).await;
    scenario.check(
        "two idle sessions are disconnected",
        all(&found, "status", "disconnected"),
        found.clone(),
    );
    let is_right = all(&found, "disconnect_reason", "timeout_no_activity");
    scenario.check("for want of activity", is_right, found.clone());
    let lived: Vec<i64> = found
        .iter()
        .map(|session| between(&session["last_activity"], &session["disconnected_at"]))
        .collect();
    let millis = |time: Duration| i64::try_from(time.as_millis()).expect("minutes");
    // What is written as the last activity is rounded.
    let not_early = lived.iter().all(|lived| *lived >= millis(clock.idle) - 50);
    scenario.check("not before the timeout", not_early, lived.clone());
    let late = millis(clock.idle + clock.sweep) + 1_000;
    let in_time = lived.iter().all(|lived| *lived <= late);
    scenario.check("within the timeout and one sweep", in_time, lived);
    scenario
}

async fn five_times_five(server: &Server) -> Scenario {
    let mut scenario = Scenario::new("five-times-five-calls");
    let clients = open(server, 5).await;
    let calls = clients.iter().enumerate().flat_map(|(who, client)| {
        (0..5).map(move |number| async move {
            let message = format!("{who}-{number}");
            text(&client.call("echo", json!({"message": message})).await) == message
        })
    });
    let right = join_all(calls).await.into_iter().filter(|right| *right).count();
    scenario.check("25 calls of 25 are answered, each with its own", right == 25, right);
    let found = all_seen(server, &ids(&clients)).await;
    let counts: Vec<Value> = found.iter().map(|session| session["counts"].clone()).collect();
    let is_right = counts.iter().all(|count| *count == json!({"requests": 5, "errors": 0}));
    scenario.check("five are counted in each session", is_right, counts);
    join_all(clients.into_iter().map(Legacy::close)).await;
    scenario
}

async fn reconnection(server: &Server) -> Scenario {
    let mut scenario = Scenario::new("reconnection");
    let before = ids(&open(server, 3).await);
    let found = all_seen(server, &before).await;
    let is_right = all(&found, "status", "active");
    scenario.check("three sessions outlive their sockets", is_right, found);
    let again = open(server, 3).await;
    let every = [before.clone(), ids(&again)].concat();
    scenario.check("three new handshakes give new ids", different(&every) == 6, every);
    let old: Vec<Legacy<'_>> = before.iter().map(|id| Legacy::knowing(server, id)).collect();
    let answers =
        join_all(old.iter().chain(&again).map(async |client| client.ask("ping", json!({})).await))
            .await;
    let is_right = answers.iter().all(|answer| answer["result"].is_object());
    scenario.check("the old and the new ones are served", is_right, answers);
    join_all(old.into_iter().chain(again).map(Legacy::close)).await;
    scenario
}

async fn heartbeat(server: &Server, clock: Clock) -> Scenario {
    let mut scenario = Scenario::new("heartbeat");
    let clients = open(server, 3).await;
    let [pinging, calling, silent] = &clients[..] else { panic!("three were opened") };
    let end = Instant::now() + clock.enough();
    while Instant::now() < end {
        sleep(clock.idle / 6).await;
        pinging.ask("ping", json!({})).await;
        calling.call("heartbeat", json!({})).await;
    }
    let [pinged, called, left] =
        [pinging, calling, silent].map(|client| seen(server, &client.session));
    let (pinged, called, left) = tokio::join!(pinged, called, left);
    scenario.check("a session that pings stays active", pinged["status"] == "active", pinged);
    scenario.check("one that calls `heartbeat` does too", called["status"] == "active", called);
    let is_right = left["disconnect_reason"] == "timeout_no_activity";
    scenario.check("one that is silent does not", is_right, left);
    for client in clients.into_iter().take(2) {
        client.close().await;
    }
    scenario
}

/// Runs all five at once, and fails unless all sixteen checks pass; where the results are.
pub async fn sixteen_of_sixteen(clock: Clock) -> Vec<PathBuf> {
    let server = Setup::new()
        .set("limits.session_idle", clock.idle.as_secs_f64())
        .set("limits.session_sweep", clock.sweep.as_secs_f64())
        .start()
        .await;
    let (one, two, three, four, five) = tokio::join!(
        lifecycle(&server),
        stale_cleanup(&server, clock),
        five_times_five(&server),
        reconnection(&server),
        heartbeat(&server, clock),
    );
    let (mut passed, mut failed, mut files) = (0, Vec::new(), Vec::new());
    for scenario in [one, two, three, four, five] {
        files.push(scenario.write(clock));
        passed += scenario.passed();
        failed.extend(scenario.checks.into_iter().filter(|check| check["passed"] != true));
    }
    assert_eq!((passed, &failed), (16, &Vec::new()), "{failed:#?}");
    server.finish().await;
    files
}

#[tokio::test]
async fn five_scenarios_pass_sixteen_checks_of_sixteen() {
    let files = sixteen_of_sixteen(Clock::SHORT).await;
    assert!(files.len() == 5 && files.iter().all(|file| file.exists()), "{files:?}");
}

//! Time in which nothing is wrong: clients of each kind come, call, go and come back, some of them
//! make mistakes, and an operator has the configuration read again. The rules of the lab and those
//! that are shipped look on, each at a Prometheus of its own.

use super::{
    RAISED, all_scraped,
    clients::{lab, opened},
    firing, rules,
};
use crate::support::{
    Legacy, Modern, Port, Prometheus, Server, Setup, dice, http, job, until_within,
};
use futures_util::{SinkExt, StreamExt, future::join_all};
use serde_json::json;
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

/// Longest time until all is scraped, and at the end until an alert is raised: so long the lab plays
/// on.
const BESIDE: Duration = Duration::from_secs(300);
/// What may fire: the watchdog always does, and the disk is this machine's and may truly be full.
const RIGHTLY: &str = "McpWatchdog|McpDiskFilling";

/// How often each kind of client is there.
const SESSIONS: u64 = 4;
const PRESENCES: u64 = 3;
const SOCKETS: u64 = 6;

/// Times that are drawn, the same ones in every run.
struct Chance {
    client: String,
    drawn: u64,
}

impl Chance {
    fn of(role: &str, number: u64) -> Self {
        Self { client: format!("{role}-{number}"), drawn: 0 }
    }

    /// Yes in so many of a hundred cases.
    fn hits(&mut self, percent: u64) -> bool {
        self.drawn += 1;
        dice(7, (&self.client, self.drawn)) < percent
    }

    /// Waits for some time, at most so long.
    async fn pause(&mut self, longest: Duration) {
        self.drawn += 1;
        let percent = u32::try_from(dice(7, (&self.client, self.drawn))).expect("below 100");
        sleep(longest * percent / 100).await;
    }
}

/// A tool of each upstream, and one of our own.
const CALLS: [&str; 3] = ["files__test_simple_text", "search__health_check", "health_check"];

/// Comes, works, and goes; one in ten times without a word.
async fn session(server: &Server, number: u64) {
    let mut chance = Chance::of("session", number);
    loop {
        let client = Legacy::open(server).await;
        client.tools().await;
        for call in 0..20 {
            let params = json!({"name": CALLS[call % CALLS.len()], "arguments": {}});
            client.ask("tools/call", params).await;
            chance.pause(Duration::from_secs(4)).await;
        }
        if chance.hits(10) {
            drop(client);
        } else {
            client.close().await;
        }
        chance.pause(Duration::from_secs(20)).await;
    }
}

/// Has no session; now and then its calls take long, and some of them it gives up.
async fn presence(server: &Server, number: u64) {
    let mut chance = Chance::of("presence", number);
    let client = Modern::with(server, &format!("presence-{number}"), json!({}));
    for call in 0.. {
        client.ask("tools/call", json!({"name": CALLS[call % CALLS.len()], "arguments": {}})).await;
        chance.pause(Duration::from_secs(3)).await;
        if chance.hits(5) {
            let slow = json!({"name": "files__sleep", "arguments": {"ms": 2_000}});
            let answer = client.ask("tools/call", slow);
            let longest = Duration::from_millis(if chance.hits(30) { 500 } else { 30_000 });
            // Given up or not.
            let _answered = timeout(longest, answer).await;
        }
    }
}

/// Stays connected over a WebSocket for some time; one in ten times the lid is shut.
async fn socket(server: &Server, number: u64) {
    let mut chance = Chance::of("socket", number);
    let at = server.base().trim_start_matches("http://").parse().expect("an address");
    loop {
        let mut socket = opened(at, server.token()).await.expect("a connection");
        let stays = Instant::now() + Duration::from_secs(60);
        for id in 1.. {
            let call = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call",
                "params": {"name": CALLS[0], "arguments": {}}});
            socket.send(Message::text(call.to_string())).await.expect("it is open");
            // Whoever reads answers pings too.
            let pause = sleep(Duration::from_secs(5));
            let read = async { while let Some(Ok(_)) = socket.next().await {} };
            tokio::select! {
                () = pause => {}
                () = read => panic!("the server has closed a socket"),
            }
            if Instant::now() > stays && chance.hits(10) {
                break;
            }
        }
        if !chance.hits(10) {
            socket.close(None).await.expect("it was open");
        }
        chance.pause(Duration::from_secs(20)).await;
    }
}

/// Listens to a stream, which is cut now and then; it comes back to it.
async fn listener(server: &Server) {
    let mut chance = Chance::of("listener", 0);
    let client = Legacy::open(server).await;
    let mut last = client.stream().await.primed().await;
    loop {
        chance.pause(Duration::from_secs(120)).await;
        client.ask("ping", json!({})).await;
        last = client.resume(&last).await.primed().await;
    }
}

/// Makes the mistakes that are made every day, one after the other.
async fn mistakes(server: &Server) {
    let mut chance = Chance::of("mistakes", 0);
    let (http, client) = (http(), Modern::with(server, "mistakes", json!({})));
    let stranger = |id: &str| {
        let request = server.post(&http).header("mcp-session-id", id);
        request.header("mcp-protocol-version", "2025-11-25")
    };
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    for number in 0.. {
        let request = match number % 6 {
            0 => http.post(server.url()).bearer_auth("the-one-before").json(&ping),
            1 => server.post(&http).body("{\"jsonrpc\": \"2.0\", "),
            2 => stranger("00000000-0000-4000-8000-000000000000").json(&ping),
            kind => {
                let (name, arguments) = match kind {
                    3 => ("files__no_such_tool", json!({})),
                    4 => ("files__test_error_handling", json!({})),
                    _ => ("echo", json!({"message": 1})),
                };
                let params = json!({"name": name, "arguments": arguments});
                client.ask("tools/call", params).await;
                chance.pause(Duration::from_secs(60)).await;
                continue;
            }
        };
        let status = request.send().await.expect("an answer").status().as_u16();
        assert!([400, 401, 404].contains(&status), "{status}");
        chance.pause(Duration::from_secs(60)).await;
    }
}

/// Has the configuration read again from time to time.
async fn operator(server: &Server) {
    loop {
        sleep(Duration::from_secs(120)).await;
        server.signal("HUP");
    }
}

async fn all_of_them(server: &Server) {
    tokio::join!(
        join_all((0..SESSIONS).map(|number| session(server, number))),
        join_all((0..PRESENCES).map(|number| presence(server, number))),
        join_all((0..SOCKETS).map(|number| socket(server, number))),
        listener(server),
        mistakes(server),
        operator(server),
    );
}

/// A folder for a Prometheus.
fn folder(server: &Server, name: &str) -> PathBuf {
    let dir = server.dir().join(name);
    fs::create_dir(&dir).expect("a folder");
    dir
}

/// The rules that are shipped.
fn shipped_rules() -> [PathBuf; 2] {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/prometheus");
    ["availability.yml", "alerts.yml"].map(|file| place.join(file))
}

/// The alerts of so many seconds, each with how many there were, one a second; only those in that
/// state.
async fn seen(prometheus: &Prometheus, seconds: u64, state: &str) -> Vec<String> {
    let query = format!(
        "count_over_time(ALERTS{{alertname!~'{RIGHTLY}', alertstate='{state}'}}[{seconds}s])"
    );
    let answer = prometheus.api("query", &[("query", &query)]).await;
    let found = answer["data"]["result"].as_array().expect("a vector");
    found.iter().map(|one| format!("{}: {}", one["metric"], one["value"][1])).collect()
}

/// Waits until the loss of that upstream is told.
async fn tells(prometheus: &Prometheus, upstream: &str) -> Duration {
    let begun = Instant::now();
    until_within(RAISED.as_secs(), "an upstream that is away is told", || async {
        firing(prometheus).await.iter().any(|alert| {
            let labels = &alert["labels"];
            labels["alertname"] == "McpUpstreamDown" && labels["upstream"] == upstream
        })
    })
    .await;
    begun.elapsed()
}

/// So long nothing is wrong, and no alert fires; then an upstream goes, and both kinds of rules tell.
pub async fn quiet(length: Duration) -> String {
    let search = Setup::new().open().start().await;
    let setup = Setup::new().set("limits.presence_idle", 300.0).set("limits.heartbeat", 2.0);
    let setup = setup.set("limits.upstream_ping", 2.0).fixture("files", json!({}));
    let setup = setup.fixture("idle", json!({}));
    let server =
        setup.upstream("search", json!({"type": "http", "url": search.url()})).start().await;
    server.upstreams(&["files", "idle", "search"], "connected").await;
    let metrics = Port::reserve();
    let seconds = (length + BESIDE).as_secs().to_string();
    let mut lab = lab(&server, &metrics, &["connection-stability", "--duration", &seconds]);
    let jobs = [
        job("mcp-orchestrator", &[server.base().trim_start_matches("http://").to_owned()]),
        job("mcp-lab", &[metrics.address().to_string()]),
    ];
    let (dir, other) = (folder(&server, "lab"), folder(&server, "shipped"));
    let of_lab = Prometheus::start(&dir, 1, &jobs, &rules(&dir)).await;
    let shipped = Prometheus::start(&other, 15, &jobs, &shipped_rules()).await;
    let look = async {
        tokio::join!(all_scraped(&of_lab, jobs.len()), all_scraped(&shipped, jobs.len()));
        sleep(length).await;
        let seconds = length.as_secs();
        let mut pending = Vec::new();
        for (name, prometheus) in [("lab", &of_lab), ("shipped", &shipped)] {
            let fired = seen(prometheus, seconds, "firing").await;
            assert!(fired.is_empty(), "nothing is wrong, and by the rules ({name}): {fired:#?}");
            pending.push((name, seen(prometheus, seconds, "pending").await));
        }
        let calls = server.scrape().await.sum("mcp_requests_total", &[("method", "tools/call")]);
        search.end().await;
        let told = tokio::join!(tells(&of_lab, "search"), tells(&shipped, "search"));
        let what = format!("{seconds} s, {calls} calls, none; pending were {pending:#?}");
        format!("{what}; then an upstream that is away was told after {told:.1?}")
    };
    let told = tokio::select! {
        told = look => told,
        () = all_of_them(&server) => unreachable!("they go on for ever"),
    };
    // It would play on.
    let _gone = lab.kill().await;
    server.end().await;
    told
}

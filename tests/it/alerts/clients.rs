//! Faults of servers, and on the way of clients to them, all at once: each at a server of its own.

use super::{Go, all_raised, all_scraped, gone, rules, stays_quiet};
use crate::support::{Legacy, Port, Prometheus, Server, Setup, http, job};
use futures_util::{SinkExt, StreamExt, future::join_all};
use mcp_chaos::{Fault, Proxy, ProxyOptions};
use serde_json::{Value, json};
use std::{collections::BTreeMap, net::SocketAddr, process::Stdio, time::Duration};
use tokio::{
    net::TcpStream,
    process::{Child, Command},
    sync::watch,
    time::sleep,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Error, Message, client::IntoClientRequest},
};

/// Longest time until all is scraped: the lab has to know beforehand when its faults may begin.
const TO_START: Duration = Duration::from_secs(40);
/// Clients that stay connected over a WebSocket.
const CLIENTS: usize = 16;

const SCENARIO: &str = r#"
name = "seen"
description = "What clients see of a slow network and of one that cuts."
needs = ["network"]
duration = 1200
call_timeout = 10
faults = [
  { name = "slow", kind = "latency", delay = "2s", direction = "both" },
  { name = "cuts", kind = "reset" },
]
load = { rate = 10, clients = 3 }
steps = [
  { do = "wait", seconds = QUIET },
  { do = "repeat", times = 5, steps = [
    { do = "fault", on = "slow", seconds = 15 },
    { do = "fault", on = "cuts", seconds = 10 },
  ] },
]
expect = []
"#;

fn address(server: &Server) -> String {
    server.base().trim_start_matches("http://").to_owned()
}

/// A client that stays connected, and comes back when it is cut off. It reads that often.
async fn stay(at: SocketAddr, token: &str, reads: Option<Duration>) {
    loop {
        // A connection that fails is tried again.
        let _cut = connected(at, token, reads).await;
        sleep(Duration::from_secs(1)).await;
    }
}

async fn connected(at: SocketAddr, token: &str, reads: Option<Duration>) -> Result<(), Error> {
    let mut socket = opened(at, token).await?;
    // Whoever reads answers pings too.
    while let Some(read) = socket.next().await {
        read?;
        if let Some(pause) = reads {
            sleep(pause).await;
        }
    }
    Ok(())
}

/// A WebSocket on which the handshake has been sent.
pub(super) async fn opened(
    at: SocketAddr,
    token: &str,
) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>, Error> {
    let mut request = format!("ws://{at}/ws").into_client_request()?;
    let headers = request.headers_mut();
    headers.insert("authorization", format!("Bearer {token}").parse().expect("ASCII"));
    headers.insert("sec-websocket-protocol", "mcp".parse().expect("ASCII"));
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await?;
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": {"name": "socket", "version": "1"}});
    for message in [
        json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
    ] {
        socket.send(Message::text(message.to_string())).await?;
    }
    Ok(socket)
}

/// Comes back to its stream again and again.
async fn cut_off(server: &Server, go: Go) {
    let client = Legacy::open(server).await;
    let mut last = client.stream().await.primed().await;
    gone(&go).await;
    loop {
        last = client.resume(&last).await.primed().await;
        sleep(Duration::from_millis(300)).await;
    }
}

/// Sends what nobody here knows: a token, or a session.
async fn unknown(server: &Server, what: &str, go: Go) {
    gone(&go).await;
    let http = http();
    loop {
        let request = server.post(&http);
        let request = match what {
            "token" => http.post(server.url()).bearer_auth("wrong").body("{}"),
            _ => request
                .header("mcp-session-id", "00000000-0000-4000-8000-000000000000")
                .header("mcp-protocol-version", "2025-11-25")
                .json(&json!({"jsonrpc": "2.0", "id": 1, "method": "ping"})),
        };
        let refused = request.send().await.expect("an answer").status();
        assert!(refused == 401 || refused == 404, "{refused}");
        sleep(Duration::from_millis(300)).await;
    }
}

fn lab_run(server: &Server, metrics: &Port, quiet: Duration) -> Child {
    let scenario = SCENARIO.replace("QUIET", &format!("{}", (quiet + TO_START).as_secs()));
    std::fs::write(server.dir().join("seen.toml"), scenario).expect("a file");
    lab(server, metrics, &["seen.toml"])
}

/// A lab that plays what those arguments say before a server, and tells Prometheus how it goes.
pub(super) fn lab(server: &Server, metrics: &Port, arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-orchestrator"));
    command.args(["lab", "run", "--seed", "7", "--target", &server.url()]).args(arguments);
    command.args(["--metrics", &metrics.address().to_string()]);
    command.env("MCP_ORCHESTRATOR_TOKEN", server.token()).current_dir(server.dir());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.kill_on_drop(true).spawn().expect("the binary starts")
}

/// A server with a way to it.
async fn with_way() -> (Server, Proxy) {
    let setup = Setup::new().set("limits.heartbeat", 0.5);
    let server = setup.set("limits.heartbeat_timeout", 3.0).start().await;
    let proxy = Proxy::start(ProxyOptions::before(address(&server))).await.expect("it starts");
    (server, proxy)
}

fn fault(kind: &str) -> Fault {
    serde_json::from_value(json!({"name": kind, "kind": kind})).expect("a fault")
}

#[tokio::test]
async fn each_fault_of_a_server_or_its_clients_raises_the_alert_that_names_its_cause() {
    println!("{}", clients_and_servers(super::QUIET).await);
}

/// All of them, after so long a time without: how soon each alert was raised.
pub async fn clients_and_servers(quiet: Duration) -> String {
    let ((reset, way_reset), (half_open, way_half_open)) = (with_way().await, with_way().await);
    let far = Setup::new().set("limits.heartbeat", 0.5).start().await;
    let (stopped, mut killed) = (Setup::new().start().await, Setup::new().start().await);
    let (cut, door, seen) =
        (Setup::new().start().await, Setup::new().start().await, Setup::new().start().await);
    let (lost, starved) = (Setup::new().start().await, Setup::new().start().await);
    let metrics = Port::reserve();
    let addresses: BTreeMap<(&str, &str), String> = [
        (("clients", "reset"), &reset),
        (("clients", "half_open"), &half_open),
        (("clients", "far"), &far),
        (("clients", "cut"), &cut),
        (("clients", "token"), &door),
        (("clients", "session_lost"), &lost),
        (("server", "stop"), &stopped),
        (("server", "kill"), &killed),
        (("server", "cpu"), &starved),
        (("", "target of the lab"), &seen),
    ]
    .map(|(fault, server)| (fault, address(server)))
    .into();
    let targets: Vec<String> = addresses.values().cloned().collect();
    let lab_address = metrics.address().to_string();
    let lab_jobs = std::slice::from_ref(&lab_address);
    let jobs: [Value; 2] = [job("mcp-orchestrator", &targets), job("mcp-lab", lab_jobs)];
    let prometheus = Prometheus::start(seen.dir(), 2, &jobs, &rules(seen.dir())).await;
    let mut lab = lab_run(&seen, &metrics, quiet);

    let token = reset.token();
    let direct = address(&far).parse().expect("an address");
    let slowly = Some(Duration::from_secs(3));
    let through = (0..CLIENTS).flat_map(|_| [way_reset.address(), way_half_open.address()]);
    let clients = join_all(through.map(|at| stay(at, token, None)));
    let (tell, go) = watch::channel(false);
    let far_clients = async {
        gone(&go).await;
        join_all((0..CLIENTS).map(|_| stay(direct, token, slowly))).await
    };
    let look = async {
        all_scraped(&prometheus, targets.len() + 1).await;
        stays_quiet(&prometheus, quiet).await;
        tell.send_replace(true);
        way_reset.add(fault("reset")).expect("added");
        way_half_open.add(fault("half_open")).expect("added");
        stopped.signal("STOP");
        let of = |place| instance_of(&addresses, place);
        let raised = tokio::join!(
            all_raised(&prometheus, "clients", of("clients")),
            all_raised(&prometheus, "server", of("server")),
            all_raised(&prometheus, "lab", |_| ("instance", lab_address.clone())),
        );
        format!("{}\n{}\n{}", raised.0, raised.1, raised.2)
    };
    let others = async {
        tokio::join!(
            clients,
            far_clients,
            unknown(&door, "token", go.clone()),
            unknown(&lost, "session", go.clone()),
            cut_off(&cut, go.clone()),
            crash(&mut killed, go.clone()),
            starve(&starved, go.clone()),
        )
    };
    let raised = tokio::select! {
        raised = look => raised,
        _never = others => unreachable!("they go on for ever"),
    };
    stopped.signal("CONT");
    starved.signal("CONT");
    // It would play on for minutes.
    let _gone = lab.kill().await;
    // It may be between two lives.
    drop(killed);
    for server in [reset, half_open, far, stopped, cut, door, seen, lost, starved] {
        server.end().await;
    }
    raised
}

/// Ends the server again and again, without a word.
async fn crash(server: &mut Server, go: Go) {
    gone(&go).await;
    loop {
        sleep(Duration::from_secs(5)).await;
        server.start_again("KILL").await;
    }
}

/// Leaves the server little of the CPU.
async fn starve(server: &Server, go: Go) {
    gone(&go).await;
    loop {
        server.signal("STOP");
        sleep(Duration::from_secs(4)).await;
        server.signal("CONT");
        sleep(Duration::from_millis(100)).await;
    }
}

/// The label of the server that a fault of that place is done to.
fn instance_of(
    addresses: &BTreeMap<(&str, &str), String>,
    place: &str,
) -> impl Fn(&str) -> (&'static str, String) {
    move |fault| {
        let found = addresses.iter().find(|((at, of), _)| *at == place && *of == fault);
        ("instance", found.expect("a server").1.clone())
    }
}

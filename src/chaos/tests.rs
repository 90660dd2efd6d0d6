//! A proxy before a server that sends back what it is sent.

use crate::{ChaosError, Direction, Fault, Kind, Phase, Plan, Proxy, ProxyOptions, Schedule, kind};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::Instant,
};

/// A server that sends back what it is sent, for as long as this is kept.
struct Echo {
    address: SocketAddr,
    _task: JoinSet<()>,
}

impl Echo {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut served = JoinSet::new();
            while let Ok((mut socket, _)) = listener.accept().await {
                served.spawn(async move {
                    let (mut from, mut to) = socket.split();
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        });
        Self { address, _task: task }
    }
}

async fn before(echo: &Echo, faults: Vec<Fault>) -> Proxy {
    let plan = Plan { seed: Some(7), faults };
    let options = ProxyOptions { plan, ..ProxyOptions::before(echo.address.to_string()) };
    Proxy::start(options).await.expect("it starts")
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.expect("it accepts")
}

/// Sends a message and waits for it to come back.
async fn echoed(socket: &mut TcpStream, text: &[u8]) -> std::io::Result<Vec<u8>> {
    socket.write_all(text).await?;
    let mut back = vec![0; text.len()];
    let read = socket.read_exact(&mut back);
    tokio::time::timeout(Duration::from_secs(20), read).await??;
    Ok(back)
}

#[tokio::test]
async fn without_faults_bytes_pass() {
    let echo = Echo::start().await;
    let proxy = before(&echo, vec![]).await;
    let mut socket = connect(&proxy).await;
    let text: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
    let (mut from, mut to) = socket.split();
    let write = async { to.write_all(&text).await.and(to.shutdown().await) };
    let mut back = Vec::new();
    let (written, read) = tokio::join!(write, from.read_to_end(&mut back));
    assert!(written.is_ok() && read.is_ok() && back == text, "and the end passes too");
}

#[tokio::test]
async fn latency_is_added_and_told() {
    let echo = Echo::start().await;
    let latency = kind::latency::Latency::of(Duration::from_millis(30));
    let fault = Fault::new("slow", Kind::Latency(latency)).direction(Direction::Both);
    let proxy = before(&echo, vec![fault]).await;
    let mut events = proxy.events();
    let (mut socket, from) = (connect(&proxy).await, Instant::now());
    assert_eq!(echoed(&mut socket, b"hello").await.expect("an answer"), b"hello");
    assert!(from.elapsed() >= Duration::from_millis(60), "both ways");
    let mut seen = Vec::new();
    for _ in 0..3 {
        let event = events.next().await.expect("an event");
        seen.push((event.phase, event.direction, event.connection, event.message));
    }
    let injected = |way| (Phase::Injected, way, Some(1), Some(1));
    let began = (Phase::Began, Direction::Both, None, None);
    assert_eq!(seen, [began, injected(Direction::Up), injected(Direction::Down)]);
    assert_eq!(proxy.list()[0].injected, 2);
}

#[tokio::test]
async fn faults_come_and_go_while_it_runs() {
    let echo = Echo::start().await;
    let proxy = before(&echo, vec![]).await;
    let mut events = proxy.events();
    let mut socket = connect(&proxy).await;
    assert!(echoed(&mut socket, b"a").await.is_ok());

    proxy.add(Fault::new("stop", Kind::Pause(kind::pause::Pause {}))).expect("added");
    assert!(matches!(
        proxy.add(Fault::new("stop", Kind::Noop(kind::noop::Noop {}))),
        Err(ChaosError::Taken(_))
    ));
    let paused = tokio::time::timeout(Duration::from_millis(300), echoed(&mut socket, b"b")).await;
    assert!(paused.is_err(), "nothing passes");
    proxy.remove("stop").expect("removed");
    let mut back = [0];
    assert!(socket.read_exact(&mut back).await.is_ok() && back == *b"b", "nothing was lost");

    proxy.add(Fault::new("drop", Kind::Reset(kind::reset::Reset::default()))).expect("added");
    let error = socket.read_exact(&mut back).await.expect_err("it is reset");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert!(matches!(proxy.remove("stop"), Err(ChaosError::Unknown(_))));
    proxy.stop().await;
    let mut phases = Vec::new();
    while let Some(event) = events.next().await {
        phases.push((event.kind, event.phase));
    }
    let each = |kind| [Phase::Began, Phase::Injected, Phase::Ended].map(|phase| (kind, phase));
    assert_eq!(phases, [each("pause"), each("reset")].concat());
}

#[tokio::test]
async fn who_is_refused_or_not_heard_is_told_nothing_else() {
    let echo = Echo::start().await;
    let proxy = before(&echo, vec![]).await;
    proxy.add(Fault::new("no", Kind::Refuse(kind::refuse::Refuse {}))).expect("added");
    assert!(echoed(&mut connect(&proxy).await, b"a").await.is_err());
    proxy.remove("no").expect("removed");

    let silent = Kind::HalfOpen(kind::half_open::HalfOpen::default());
    proxy.add(Fault::new("silent", silent)).expect("added");
    let mut socket = connect(&proxy).await;
    let heard = tokio::time::timeout(Duration::from_millis(300), echoed(&mut socket, b"a")).await;
    assert!(heard.is_err(), "it is open and silent");
    proxy.remove("silent").expect("removed");
    let error = socket.read_u8().await.expect_err("the connection is no more");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert!(echoed(&mut connect(&proxy).await, b"a").await.is_ok(), "a new one works");
}

#[tokio::test]
async fn a_fault_keeps_its_times() {
    let echo = Echo::start().await;
    let schedule = crate::Schedule {
        at: Duration::from_millis(50),
        lasts: Some(Duration::from_millis(50)),
        every: Some(Duration::from_millis(200)),
        times: Some(2),
    };
    let noop = Fault::new("tick", Kind::Noop(kind::noop::Noop {})).schedule(schedule);
    let proxy = before(&echo, vec![noop]).await;
    let mut events = proxy.events();
    let mut told = Vec::new();
    for _ in 0..4 {
        let event = events.next().await.expect("an event");
        told.push((event.phase, event.offset));
    }
    let phases: Vec<Phase> = told.iter().map(|(phase, _)| *phase).collect();
    assert_eq!(phases, [Phase::Began, Phase::Ended, Phase::Began, Phase::Ended]);
    let due = [50, 100, 250, 300].map(Duration::from_millis);
    assert!(told.iter().zip(due).all(|((_, at), due)| *at >= due), "{told:?}");
}

fn fault(kind: Kind) -> Fault {
    Fault::new("f", kind)
}

#[tokio::test]
async fn a_connection_is_cut_after_so_many_bytes() {
    let echo = Echo::start().await;
    for (how, reset) in [(crate::End::Close, false), (crate::End::Reset, true)] {
        let cut = kind::cut::Cut { after: 10, how };
        let proxy = before(&echo, vec![fault(Kind::Cut(cut))]).await;
        let (mut socket, mut back) = (connect(&proxy).await, Vec::new());
        socket.write_all(&[b'a'; 25]).await.expect("sent");
        let ended = socket.read_to_end(&mut back).await;
        assert!(back.len() <= 10, "no byte more");
        if reset {
            let error = ended.expect_err("a reset");
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        } else {
            assert!(ended.is_ok() && back.len() == 10, "{ended:?}");
        }
    }
}

#[tokio::test]
async fn an_end_is_told_late() {
    let echo = Echo::start().await;
    let delay = Duration::from_millis(200);
    let slow = Kind::SlowClose(kind::slow_close::SlowClose { delay });
    let proxy = before(&echo, vec![fault(slow)]).await;
    let mut socket = connect(&proxy).await;
    assert!(echoed(&mut socket, b"a").await.is_ok());
    let from = Instant::now();
    socket.shutdown().await.expect("told");
    assert_eq!(socket.read(&mut [0]).await.expect("an end"), 0);
    assert!(from.elapsed() >= delay);
}

#[tokio::test]
async fn one_byte_of_a_message_is_changed() {
    let echo = Echo::start().await;
    let proxy = before(&echo, vec![fault(Kind::Corrupt(kind::corrupt::Corrupt {}))]).await;
    let mut socket = connect(&proxy).await;
    for _ in 0..20 {
        let back = echoed(&mut socket, &[b'a'; 20]).await.expect("an answer");
        assert_eq!(back.iter().filter(|byte| **byte != b'a').count(), 1);
    }
}

#[tokio::test]
async fn a_message_comes_in_pieces() {
    let echo = Echo::start().await;
    let gap = Duration::from_millis(20);
    let slice = Kind::Slice(kind::slice::Slice { size: 10, variation: 0, gap });
    let proxy = before(&echo, vec![fault(slice)]).await;
    let (mut socket, from) = (connect(&proxy).await, Instant::now());
    assert_eq!(echoed(&mut socket, &[b'a'; 50]).await.expect("an answer"), [b'a'; 50]);
    assert!(from.elapsed() >= gap * 4, "four gaps between five pieces");
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_starts_late_finds_each_fault_where_it_stands() {
    let (echo, began) = (Echo::start().await, Instant::now());
    let s = Duration::from_secs;
    tokio::time::advance(s(10)).await;
    let proxy = before(&echo, vec![]).await;
    let noop =
        |name, schedule| Fault::new(name, Kind::Noop(kind::noop::Noop {})).schedule(schedule);
    let often = Schedule { at: s(1), lasts: Some(s(2)), every: Some(s(4)), times: None };
    for (name, schedule) in [
        ("over", Schedule::once(s(1), s(5))),
        ("now", Schedule::once(s(5), s(9))),
        ("often", often),
    ] {
        proxy.add_since(noop(name, schedule), began).expect("it is right");
    }
    let in_force = |proxy: &Proxy| {
        let active = proxy.list().into_iter().filter(|state| state.active);
        active.map(|state| state.fault.name).collect::<Vec<_>>()
    };
    assert_eq!(in_force(&proxy), ["now", "often"]);
    tokio::time::sleep(s(2)).await;
    assert_eq!(in_force(&proxy), ["now"], "the third time of what comes often is over");
    tokio::time::sleep(s(3)).await;
    assert_eq!(in_force(&proxy), ["often"]);
    let mut events = proxy.events();
    assert_eq!(events.next().await.map(|event| event.fault.to_string()), Some("now".to_owned()));
}

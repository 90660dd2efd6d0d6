//! The same seed decides the same again: two runs over sockets, compared client by client.

use super::{Client, address, server};
use mcp_chaos::{Direction, Fault, Kind, Phase, Proxy, ProxyOptions, kind};
use std::{collections::BTreeMap, time::Duration};
use tokio::task::JoinSet;

const CLIENTS: u64 = 4;
const PINGS: u64 = 30;

/// What was done to a connection: which fault, which way, to which message.
type Done = Vec<(String, Direction, u64)>;

fn faults() -> Vec<Fault> {
    let latency = kind::latency::Latency::of(Duration::from_millis(2));
    let loss = kind::loss::Loss { timeout: Duration::from_millis(5), ..kind::loss::Loss::of(0.2) };
    let both = |name: &str, kind| Fault::new(name, kind).direction(Direction::Both);
    vec![
        both("slow", Kind::Latency(latency)).share(0.3),
        both("lost", Kind::Loss(loss)),
        Fault::new("busy", Kind::Status(kind::status::Status::of(503))).share(0.1),
    ]
}

/// Runs all clients at once, and gives by connection what was done.
async fn run(seed: u64) -> BTreeMap<u64, Done> {
    let server = server().await;
    let options = ProxyOptions { seed, ..ProxyOptions::before(address(&server)) };
    let proxy = Proxy::start(options).await.expect("it starts");
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        // One after the other, so that each has its ordinal.
        clients.push(Client::open(&proxy).await);
    }
    let mut events = proxy.events();
    for fault in faults() {
        proxy.add(fault).expect("added");
    }
    let mut pinging = JoinSet::new();
    for client in clients {
        pinging.spawn(async move {
            for _ in 0..PINGS {
                assert!([200, 503].contains(&client.ping().await));
            }
        });
    }
    while let Some(ended) = pinging.join_next().await {
        ended.expect("every ping is answered");
    }
    proxy.stop().await;
    let mut done: BTreeMap<u64, Done> = BTreeMap::new();
    while let Some(event) = events.next().await {
        if let (Phase::Injected, Some(on), Some(message)) =
            (event.phase, event.connection, event.message)
        {
            done.entry(on).or_default().push((event.fault.to_string(), event.direction, message));
        }
    }
    assert_eq!(events.missed(), 0);
    done
}

#[tokio::test]
async fn the_same_seed_does_the_same_to_each_client() {
    let (first, second) = (run(0).await, run(0).await);
    assert_eq!(first.keys().copied().collect::<Vec<_>>(), (1..=CLIENTS).collect::<Vec<_>>());
    for (client, done) in &first {
        assert!(done.len() > 10, "client {client}: {done:?}");
        assert_eq!(Some(done), second.get(client), "client {client}");
    }
    assert_ne!(first[&1], first[&2], "and not the same to all of them");
    assert_ne!(first, run(1).await, "another seed, other verdicts");
}

//! How long the client library takes to connect: from nothing to a session that calls may use.

use crate::latency::{Failures, Latencies};
use anyhow::bail;
use mcp_client::{Client, ClientConfig, ClientEvent, Deaf, Identity, Secret, State};
use mcp_protocol::raw_value;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, timeout};

/// Longest time for one connection.
const PATIENCE: Duration = Duration::from_secs(20);

/// Connects so many times, one after the other.
pub(crate) async fn connect(url: &str, token: Option<&str>, count: usize) -> anyhow::Result<Value> {
    let (mut latencies, mut failures) = (Latencies::new()?, Failures::default());
    for _ in 0..count {
        match timeout(PATIENCE, once(url, token)).await {
            Ok(Ok(took)) => latencies.record(took),
            Ok(Err(error)) => failures.add(&error),
            Err(late) => failures.add(&late.into()),
        }
    }
    let mut report = json!({ "latency_ms": latencies.report() });
    failures.tell(&mut report);
    Ok(report)
}

async fn once(url: &str, token: Option<&str>) -> anyhow::Result<Duration> {
    let mut to = ClientConfig::to_url(url);
    if let Some(token) = token {
        to = to.token(&Secret::from(token));
    }
    let config = to.with(|config| config.lists = false).build()?;
    let identity = Identity {
        info: raw_value(&json!({ "name": "mcp-bench", "version": "1" })),
        capabilities: raw_value(&json!({})),
    };
    let begun = Instant::now();
    let client = Client::start(config, identity, Arc::new(Deaf))?;
    let mut events = client.events();
    let took = loop {
        let event = events.recv().await?;
        if let ClientEvent::State { to: State::Connected, .. } = event {
            break begun.elapsed();
        }
        if let ClientEvent::TryFailed { why, .. } = event {
            bail!("{why}");
        }
    };
    client.close().await;
    Ok(took)
}

//! A server's start: from its process to the first handshake, and its memory at rest.

use crate::{
    client::{Client, Target},
    latency::rounded,
    process,
};
use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use std::{process::Stdio, time::Duration};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

/// Longest time that a start may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Time after the first handshake until memory is read.
const REST: Duration = Duration::from_secs(1);
/// A try that comes too early costs a refused connection, some microseconds.
const BETWEEN_TRIES: Duration = Duration::from_micros(200);
/// Longest time that a server may take to stop when asked.
const TO_STOP: Duration = Duration::from_secs(15);

/// Starts `command` that often.
pub(crate) async fn start(
    target: &Target,
    count: usize,
    command: &[String],
) -> anyhow::Result<Value> {
    let (mut times, mut memory) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let begun = Instant::now();
        let mut child = spawn(command)?;
        first_handshake(target, &mut child, begun).await?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
        sleep(REST).await;
        let pid = child.id().context("the server ended")?;
        memory.extend(process::resident(pid));
        stop(pid, &mut child).await?;
    }
    Ok(json!({
        "starts": count,
        "first_handshake_ms": spread(&mut times),
        "rss_kib": spread(&mut memory),
        "errors": 0,
    }))
}

fn spawn(command: &[String]) -> anyhow::Result<Child> {
    let (program, arguments) = command.split_first().context("no command")?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.kill_on_drop(true).spawn().with_context(|| format!("{program} cannot be started"))
}

async fn first_handshake(target: &Target, child: &mut Child, begun: Instant) -> anyhow::Result<()> {
    loop {
        let error = match Client::open(target).await {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        if let Some(status) = child.try_wait()? {
            bail!("the server ended: {status}");
        }
        if begun.elapsed() > PATIENCE {
            return Err(error).context("the server does not come up");
        }
        // tokio's timer is no finer than a millisecond.
        std::thread::sleep(BETWEEN_TRIES);
    }
}

async fn stop(pid: u32, child: &mut Child) -> anyhow::Result<()> {
    let asked = Command::new("kill").arg(pid.to_string()).status().await?;
    if !asked.success() || tokio::time::timeout(TO_STOP, child.wait()).await.is_err() {
        child.kill().await?;
    }
    Ok(())
}

fn spread(values: &mut [f64]) -> Value {
    values.sort_by(f64::total_cmp);
    let at = |index: usize| values.get(index).copied().map(rounded);
    json!({ "median": at(values.len() / 2), "min": at(0), "max": at(values.len().saturating_sub(1)) })
}

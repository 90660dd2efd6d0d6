//! Scrapes of `/metrics`: how long one takes, from its request to its last byte.

use crate::{
    client::{Target, patiently},
    latency::rounded,
};
use anyhow::Context as _;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::Instant,
};

/// How many are timed.
const TIMES: usize = 20;

/// The longest of some scrapes, in milliseconds; `None` of a server that has no metrics.
pub(crate) async fn longest(target: &Target) -> anyhow::Result<Option<f64>> {
    let mut longest = None;
    for _ in 0..TIMES {
        let Some(took) = patiently(one(target)).await? else { return Ok(None) };
        longest = Some(took.max(longest.unwrap_or_default()));
    }
    Ok(longest.map(rounded))
}

async fn one(target: &Target) -> anyhow::Result<Option<f64>> {
    let mut socket = target.connect().await?;
    let token = match &target.authorization {
        Some(token) => format!("Authorization: {}\r\n", token.to_str().context("no text")?),
        None => String::new(),
    };
    let request = format!(
        "GET /metrics HTTP/1.1\r\nHost: {}\r\n{token}Connection: close\r\n\r\n",
        target.authority
    );
    let (start, mut answer) = (Instant::now(), Vec::new());
    socket.write_all(request.as_bytes()).await?;
    socket.read_to_end(&mut answer).await?;
    let took = start.elapsed().as_secs_f64() * 1e3;
    Ok(answer.starts_with(b"HTTP/1.1 200").then_some(took))
}

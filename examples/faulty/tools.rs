//! The tools of the oracle, and in which ways they can be broken.

use crate::{fault::Fault, upstream::Upstream};
use mcp_protocol::{RpcError, code};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::{self, Write},
    path::PathBuf,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::sleep;

/// Which run is hit where only some are: each of so many.
const EACH: u64 = 5;
/// How long the tools are away after the process behind them died.
const AWAY: Duration = Duration::from_millis(1_500);
/// Longest run.
const LONGEST_RUN: u64 = 60_000;
/// Most keys that are counted.
const MOST_KEYS: usize = 1_000_000;

/// The tools.
pub(crate) struct Tools {
    fault: Option<Fault>,
    upstream: Upstream,
    ran: Mutex<BTreeMap<String, u64>>,
    /// Where each run is written down, so that the count outlives the process.
    counts: Option<PathBuf>,
    runs: AtomicU64,
}

impl Tools {
    pub(crate) fn new(fault: Option<Fault>, counts: Option<PathBuf>) -> io::Result<Self> {
        let mut ran = BTreeMap::new();
        let before = counts.as_ref().filter(|file| file.exists()).map(fs::read_to_string);
        for key in before.transpose()?.iter().flat_map(|text| text.lines()) {
            *ran.entry(key.to_owned()).or_default() += 1;
        }
        let (upstream, ran) = (Upstream::start()?, Mutex::new(ran));
        Ok(Self { fault, upstream, ran, counts, runs: AtomicU64::default() })
    }

    /// The result of `tools/list`.
    pub(crate) async fn list(&self) -> io::Result<Value> {
        let tools = if self.are_there().await? { all() } else { json!([]) };
        Ok(json!({ "tools": tools }))
    }

    /// Calls one.
    pub(crate) async fn call(&self, params: &Value) -> Result<Value, RpcError> {
        let unknown =
            || RpcError::new(code::INVALID_PARAMS, format!("no tool is named {}", params["name"]));
        if !self.are_there().await.map_err(failed)? {
            return Err(unknown());
        }
        self.upstream.alive().await.map_err(failed)?;
        let arguments = &params["arguments"];
        match params["name"].as_str() {
            Some("oracle_run") => self.run(arguments).await,
            Some("oracle_count") => Ok(text(&self.count(arguments))),
            _ => Err(unknown()),
        }
    }

    /// Whether the tools are there. A correct server has them whatever died.
    async fn are_there(&self) -> io::Result<bool> {
        if self.fault == Some(Fault::DropTools) {
            return self.upstream.alive_after(AWAY).await;
        }
        Ok(true)
    }

    async fn run(&self, arguments: &Value) -> Result<Value, RpcError> {
        let missing = || RpcError::new(code::INVALID_PARAMS, "`key` is missing".to_owned());
        let key = arguments["key"].as_str().ok_or_else(missing)?;
        let wait = arguments["ms"].as_u64().unwrap_or(0).min(LONGEST_RUN);
        let is_hit = self.runs.fetch_add(1, Ordering::Relaxed) % EACH == EACH - 1;
        self.note(key).map_err(failed)?;
        sleep(Duration::from_millis(wait)).await;
        match self.fault.filter(|_| is_hit) {
            Some(Fault::RunTwice) => self.note(key).map_err(failed)?,
            Some(Fault::HangCall) => std::future::pending().await,
            _ => {}
        }
        Ok(text(key))
    }

    fn note(&self, key: &str) -> io::Result<()> {
        if let Some(file) = &self.counts {
            let mut file = OpenOptions::new().create(true).append(true).open(file)?;
            file.write_all(format!("{}\n", key.replace('\n', " ")).as_bytes())?;
        }
        let mut ran = self.lock();
        if ran.len() < MOST_KEYS || ran.contains_key(key) {
            *ran.entry(key.to_owned()).or_default() += 1;
        }
        Ok(())
    }

    fn count(&self, arguments: &Value) -> String {
        let prefix = arguments["prefix"].as_str().unwrap_or_default();
        let ran = self.lock();
        let counted = ran.iter().filter(|(key, _)| key.starts_with(prefix));
        json!(counted.collect::<BTreeMap<_, _>>()).to_string()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.ran.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn all() -> Value {
    let text = json!({ "type": "string" });
    json!([
        {
            "name": "oracle_run",
            "description": "Runs once under a key, and takes that long",
            "inputSchema": {
                "type": "object", "required": ["key"],
                "properties": { "key": text, "ms": { "type": "integer", "minimum": 0 } },
            },
            "annotations": { "readOnlyHint": false, "idempotentHint": false },
        },
        {
            "name": "oracle_count",
            "description": "Tells how often each key that begins so ran",
            "inputSchema": {
                "type": "object", "required": ["prefix"], "properties": { "prefix": text },
            },
            "annotations": { "readOnlyHint": true, "idempotentHint": true },
        },
    ])
}

fn failed(error: io::Error) -> RpcError {
    RpcError::new(code::INTERNAL, error.to_string())
}

fn text(text: &str) -> Value {
    json!({ "content": [{ "type": "text", "text": text }] })
}

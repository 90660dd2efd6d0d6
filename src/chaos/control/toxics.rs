//! The words of toxiproxy for those who know them: its toxics are read as faults of ours, and
//! faults are shown as toxics. There is one proxy, called `mcp`.
//!
//! What is not the same: a toxic has no schedule, so it is in force at once; `toxicity` is the share
//! of connections there, and here that of messages for what is done to messages.

use super::routes::{State, ok, wrong};
use crate::{ChaosError, Direction, Fault, FaultState};
use axum::{
    Router,
    body::Bytes,
    extract::{Path, State as Of},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use tokio::time::Instant;

const PROXY: &str = "mcp";

type Shared = Of<Arc<State>>;

/// A toxic as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Toxic {
    name: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    /// Downstream, where it is not named and there is a choice.
    stream: Option<Direction>,
    #[serde(default = "one")]
    toxicity: f64,
    #[serde(default)]
    attributes: Map<String, Value>,
}

const fn one() -> f64 {
    1.0
}

pub(super) fn router() -> Router<Arc<State>> {
    Router::new()
        .route("/proxies", get(proxies))
        .route("/proxies/{proxy}", get(proxy))
        .route("/proxies/{proxy}/toxics", get(list).post(add))
        .route("/proxies/{proxy}/toxics/{toxic}", get(toxic).delete(remove))
}

async fn proxies(Of(state): Shared) -> Response {
    ok(&json!({ PROXY: shown(&state) }))
}

async fn proxy(Of(state): Shared, Path(name): Path<String>) -> Response {
    known(&name).map_or_else(|error| wrong(&error), |()| ok(&shown(&state)))
}

async fn list(Of(state): Shared, Path(name): Path<String>) -> Response {
    let toxics = || state.book.list().iter().map(as_toxic).collect::<Vec<_>>();
    known(&name).map_or_else(|error| wrong(&error), |()| ok(&toxics()))
}

async fn toxic(Of(state): Shared, Path((proxy, name)): Path<(String, String)>) -> Response {
    let found = state.book.list().into_iter().find(|found| found.fault.name == name);
    let found = known(&proxy).and_then(|()| found.ok_or(ChaosError::Unknown(name)));
    found.map_or_else(|error| wrong(&error), |found| ok(&as_toxic(&found)))
}

async fn add(Of(state): Shared, Path(name): Path<String>, body: Bytes) -> Response {
    let added = known(&name).and_then(|()| read(&body)).and_then(|fault| {
        let name = fault.name.clone();
        state.book.add(fault, Instant::now()).map(|()| name)
    });
    match added {
        Ok(name) => {
            let found = state.book.list().into_iter().find(|found| found.fault.name == name);
            ok(&found.as_ref().map(as_toxic))
        }
        Err(error) => wrong(&error),
    }
}

async fn remove(Of(state): Shared, Path((proxy, name)): Path<(String, String)>) -> Response {
    match known(&proxy).and_then(|()| state.book.remove(&name)) {
        Ok(_) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => wrong(&error),
    }
}

fn known(proxy: &str) -> Result<(), ChaosError> {
    if proxy == PROXY {
        return Ok(());
    }
    Err(ChaosError::Unknown(format!("{proxy}` of a proxy: there is one proxy, `{PROXY}")))
}

fn shown(state: &State) -> Value {
    let toxics: Vec<Value> = state.book.list().iter().map(as_toxic).collect();
    let State { listen, upstream, .. } = state;
    json!({"name": PROXY, "listen": listen, "upstream": upstream, "enabled": true, "toxics": toxics})
}

/// Reads a toxic as a fault.
fn read(body: &[u8]) -> Result<Fault, ChaosError> {
    let invalid = |error: serde_json::Error| ChaosError::Invalid(error.to_string());
    let toxic: Toxic = serde_json::from_slice(body).map_err(invalid)?;
    let stream = if toxic.stream == Some(Direction::Up) { "upstream" } else { "downstream" };
    let name = toxic.name.unwrap_or_else(|| format!("{}_{stream}", toxic.kind));
    let (kind, mut keys) = translated(&toxic.kind, toxic.attributes)?;
    // What is done to a whole connection has no direction here.
    if toxic.stream.is_some() && !["half_open", "reset"].contains(&kind.as_str()) {
        keys.insert("direction".to_owned(), stream.into());
    }
    keys.insert("name".to_owned(), name.into());
    keys.insert("kind".to_owned(), kind.into());
    keys.insert("share".to_owned(), toxic.toxicity.into());
    Fault::read(keys)
}

/// The kind and the keys of ours for a toxic's type and attributes. What is no toxic is taken for
/// a kind of ours.
fn translated(
    toxic: &str,
    attributes: Map<String, Value>,
) -> Result<(String, Map<String, Value>), ChaosError> {
    let of =
        |name: &str, unit: &str| attributes.get(name).map(|value| json!(format!("{value}{unit}")));
    let plain = |name: &str| attributes.get(name).cloned();
    let known: &[&str];
    let (kind, keys) = match toxic {
        "latency" => {
            known = &["latency", "jitter"];
            ("latency", vec![("delay", of("latency", "ms")), ("jitter", of("jitter", "ms"))])
        }
        "bandwidth" => {
            known = &["rate"];
            let rate = attributes.get("rate").and_then(Value::as_u64);
            ("bandwidth", vec![("rate", rate.map(|rate| json!(rate.saturating_mul(1_000))))])
        }
        "slow_close" => {
            known = &["delay"];
            ("slow_close", vec![("delay", of("delay", "ms"))])
        }
        "timeout" => {
            known = &["timeout"];
            let timeout = of("timeout", "ms").filter(|timeout| timeout != "0ms");
            ("half_open", vec![("timeout", timeout)])
        }
        "reset_peer" => {
            known = &["timeout"];
            ("reset", vec![("after", of("timeout", "ms"))])
        }
        "slicer" => {
            known = &["average_size", "size_variation", "delay"];
            let sizes =
                vec![("size", plain("average_size")), ("variation", plain("size_variation"))];
            ("slice", [sizes, vec![("gap", of("delay", "us"))]].concat())
        }
        "limit_data" => {
            known = &["bytes"];
            ("cut", vec![("after", plain("bytes")), ("how", Some("close".into()))])
        }
        own => return Ok((own.to_owned(), attributes)),
    };
    if let Some(unknown) = attributes.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(ChaosError::Invalid(format!(
            "toxic `{toxic}` has no attribute `{unknown}`: {}",
            known.join(", ")
        )));
    }
    let keys = keys.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Ok((kind.to_owned(), keys.collect()))
}

/// A fault in the form of a toxic, with its own kind and keys.
fn as_toxic(found: &FaultState) -> Value {
    let Fault { name, kind, direction, share, .. } = &found.fault;
    let stream = if *direction == Direction::Up { "upstream" } else { "downstream" };
    json!({
        "name": name, "type": kind.name(), "stream": stream, "toxicity": share,
        "attributes": kind.parameters(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_toxic_is_read_as_a_fault() {
        let read = |text: &str| {
            let fault = read(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
            serde_json::to_value(fault).expect("JSON")
        };
        for (toxic, fault) in [
            (
                json!({"type": "latency", "stream": "upstream", "toxicity": 0.5, "attributes": {"latency": 100, "jitter": 50}}),
                json!({"name": "latency_upstream", "kind": "latency", "direction": "up", "share": 0.5, "delay": "100ms", "jitter": "50ms", "correlation": 0.0}),
            ),
            (
                json!({"type": "bandwidth", "attributes": {"rate": 5}}),
                json!({"kind": "bandwidth", "rate": 5_000}),
            ),
            (
                json!({"type": "slow_close", "attributes": {"delay": 5}}),
                json!({"kind": "slow_close", "delay": "5ms"}),
            ),
            (
                json!({"type": "timeout", "attributes": {"timeout": 5}}),
                json!({"kind": "half_open", "timeout": "5ms", "direction": "both"}),
            ),
            (
                json!({"type": "reset_peer", "attributes": {"timeout": 5}}),
                json!({"kind": "reset", "after": "5ms", "direction": "both"}),
            ),
            (
                json!({"type": "slicer", "attributes": {"average_size": 10, "size_variation": 2, "delay": 50}}),
                json!({"kind": "slice", "size": 10, "variation": 2, "gap": "50us"}),
            ),
            (
                json!({"type": "limit_data", "attributes": {"bytes": 9}}),
                json!({"kind": "cut", "after": 9, "how": "close"}),
            ),
            (
                json!({"type": "session_lost", "stream": "upstream"}),
                json!({"kind": "session_lost"}),
            ),
        ] {
            let seen = read(&toxic.to_string());
            for (key, expected) in fault.as_object().expect("keys") {
                let default = key == "correlation" && seen.get(key).is_none();
                assert!(default || seen.get(key) == Some(expected), "{toxic}: {key} in {seen}");
            }
        }
    }

    #[test]
    fn an_attribute_that_is_not_known_is_an_error() {
        for text in [
            r#"{"type": "latency", "attributes": {"latencey": 1}}"#,
            r#"{"type": "latency", "attribute": {}}"#,
            r#"{"type": "nope"}"#,
        ] {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
    }
}

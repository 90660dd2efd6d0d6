//! Sessions as JSON: a list, one of them, and how they are as a whole. The main token sees all of
//! them; every other principal sees its own.

use super::{super::Shared, Here, json_answer, let_in, plain_rejection, store, store_state};
use crate::{
    call::{Principal, Refusal, Rejection},
    pipeline::{Listed, Seen, Stages, Wanted},
};
use axum::{
    extract::State,
    http::{StatusCode, request::Parts},
    response::Response,
};
use mcp_store::{HistoryRow, StatusWord, StoreError};
use serde_json::{Value, json};
use std::time::Duration;

const LIMIT: usize = 100;
const MOST: usize = 1_000;

pub(in super::super) async fn list(State(shared): Here, parts: Parts) -> Response {
    answered(listed(&shared, &parts).await)
}

pub(in super::super) async fn show(State(shared): Here, parts: Parts) -> Response {
    answered(shown(&shared, &parts).await)
}

pub(in super::super) async fn health(State(shared): Here, parts: Parts) -> Response {
    let answer = match let_in(&shared, &parts).await {
        Ok(_) => Ok(state_of_all(&shared.stages).await),
        Err(rejection) => Err(rejection),
    };
    answered(answer)
}

fn answered(answer: Result<Value, Rejection>) -> Response {
    match answer {
        Ok(body) => json_answer(StatusCode::OK, &body),
        Err(rejection) => plain_rejection(&rejection),
    }
}

async fn listed(shared: &Shared, parts: &Parts) -> Result<Value, Rejection> {
    let (principal, stages) = (let_in(shared, parts).await?, &shared.stages);
    let Some(wanted) = wanted(parts.uri.query().unwrap_or_default(), &principal)? else {
        return Ok(json!({ "sessions": [], "more": false }));
    };
    let is_durable = stages.sessions.store().is_durable();
    Ok(page(&stages.list_sessions(wanted).await, is_durable))
}

fn page(listed: &Listed, is_durable: bool) -> Value {
    let render = |seen| render(seen, is_durable);
    let sessions: Vec<Value> = listed.sessions.iter().map(render).collect();
    let mut page = json!({ "sessions": sessions, "more": listed.more });
    if let Some(error) = &listed.missing {
        page["incomplete"] = json!(format!("Only sessions in memory are listed: {error}"));
    }
    page
}

async fn shown(shared: &Shared, parts: &Parts) -> Result<Value, Rejection> {
    let (principal, stages) = (let_in(shared, parts).await?, &shared.stages);
    let id = parts.uri.path().rsplit('/').next().unwrap_or_default();
    let own = (!principal.is_operator()).then(|| principal.name());
    let found = stages.see_session(id, own).await.map_err(|error| away(&error))?;
    let (seen, history) = found.ok_or_else(|| {
        Rejection::new(
            Refusal::NotFound,
            "There is no such session: it was never opened here, it is older than `store.history`, or another principal's.",
        )
    })?;
    let is_durable = stages.sessions.store().is_durable();
    let mut body = render(&seen, is_durable);
    body["history"] = history.iter().map(HistoryRow::to_json).collect();
    Ok(body)
}

fn away(error: &StoreError) -> Rejection {
    Rejection::new(Refusal::StoreAway, format!("The store of sessions cannot be read: {error}"))
        .retry_after(Duration::from_secs(1))
}

/// A session; `is_durable` if what the store has outlives the process.
fn render(seen: &Seen, is_durable: bool) -> Value {
    let facts = match seen {
        Seen::Stored(record) => {
            let mut body = record.to_json(is_durable);
            body["live"] = Value::Null;
            return body;
        }
        Seen::Here(facts) => facts,
    };
    let mut body = facts.record.to_json(facts.is_durable);
    body["live"] = json!({
        "calls_in_flight": facts.calls_in_flight,
        "open_streams": facts.open_streams,
        "round_trip_ms": facts.round_trip.map(|time| time.as_secs_f64() * 1_000.0),
    });
    body
}

/// What the query asks for; nothing if it asks for sessions that are not to be seen.
fn wanted(query: &str, principal: &Principal) -> Result<Option<Wanted>, Rejection> {
    let mut wanted = Wanted { status: None, principal: None, limit: LIMIT };
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*key {
            "status" => wanted.status = Some(status(&value)?),
            "principal" => wanted.principal = Some(value.as_ref().into()),
            "limit" => wanted.limit = limit(&value)?,
            _ => return Err(invalid("The query takes `status`, `principal` and `limit`.")),
        }
    }
    if !principal.is_operator() {
        if wanted.principal.is_some_and(|asked| *asked != *principal.name()) {
            return Ok(None);
        }
        wanted.principal = Some(principal.shared_name());
    }
    Ok(Some(wanted))
}

fn status(text: &str) -> Result<StatusWord, Rejection> {
    let words = [StatusWord::Active, StatusWord::Disconnected];
    let found = words.into_iter().find(|word| word.as_str() == text);
    found.ok_or_else(|| invalid("`status` is `active` or `disconnected`."))
}

fn limit(text: &str) -> Result<usize, Rejection> {
    let limit = text.parse().ok().filter(|limit| (1..=MOST).contains(limit));
    limit.ok_or_else(|| invalid("`limit` is a whole number from 1 to 1000."))
}

fn invalid(sentence: &'static str) -> Rejection {
    Rejection::new(Refusal::InvalidQuery, sentence)
}

/// How many sessions there are, for the status page.
pub(super) fn summary(stages: &Stages) -> Value {
    let census = stages.sessions.census();
    json!({
        "active": census.active,
        "inHandshake": census.in_handshake,
        "notPersisted": census.active - census.persisted,
    })
}

async fn state_of_all(stages: &Stages) -> Value {
    let disconnected = stages.disconnected_sessions().await.ok();
    let (census, limits) = (stages.sessions.census(), stages.limits.now());
    let is_well = disconnected.is_some() && store_state(&stages.sessions.store().health()) == "ok";
    let active = u64::try_from(census.active).unwrap_or(u64::MAX);
    json!({
        "status": if is_well { "ok" } else { "degraded" },
        "status_breakdown": {
            "active": active,
            "disconnected": disconnected,
            "total": disconnected.map_or(active, |disconnected| active + disconnected),
        },
        "active": {
            "in_handshake": census.in_handshake,
            "with_calls_in_flight": census.with_calls_in_flight,
            "with_open_streams": census.with_open_streams,
            "persisted": census.persisted,
        },
        "limits": {
            "sessions": limits.sessions,
            "session_idle_seconds": limits.session_idle.as_secs_f64(),
            "session_sweep_seconds": limits.session_sweep.as_secs_f64(),
            "handshake_timeout_seconds": limits.handshake_timeout.as_secs_f64(),
            "resume_window_seconds": limits.resume_window.as_secs_f64(),
        },
        "store": store(stages),
    })
}

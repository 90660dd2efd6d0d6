//! The endpoint: one message a POST, an event stream for each call, GET to read one again.

use crate::{
    exchange::{answer, initialized},
    fault::Fault,
    session::{Answer, Sessions},
    tools::Tools,
};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::post,
};
use futures_util::{Stream, StreamExt, stream};
use mcp_protocol::{RpcError, code};
use serde_json::{Value, json};
use std::{convert::Infallible, io, path::PathBuf, sync::Arc};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

const SESSION: &str = "mcp-session-id";
const LAST_EVENT: &str = "last-event-id";
/// After how many requests a session is forgotten where that is the fault.
const FORGETS_AFTER: u32 = 10;
/// How soon a client may come back to a stream, in milliseconds.
const RETRY_MS: u32 = 500;

struct Server {
    fault: Option<Fault>,
    tools: Tools,
    sessions: Sessions,
    /// Calls go on when their client has gone.
    calls: TaskTracker,
}

/// The endpoint at `/mcp`.
pub(crate) fn router(fault: Option<Fault>, counts: Option<PathBuf>) -> io::Result<Router> {
    let lasts = (fault == Some(Fault::ForgetSessions)).then_some(FORGETS_AFTER);
    let sessions = Sessions::that_last(lasts);
    let calls = TaskTracker::new();
    let server = Arc::new(Server { fault, tools: Tools::new(fault, counts)?, sessions, calls });
    Ok(Router::new().route("/mcp", post(message).get(listen).delete(end)).with_state(server))
}

async fn message(State(server): State<Arc<Server>>, headers: HeaderMap, body: Bytes) -> Response {
    let Ok(message) = serde_json::from_slice::<Value>(&body) else {
        return refuse(StatusCode::BAD_REQUEST, &Value::Null, code::PARSE, "no JSON");
    };
    let id = &message["id"];
    if message["method"] == "initialize" {
        return open(&server, id, &message["params"]);
    }
    let Some(session) = word(&headers, SESSION) else {
        let said = "a session begins with initialize";
        return refuse(StatusCode::BAD_REQUEST, id, code::INVALID_REQUEST, said);
    };
    if !server.sessions.request(&session) {
        return not_found(id);
    }
    // A notification, or an answer to a question that was never asked.
    if id.is_null() || message["method"].is_null() {
        return StatusCode::ACCEPTED.into_response();
    }
    match message["method"].as_str().unwrap_or_default() {
        "ping" => json_answer(id, Ok(json!({}))),
        "tools/list" => json_answer(id, server.tools.list().await.map_err(internal)),
        "tools/call" => call(&server, &session, message),
        other => {
            let error = RpcError::new(code::METHOD_NOT_FOUND, format!("{other} is not known"));
            json_answer(id, Err(error))
        }
    }
}

fn open(server: &Server, id: &Value, params: &Value) -> Response {
    match server.sessions.open() {
        Ok(session) => {
            ([(SESSION, session)], json_answer(id, Ok(initialized(params)))).into_response()
        }
        Err(error) => json_answer(id, Err(internal(error))),
    }
}

/// Begins a call; its stream starts with an event without data, so that it can be resumed.
fn call(server: &Arc<Server>, session: &str, message: Value) -> Response {
    let (done, answered) = watch::channel(None);
    let Some(number) = server.sessions.begin(session, answered.clone()) else {
        return not_found(&message["id"]);
    };
    let at_work = Arc::clone(server);
    server.calls.spawn(async move {
        let result = at_work.tools.call(&message["params"]).await;
        done.send_replace(Some(answer(&message["id"], result)));
    });
    let first = format!("id: {number}-0\nretry: {RETRY_MS}\ndata: \n\n");
    events(stream::iter([first]).chain(the_answer(number, answered)))
}

/// The event that ends the stream of a call.
fn the_answer(number: u64, mut answered: Answer) -> impl Stream<Item = String> + Send + 'static {
    let event = async move {
        let answer = answered.wait_for(Option::is_some).await.ok()?.clone()?;
        Some(format!("id: {number}-1\ndata: {answer}\n\n"))
    };
    stream::once(event).filter_map(std::future::ready)
}

/// The general stream, on which nothing is ever said; or that of a call, once more.
async fn listen(State(server): State<Arc<Server>>, headers: HeaderMap) -> Response {
    let Some(session) = word(&headers, SESSION) else {
        let said = "a session begins with initialize";
        return refuse(StatusCode::BAD_REQUEST, &Value::Null, code::INVALID_REQUEST, said);
    };
    if !server.sessions.request(&session) {
        return not_found(&Value::Null);
    }
    let Some(last) = word(&headers, LAST_EVENT) else {
        return events(stream::pending());
    };
    if server.fault == Some(Fault::LoseResult) {
        return events(stream::empty());
    }
    let place = last.split_once('-').and_then(|(number, at)| Some((number.parse().ok()?, at)));
    match place
        .and_then(|(number, at)| Some((number, server.sessions.answer(&session, number)?, at)))
    {
        Some((number, answered, "0")) => events(the_answer(number, answered)),
        Some(_) => events(stream::empty()),
        None => {
            refuse(StatusCode::BAD_REQUEST, &Value::Null, code::INVALID_REQUEST, "no such event")
        }
    }
}

async fn end(State(server): State<Arc<Server>>, headers: HeaderMap) -> Response {
    let ended = word(&headers, SESSION).is_some_and(|session| server.sessions.end(&session));
    if ended { StatusCode::NO_CONTENT.into_response() } else { not_found(&Value::Null) }
}

fn word(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(ToOwned::to_owned)
}

fn internal(error: io::Error) -> RpcError {
    RpcError::new(code::INTERNAL, error.to_string())
}

fn not_found(id: &Value) -> Response {
    refuse(StatusCode::NOT_FOUND, id, code::SESSION_NOT_FOUND, "the session is not known")
}

fn refuse(status: StatusCode, id: &Value, code: i64, said: &str) -> Response {
    (status, json_answer(id, Err(RpcError::new(code, said.to_owned())))).into_response()
}

fn json_answer(id: &Value, result: Result<Value, RpcError>) -> Response {
    ([(CONTENT_TYPE, "application/json")], answer(id, result)).into_response()
}

fn events(events: impl Stream<Item = String> + Send + 'static) -> Response {
    let body = Body::from_stream(events.map(Ok::<_, Infallible>));
    ([(CONTENT_TYPE, "text/event-stream")], body).into_response()
}

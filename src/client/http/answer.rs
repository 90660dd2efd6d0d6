//! What the server answers to a POST.

use super::{
    link::{Link, reason},
    resume,
    stream::{lost, take},
};
use crate::{
    ClientError,
    incoming::{self, Incoming},
    prepare::Outgoing,
};
use http::{
    HeaderMap, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use mcp_protocol::{Era, Message, Payload, Response as Answer, RpcError, code};
use reqwest::Response;
use std::time::Duration;

/// Largest body of an error status that is read.
const ERROR_BODY: usize = 256 << 10;

/// What a response's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// One JSON text.
    Json,
    /// A stream of events.
    Stream,
    /// Anything else.
    Other,
}

/// What a response's body is.
pub(super) fn kind(headers: &HeaderMap) -> Kind {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/json" => Kind::Json,
        "text/event-stream" => Kind::Stream,
        _ => Kind::Other,
    }
}

/// Reads the answer to a call.
pub(super) async fn read(
    link: &Link,
    response: Response,
    call: &Outgoing,
) -> Result<Payload, ClientError> {
    let status = response.status();
    if !status.is_success() {
        return refused(link, response, Some(call)).await;
    }
    match kind(response.headers()) {
        Kind::Stream => resume::follow(link, response, call).await,
        Kind::Json => in_body(link, response, call).await,
        Kind::Other => {
            Err(ClientError::Protocol(format!("HTTP {status} without an answer to the request")))
        }
    }
}

/// Reads the answer to what wants none.
pub(super) async fn accepted(link: &Link, response: Response) -> Result<(), ClientError> {
    if response.status().is_success() {
        return Ok(());
    }
    refused(link, response, None).await.map(|_answer| ())
}

async fn in_body(link: &Link, response: Response, call: &Outgoing) -> Result<Payload, ClientError> {
    let body = body(response, link.max_message).await?;
    let mut answer = None;
    for item in incoming::read(&body) {
        if let Incoming::Bad { reason, answers: None } = item {
            return Err(ClientError::Protocol(reason));
        }
        answer = take(link, Some(call), item).or(answer);
    }
    answer.unwrap_or_else(|| {
        Err(ClientError::Protocol("the body holds no answer to the request".to_owned()))
    })
}

/// An error status: a JSON-RPC error in its body is the answer, where it may be one.
async fn refused(
    link: &Link,
    response: Response,
    call: Option<&Outgoing>,
) -> Result<Payload, ClientError> {
    let status = response.status();
    let retry_after = retry_after(response.headers());
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            return Err(ClientError::Auth { status: status.as_u16() });
        }
        StatusCode::NOT_FOUND if link.has_session() => return Err(session_lost(link)),
        _ => {}
    }
    let failed = ClientError::Http { status: status.as_u16(), retry_after };
    if status == StatusCode::TOO_MANY_REQUESTS {
        return Err(failed);
    }
    let Ok(body) = body(response, ERROR_BODY).await else { return Err(failed) };
    let error = incoming::read(&body).into_iter().find_map(|item| rpc_error(item, status, call));
    match error {
        Some(error) if is_session_lost(link, status, &error) => Err(session_lost(link)),
        Some(error) if call.is_some() => Ok(Err(error)),
        Some(_) | None => Err(failed),
    }
}

fn rpc_error(item: Incoming, status: StatusCode, call: Option<&Outgoing>) -> Option<RpcError> {
    let Incoming::Message(Message::Response(Answer { id, payload: Err(error) })) = item else {
        return None;
    };
    let ours = match &id {
        Some(id) => incoming::our_number(id) == call.map(|call| call.id),
        None => !status.is_server_error(),
    };
    (ours || call.is_none()).then_some(error)
}

/// Many servers, the reference one among them, answer 400 where the specification wants 404.
/// They do so before they look at the message.
fn is_session_lost(link: &Link, status: StatusCode, error: &RpcError) -> bool {
    let habit = [-32000, code::SESSION_NOT_FOUND, code::INVALID_REQUEST].contains(&error.code);
    let speaks_of_it = error.message.to_ascii_lowercase().contains("session");
    status == StatusCode::BAD_REQUEST
        && link.has_session()
        && link.era() == Some(Era::Legacy)
        && habit
        && speaks_of_it
}

/// Ends the connection: its session is gone.
pub(super) fn session_lost(link: &Link) -> ClientError {
    link.fate.end(ClientError::SessionLost);
    link.questions.withdraw_all();
    ClientError::SessionLost
}

/// `Retry-After` in seconds; dates are not read.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

async fn body(mut response: Response, limit: usize) -> Result<Vec<u8>, ClientError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| lost(reason(&error)))? {
        if body.len() + chunk.len() > limit {
            return Err(ClientError::TooLarge { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

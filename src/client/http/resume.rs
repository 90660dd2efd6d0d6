//! A call's own stream to its end: resumed where it broke, if the server can.

use super::{
    answer::{self, Kind},
    link::Link,
    stream::{Broken, Events, Place, lost, messages, take},
};
use crate::{ClientError, prepare::Outgoing};
use http::StatusCode;
use mcp_protocol::{Era, Payload};
use reqwest::Response;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// How often in a row a stream is resumed in vain.
const TRIES: u32 = 5;
/// How long to wait before a stream is resumed, unless the server said.
const PAUSE: Duration = Duration::from_millis(500);
/// Longest wait a server may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A resumed stream that lasted this long was no vain try, though nothing came.
const LASTED: Duration = Duration::from_secs(1);
/// How long a stream has to end after its answer, so that its connection can be used again.
const TO_END: Duration = Duration::from_secs(1);

/// Reads a call's stream until its answer comes.
pub(super) async fn follow(
    link: &Link,
    response: Response,
    call: &Outgoing,
) -> Result<Payload, ClientError> {
    let mut place = Place::default();
    let mut broken = match read(link, response, call, &mut place).await {
        Ok(answer) => return answer,
        Err(broken) => broken,
    };
    let mut tries = 0;
    loop {
        let reason = match broken {
            Broken::Lost(reason) => reason,
            Broken::TooLarge => return Err(ClientError::TooLarge { limit: link.max_message }),
        };
        tries += 1;
        let last_id =
            place.last_id.clone().filter(|_| link.era() != Some(Era::Modern) && tries <= TRIES);
        let Some(last_id) = last_id else { return Err(lost(reason)) };
        sleep(place.retry.unwrap_or(PAUSE).min(LONGEST_PAUSE)).await;
        let started = Instant::now();
        broken = match reopen(link, &last_id).await? {
            Ok(response) => match read(link, response, call, &mut place).await {
                Ok(answer) => return answer,
                Err(broken) => broken,
            },
            Err(reason) => Broken::Lost(reason),
        };
        if place.last_id.as_deref() != Some(last_id.as_str()) || started.elapsed() >= LASTED {
            tries = 0;
        }
    }
}

/// Opens the stream again. The outer error is for good, the inner one for now.
async fn reopen(link: &Link, last_id: &str) -> Result<Result<Response, String>, ClientError> {
    let response = match link.get(Some(last_id)).await {
        Ok(response) => response,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let status = response.status();
    if status.is_success() && answer::kind(response.headers()) == Kind::Stream {
        return Ok(Ok(response));
    }
    if status == StatusCode::NOT_FOUND && link.has_session() {
        answer::session_lost(link);
    }
    let reason = format!("the stream cannot be resumed: HTTP {status}");
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        Ok(Err(reason))
    } else {
        Err(lost(reason))
    }
}

async fn read(
    link: &Link,
    response: Response,
    call: &Outgoing,
    place: &mut Place,
) -> Result<Result<Payload, ClientError>, Broken> {
    let mut events = Events::new(response, link.max_message);
    loop {
        let event = events.next(place).await?;
        let mut answer = None;
        for item in messages(&event) {
            answer = take(link, Some(call), item).or(answer);
        }
        if let Some(answer) = answer {
            drain(link, events.into_response());
            return Ok(answer);
        }
    }
}

/// Reads to the end what a server that is done has left to say: nothing.
fn drain(link: &Link, mut response: Response) {
    let stop = link.stop.clone();
    let to_end = async move { while let Ok(Some(_)) = response.chunk().await {} };
    link.tasks.spawn(async move {
        tokio::select! {
            _ended = timeout(TO_END, to_end) => {}
            () = stop.cancelled() => {}
        }
    });
}

//! Frames in and out, heartbeat, and the end of a socket. One task serves one socket: its calls
//! run in it side by side, and a client that does not read holds up nobody but itself.

use super::{
    ending::{Ending, lost, server_closes, slow, too_late, unread},
    link::Link,
    pass::Pass,
};
use crate::{
    call::{Found, Next, within},
    config::Limits,
    pipeline::{Arrival, Stages},
    session::CameFrom,
};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use mcp_telemetry::{Direction, Event, Limit, Reason, Transport};
use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    time::Duration,
};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message, Utf8Bytes,
        error::CapacityError,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

/// Longest time for the closing handshake.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// When to ask whether the client is there, and until when it must have answered.
struct Heartbeat {
    every: Duration,
    within: Duration,
    next: Instant,
    asked_at: Option<Instant>,
}

impl Heartbeat {
    fn new(limits: &Limits) -> Self {
        let (every, within) = (limits.heartbeat, limits.heartbeat_timeout);
        Self { every, within, next: Instant::now() + every, asked_at: None }
    }

    fn due(&self) -> Instant {
        self.asked_at.map_or(self.next, |asked| asked + self.within)
    }

    fn asked(&mut self) {
        let now = Instant::now();
        self.asked_at = Some(now);
        self.next = now + self.every;
    }

    fn answered(&mut self, link: &Link) {
        if let Some(asked) = self.asked_at.take() {
            let (transport, elapsed) = (Transport::Websocket, asked.elapsed());
            link.telemetry().emit(&Event::HeartbeatAnswered { transport, elapsed });
            link.note_round_trip(elapsed);
        }
    }
}

/// Serves a socket to its end.
pub(super) async fn serve(
    mut socket: Socket,
    stages: Arc<Stages>,
    (arrival, came_from): (Arrival, CameFrom),
    mut pass: Pass,
) {
    let _open = stages.telemetry.socket_opened(Transport::Websocket);
    let mut link = Link::new(Arc::clone(&stages), arrival, came_from);
    let ending = run(&mut socket, &mut link, &mut pass, &stages).await;
    if let Some(limit) = ending.limit {
        stages.over_limit(limit);
    }
    // A client that does not take the close frame is cut.
    let _closed = timeout(CLOSE_WITHIN, close(&mut socket, &ending)).await.is_ok();
    link.end(&ending);
}

/// Sends the close frame, or the answer to that of the client, which the library has made.
async fn close(socket: &mut Socket, ending: &Ending) -> Result<(), Error> {
    match ending.close {
        Some((code, sentence)) => {
            let frame = CloseFrame { code, reason: Utf8Bytes::from_static(sentence) };
            socket.close(Some(frame)).await
        }
        None if ending.reason == Reason::ClientClosed => socket.flush().await,
        None => Ok(()),
    }
}

async fn run(socket: &mut Socket, link: &mut Link, pass: &mut Pass, stages: &Stages) -> Ending {
    let mut heartbeat = Heartbeat::new(&stages.limits.now());
    let settled_by = Instant::now() + stages.limits.now().handshake_timeout;
    loop {
        if let Some(ending) = talk(socket, link, pass, (&mut heartbeat, settled_by)).await {
            return ending;
        }
        // Boxed, because it is rare and large.
        if !Box::pin(link.readmit(pass)).await {
            let sentence = "the token is no longer valid";
            return Ending::told(Reason::Error, CloseCode::Policy, sentence);
        }
    }
}

/// Moves messages until the socket ends, or its token must be shown again. What is waited for all
/// the time is made once, not for each message.
async fn talk(
    socket: &mut Socket,
    link: &mut Link,
    pass: &mut Pass,
    (heartbeat, settled_by): (&mut Heartbeat, Instant),
) -> Option<Ending> {
    let stages = Arc::clone(&link.stages);
    let mut closing = pin!(stages.closing.cancelled());
    let mut asked_for = pin!(pass.asked_for());
    let mut settled_by = pin!(sleep_until(settled_by));
    let mut due = pin!(sleep_until(heartbeat.due()));
    loop {
        if due.deadline() != heartbeat.due() {
            due.as_mut().reset(heartbeat.due());
        }
        let ending = tokio::select! {
            biased;
            next = poll_fn(|task| link.poll_out(task)) => write(socket, link, next).await,
            () = &mut closing => Some(server_closes()),
            () = &mut asked_for => return None,
            frame = socket.next() => take(socket, link, heartbeat, frame).await,
            () = &mut settled_by, if !link.is_settled() => Some(never_came_in(socket, link).await),
            () = &mut due => beat(socket, link, heartbeat).await,
        };
        if ending.is_some() {
            return ending;
        }
    }
}

/// Takes a frame of the client; `Some` when that was the end.
async fn take(
    socket: &mut Socket,
    link: &mut Link,
    heartbeat: &mut Heartbeat,
    frame: Option<Result<Message, Error>>,
) -> Option<Ending> {
    let is_ping = matches!(frame, Some(Ok(Message::Ping(_))));
    let ending = read(link, heartbeat, frame).await;
    if ending.is_none() && is_ping {
        // The library answers a ping, in a buffer without bounds: nothing more is read until the
        // answer has left.
        return sent(&link.stages, socket.flush()).await;
    }
    ending
}

async fn never_came_in(socket: &mut Socket, link: &mut Link) -> Ending {
    let json = link.never_came_in();
    write_text(socket, link, json.into()).await.unwrap_or_else(too_late)
}

/// Asks whether the client is there, or ends what was asked in vain.
async fn beat(socket: &mut Socket, link: &mut Link, heartbeat: &mut Heartbeat) -> Option<Ending> {
    if heartbeat.asked_at.is_some() {
        link.telemetry().emit(&Event::HeartbeatMissed { transport: Transport::Websocket });
        return Some(Ending::told(Reason::HeartbeatLost, CloseCode::Policy, "no pong in time"));
    }
    let ending = send(socket, &link.stages, Message::Ping(Vec::new().into())).await;
    heartbeat.asked();
    ending
}

/// Writes the next message of the link.
async fn write(socket: &mut Socket, link: &mut Link, next: Next) -> Option<Ending> {
    let (entry, missed) = match next {
        Next::Entry(Found { entry, missed, .. }) => (entry, missed),
        Next::End => return Some(link.ending()),
    };
    if missed > 0 {
        let transport = Transport::Websocket;
        link.telemetry().emit(&Event::StreamGap { transport, missed });
        return Some(slow());
    }
    link.count_replayed(entry.number);
    write_text(socket, link, entry.json).await
}

async fn write_text(socket: &mut Socket, link: &mut Link, json: Bytes) -> Option<Ending> {
    let (transport, direction, bytes) = (Transport::Websocket, Direction::Out, json.len());
    link.telemetry().emit(&Event::MessageTransferred { transport, direction, bytes });
    // It was written by this crate as JSON text.
    let text = Utf8Bytes::try_from(json).unwrap_or_default();
    send(socket, &link.stages, Message::Text(text)).await
}

async fn send(socket: &mut Socket, stages: &Stages, message: Message) -> Option<Ending> {
    sent(stages, socket.send(message)).await
}

/// Waits for a write, as long as a client may take to read.
async fn sent(stages: &Stages, write: impl Future<Output = Result<(), Error>>) -> Option<Ending> {
    match within(stages.limits.now().write_timeout, write).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(lost(&error)),
        Err(_) => Some(unread()),
    }
}

/// Takes what the client sent; `Some` when that was the end.
async fn read(
    link: &mut Link,
    heartbeat: &mut Heartbeat,
    frame: Option<Result<Message, Error>>,
) -> Option<Ending> {
    match frame {
        Some(Ok(Message::Text(text))) => {
            link.take(&text).await;
            None
        }
        Some(Ok(Message::Pong(_))) => {
            heartbeat.answered(link);
            link.touch();
            None
        }
        // The library answers pings.
        Some(Ok(Message::Ping(_) | Message::Frame(_))) => None,
        Some(Ok(Message::Binary(_))) => {
            let sentence = "send text frames, one message each";
            Some(Ending::told(Reason::ProtocolError, CloseCode::Unsupported, sentence))
        }
        Some(Ok(Message::Close(_)) | Err(Error::ConnectionClosed)) => {
            Some(Ending::gone(Reason::ClientClosed))
        }
        Some(Err(Error::Capacity(CapacityError::MessageTooLong { .. }))) => {
            let ending =
                Ending::told(Reason::ProtocolError, CloseCode::Size, "the message is too large");
            Some(ending.because_of(Limit::BodyBytes))
        }
        Some(Err(Error::Utf8(_))) => {
            Some(Ending::told(Reason::ProtocolError, CloseCode::Invalid, "the frame is not UTF-8"))
        }
        Some(Err(Error::Protocol(error))) if !is_reset(&error) => {
            Some(Ending::told(Reason::ProtocolError, CloseCode::Protocol, "a frame broke RFC 6455"))
        }
        Some(Err(error)) => Some(lost(&error)),
        None => Some(Ending::gone(Reason::ClientGone)),
    }
}

/// The peer vanished without a closing handshake; the library calls that a protocol error.
fn is_reset(error: &tokio_tungstenite::tungstenite::error::ProtocolError) -> bool {
    matches!(
        error,
        tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake
    )
}

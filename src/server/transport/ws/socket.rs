//! Frames in and out, heartbeat, and the end of a socket. One task serves one socket: its calls
//! run in it side by side, and a client that does not read holds up nobody but itself.

use super::{link::Link, pass::Pass};
use crate::{
    call::{Found, Next},
    config::Limits,
    pipeline::{Arrival, Stages},
    session::CameFrom,
    transport::patient::is_too_slow,
};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use mcp_telemetry::{Direction, Event, Limit, Reason, Transport};
use std::{
    future::{Future, poll_fn},
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

/// The close code for a client whose session has moved to another socket. From 4000 on they are
/// for private use.
const SUPERSEDED: CloseCode = CloseCode::Library(4001);

/// Why a socket ends, and what its client is told.
pub(super) struct Ending {
    pub(super) reason: Reason,
    close: Option<(CloseCode, &'static str)>,
    /// The limit that was reached, if that is why.
    limit: Option<Limit>,
}

impl Ending {
    const fn gone(reason: Reason) -> Self {
        Self { reason, close: None, limit: None }
    }

    const fn told(reason: Reason, code: CloseCode, sentence: &'static str) -> Self {
        Self { reason, close: Some((code, sentence)), limit: None }
    }

    const fn because_of(mut self, limit: Limit) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The session of the socket has ended for that reason, or has moved to another one.
    pub(super) const fn of_session(reason: Option<Reason>) -> Self {
        match reason {
            None => {
                let sentence = "the session goes on on another connection";
                Self::told(Reason::Superseded, SUPERSEDED, sentence)
            }
            Some(Reason::HandshakeTimeout) => too_late(),
            Some(Reason::ServerShutdown) => server_closes(),
            Some(reason) => Self::told(reason, CloseCode::Away, "the session has ended"),
        }
    }

    /// Whether the client may have lost its connection only, and nothing that was sent to it.
    pub(super) fn client_may_return(&self) -> bool {
        match self.reason {
            Reason::ClientGone | Reason::HeartbeatLost => true,
            // A write that waited too long; what follows it is still in the log.
            Reason::SlowConsumer => self.close.is_none(),
            Reason::ClientClosed
            | Reason::ClientDeleted
            | Reason::TimeoutNoActivity
            | Reason::HandshakeTimeout
            | Reason::ServerShutdown
            | Reason::Superseded
            | Reason::ProtocolError
            | Reason::Error => false,
        }
    }
}

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
    if let Some((code, sentence)) = ending.close {
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(sentence) };
        // A client that does not take the close frame is cut.
        let _closed = timeout(CLOSE_WITHIN, socket.close(Some(frame))).await.is_ok();
    }
    link.end(&ending);
}

async fn run(socket: &mut Socket, link: &mut Link, pass: &mut Pass, stages: &Stages) -> Ending {
    let mut heartbeat = Heartbeat::new(&stages.limits.now());
    let settled_by = Instant::now() + stages.limits.now().handshake_timeout;
    loop {
        tokio::select! {
            biased;
            next = poll_fn(|task| link.poll_out(task)) => {
                if let Some(ending) = write(socket, link, next).await {
                    return ending;
                }
            }
            () = stages.closing.cancelled() => return server_closes(),
            () = pass.asked_for() => {
                // Boxed, because it is rare and large.
                if !Box::pin(link.readmit(pass)).await {
                    let sentence = "the token is no longer valid";
                    return Ending::told(Reason::Error, CloseCode::Policy, sentence);
                }
            }
            frame = socket.next() => {
                let is_ping = matches!(frame, Some(Ok(Message::Ping(_))));
                if let Some(ending) = read(link, &mut heartbeat, frame).await {
                    return ending;
                }
                // The library answers a ping, in a buffer without bounds: nothing more is read
                // until the answer has left.
                if is_ping && let Some(ending) = sent(stages, socket.flush()).await {
                    return ending;
                }
            }
            () = sleep_until(settled_by), if !link.is_settled() => {
                let json = link.never_came_in();
                return write_text(socket, link, json.into()).await.unwrap_or_else(too_late);
            }
            () = sleep_until(heartbeat.due()) => {
                if heartbeat.asked_at.is_some() {
                    stages.telemetry.emit(&Event::HeartbeatMissed { transport: Transport::Websocket });
                    return Ending::told(Reason::HeartbeatLost, CloseCode::Policy, "no pong in time");
                }
                if let Some(ending) = send(socket, stages, Message::Ping(Vec::new().into())).await {
                    return ending;
                }
                heartbeat.asked();
            }
        }
    }
}

pub(super) const fn server_closes() -> Ending {
    Ending::told(Reason::ServerShutdown, CloseCode::Away, "the server stops")
}

const fn too_late() -> Ending {
    let sentence = "the handshake was not completed in time";
    Ending::told(Reason::HandshakeTimeout, CloseCode::Policy, sentence)
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

const fn slow() -> Ending {
    Ending::told(Reason::SlowConsumer, CloseCode::Again, "messages are not read fast enough")
}

async fn send(socket: &mut Socket, stages: &Stages, message: Message) -> Option<Ending> {
    sent(stages, socket.send(message)).await
}

/// Waits for a write, as long as a client may take to read.
async fn sent(stages: &Stages, write: impl Future<Output = Result<(), Error>>) -> Option<Ending> {
    match timeout(stages.limits.now().write_timeout, write).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(lost(&error)),
        Err(_) => Some(unread()),
    }
}

/// A client that reads nothing would not read why, either.
const fn unread() -> Ending {
    Ending::gone(Reason::SlowConsumer).because_of(Limit::WriteTimeout)
}

fn lost(error: &Error) -> Ending {
    if let Error::Io(error) = error
        && is_too_slow(error)
    {
        return unread();
    }
    Ending::gone(Reason::ClientGone)
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

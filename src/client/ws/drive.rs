//! The task of one connection: opens its socket, opens another where the session outlives it, and
//! moves messages between the queue, the socket and the inbox. It alone decides that it is over.

use super::{
    ending::{self, Follows},
    frames::Frame,
    link::Link,
    open::Socket,
    pause::Pause,
    session::{self, Welcome},
};
use crate::{ClientError, Ending, Retry, error::plainly, exchange::Out, fate::closed};
use futures_util::{SinkExt, Stream, StreamExt, stream::SplitSink};
use std::{fmt, sync::Arc, time::Duration};
use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, sleep, timeout},
};
use tokio_tungstenite::tungstenite::{
    Error, Message,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

/// Longest time for the close frame.
const FAREWELL: Duration = Duration::from_secs(2);
/// A socket on which nothing came for so long is asked whether it lives.
const QUIET: Duration = Duration::from_secs(20);
/// A socket that lasted this long was a good one, also if nothing came.
const LASTED: Duration = Duration::from_secs(5);

/// How a socket ended.
pub(super) enum Lost {
    /// It is gone, for the reason in the text.
    Gone(String),
    /// The server broke the protocol of WebSockets.
    Broken(String),
    /// A message was larger than so many bytes.
    TooLarge(usize),
    /// We are done with it.
    Stopped,
}

impl fmt::Display for Lost {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone(why) | Self::Broken(why) => out.write_str(why),
            Self::TooLarge(limit) => write!(out, "a message was larger than {limit} bytes"),
            Self::Stopped => out.write_str("closed by us"),
        }
    }
}

/// Why there is no socket.
enum Failed {
    /// It may be tried again.
    ForNow(ClientError),
    /// Trying again does not help.
    ForGood(ClientError),
}

/// Works until the connection is over.
pub(super) async fn drive(link: Arc<Link>, queue: mpsc::Receiver<Out>) {
    let why = tokio::select! {
        biased;
        why = run(&link, queue) => why,
        // Where there is a socket, it says goodbye.
        () = link.stopped() => closed(false, Ending::ByUs),
    };
    link.end(why);
}

async fn run(link: &Link, mut queue: mpsc::Receiver<Out>) -> ClientError {
    link.wanted.notified().await;
    let mut pause = Pause::default();
    loop {
        let (socket, again) = match reach(link, &mut pause).await {
            Ok(reached) => reached,
            Err(why) => return why,
        };
        let (opened, before) = (Instant::now(), link.received());
        link.stands(true);
        let (follows, lost) = talk(link, socket, again, &mut queue).await;
        if follows == Follows::IsOver || !link.can_resume() {
            return link.over(lost);
        }
        link.lost();
        pause.lost(link.received() > before || opened.elapsed() >= LASTED);
    }
}

/// Opens sockets until there is one, in which the session goes on if there was one.
async fn reach(link: &Link, pause: &mut Pause) -> Result<(Socket, Vec<Frame>), ClientError> {
    loop {
        if link.can_resume() {
            tokio::select! {
                () = sleep(pause.wait()) => {}
                () = link.wanted.notified() => {}
            }
        }
        let tried = tokio::select! {
            tried = attempt(link) => tried,
            () = link.hang_up.notified() => Err(Failed::given_up()),
        };
        match tried {
            Ok(reached) => return Ok(reached),
            Err(Failed::ForGood(why)) => return Err(why),
            Err(Failed::ForNow(_)) if link.is_too_late() => return Err(ClientError::SessionLost),
            Err(Failed::ForNow(why)) => link.unreached(why),
        }
        pause.failed();
        if !link.can_resume() {
            // Nothing waits for the server but who asks again.
            link.wanted.notified().await;
        }
    }
}

async fn attempt(link: &Link) -> Result<(Socket, Vec<Frame>), Failed> {
    let mut socket = link.door.open().await.map_err(Failed::of)?;
    let Some(text) = link.way_back() else { return Ok((socket, Vec::new())) };
    let within = link.door.within();
    let welcome = timeout(within, come_back(link, &mut socket, text)).await;
    let late = || Failed::not_taken_back("no answer to who came back".to_owned());
    match welcome.unwrap_or_else(|_| Err(late()))? {
        Welcome::GoesOn(server_has) => {
            let again = link.goes_on(server_has).map_err(Failed::ForGood)?;
            Ok((socket, again))
        }
        Welcome::NotNow(error) => {
            Err(Failed::not_taken_back(format!("the session waits: {error}")))
        }
        Welcome::Gone => {
            // The new session that the server gave instead is of no use to us.
            farewell(&mut socket, CloseCode::Normal).await;
            Err(Failed::ForGood(ClientError::SessionLost))
        }
    }
}

async fn come_back(link: &Link, socket: &mut Socket, text: String) -> Result<Welcome, Failed> {
    let gone = Failed::not_taken_back;
    let sent = socket.send(Message::text(text)).await;
    sent.map_err(|error| gone(format!("the socket was lost: {}", plainly(&error))))?;
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => {
                if let Some(welcome) = session::welcome(text.as_bytes()) {
                    return welcome.map_err(Failed::of);
                }
            }
            Some(Ok(Message::Close(frame))) => {
                let (_, lost) = ending::closed(frame.as_ref());
                return Err(gone(lost.to_string()));
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                let (_, lost) = ending::failed(&error, link.max_message);
                return Err(gone(lost.to_string()));
            }
            None => return Err(gone("the socket ended".to_owned())),
        }
    }
}

/// Moves messages until the socket ends.
async fn talk(
    link: &Link,
    socket: Socket,
    again: Vec<Frame>,
    queue: &mut mpsc::Receiver<Out>,
) -> (Follows, Lost) {
    let (mut out, mut inn) = socket.split();
    let ask = Notify::new();
    let ended = tokio::select! {
        biased;
        () = link.stop.cancelled() => (Follows::IsOver, Lost::Stopped),
        () = link.hang_up.notified() => (Follows::MayGoOn, Lost::Gone("it was given up".to_owned())),
        ended = read(link, &mut inn, &ask) => ended,
        error = write(link, &mut out, again, queue, &ask) => ending::failed(&error, link.max_message),
    };
    // A socket that may be followed by another ends without a word: a close frame ends the session.
    let code = match ended.1 {
        _ if ended.0 == Follows::MayGoOn && link.can_resume() => return ended,
        Lost::TooLarge(_) => CloseCode::Size,
        Lost::Broken(_) => CloseCode::Protocol,
        Lost::Gone(_) | Lost::Stopped => CloseCode::Normal,
    };
    if let Ok(mut socket) = out.reunite(inn) {
        farewell(&mut socket, code).await;
    }
    ended
}

async fn read(
    link: &Link,
    socket: &mut (impl Stream<Item = Result<Message, Error>> + Unpin),
    ask: &Notify,
) -> (Follows, Lost) {
    let mut asked = false;
    loop {
        let Ok(frame) = timeout(QUIET, socket.next()).await else {
            if asked {
                let silent = format!("nothing came for {} s", 2 * QUIET.as_secs());
                return (Follows::MayGoOn, Lost::Gone(silent));
            }
            asked = true;
            ask.notify_one();
            continue;
        };
        asked = false;
        match frame {
            Some(Ok(Message::Text(text))) => link.take(&text),
            Some(Ok(Message::Close(frame))) => return ending::closed(frame.as_ref()),
            Some(Ok(Message::Binary(_))) => {
                let broken = "it sent a binary frame".to_owned();
                return (Follows::IsOver, Lost::Broken(broken));
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Err(error)) => return ending::failed(&error, link.max_message),
            None => return (Follows::MayGoOn, Lost::Gone("the socket ended".to_owned())),
        }
    }
}

/// Writes what was not received before, and then what is queued; resolves when that fails.
async fn write(
    link: &Link,
    socket: &mut SplitSink<Socket, Message>,
    again: Vec<Frame>,
    queue: &mut mpsc::Receiver<Out>,
    ask: &Notify,
) -> Error {
    for (_, text) in again {
        if let Err(error) = socket.send(Message::Text(text)).await {
            return error;
        }
    }
    loop {
        let message = tokio::select! {
            () = ask.notified() => Message::Ping(Vec::new().into()),
            out = queue.recv() => match out.map(|out| link.goes(out)) {
                Some(Some(text)) => Message::Text(text),
                Some(None) => continue,
                None => return Error::ConnectionClosed,
            },
        };
        if let Err(error) = socket.send(message).await {
            return error;
        }
    }
}

/// Closes a socket in good order. Who does not take the close frame is left.
async fn farewell(socket: &mut Socket, code: CloseCode) {
    let frame = CloseFrame { code, reason: "".into() };
    let _told = timeout(FAREWELL, async {
        if socket.close(Some(frame)).await.is_ok() {
            while let Some(Ok(_)) = socket.next().await {}
        }
    })
    .await;
}

impl Failed {
    /// Who waited for it waits no longer.
    fn given_up() -> Self {
        Self::ForNow(ClientError::Connect("the try was given up".to_owned()))
    }

    /// The server was reached, but the session did not go on there. Unlike a server that is away,
    /// it might have taken a new one.
    const fn not_taken_back(why: String) -> Self {
        Self::ForNow(closed(false, Ending::Lost(why)))
    }

    /// What the server refuses for a reason of its own is not asked for again and again.
    fn of(error: ClientError) -> Self {
        match error.retry() {
            Retry::Never => Self::ForGood(error),
            Retry::Now | Retry::Later => Self::ForNow(error),
        }
    }
}

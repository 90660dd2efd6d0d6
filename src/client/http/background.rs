//! The legacy GET stream: what the server sends while no call of ours is on its way.

use super::{
    answer::{self, Kind},
    link::Link,
    stream::{Events, Place, messages, take},
};
use http::StatusCode;
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};

/// Wait before the stream is opened again, unless the server said.
const PAUSE: Duration = Duration::from_secs(1);
/// Longest wait.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A stream that lasted this long was a good one: the next waits are short again.
const LASTED: Duration = Duration::from_secs(5);

/// Keeps the stream open until the connection ends, or the server says that it has none.
pub(super) async fn listen(link: Arc<Link>) {
    let stop = link.stop.clone();
    tokio::select! {
        () = keep_open(&link) => {}
        () = stop.cancelled() => link.questions.withdraw_all(),
        _why = link.fate.wait() => {}
    }
}

async fn keep_open(link: &Link) {
    let mut place = Place::default();
    let mut pause = PAUSE;
    loop {
        let opened = Instant::now();
        let after = one(link, &mut place).await;
        if opened.elapsed() >= LASTED {
            pause = PAUSE;
        }
        let wait = sleep(place.retry.map_or(pause, |retry| retry.max(pause)).min(LONGEST_PAUSE));
        match after {
            After::NoMore => return,
            After::Pause => wait.await,
            After::Unreached => {
                link.doubt.notify_one();
                // The first answer to anybody says that the server is back.
                tokio::select! {
                    () = wait => {}
                    () = link.answered.notified() => {}
                }
            }
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// What follows one connection's worth of the stream.
enum After {
    /// Nothing: the server has no such stream.
    NoMore,
    /// Another, after a pause.
    Pause,
    /// Another, when the server can be reached again.
    Unreached,
}

async fn one(link: &Link, place: &mut Place) -> After {
    let response = link.get(place.last_id.as_deref()).await;
    link.listening.cancel();
    let Ok(response) = response else { return After::Unreached };
    let status = response.status();
    if status.is_success() {
        if answer::kind(response.headers()) != Kind::Stream {
            return After::NoMore;
        }
        let mut events = Events::new(response, link.max_message);
        while let Ok(event) = events.next(place).await {
            for item in messages(&event) {
                take(link, None, item);
            }
        }
        return After::Pause;
    }
    match status {
        StatusCode::NOT_FOUND if link.has_session() => {
            answer::session_lost(link);
            After::NoMore
        }
        // The place is not known there any more: start afresh.
        StatusCode::BAD_REQUEST if place.last_id.take().is_some() => After::Pause,
        StatusCode::TOO_MANY_REQUESTS => After::Pause,
        _ if status.is_server_error() => After::Pause,
        _ => After::NoMore,
    }
}

//! Coming back to a session that outlives its socket: an upstream over a WebSocket that does not
//! answer, or cannot be reached, is given another socket, and the calls on their way wait for their
//! own results. One that is still silent then is given up, like any other, and so is one that is
//! there but does not take the session back: it may take a new one.

use super::{
    lane::LaneState,
    link::{Link, is_silent},
    one::Upstream,
    retry::Retry,
    shared::Shared,
};
use futures_util::FutureExt;
use mcp_client::{Backoff, ClientError, Connection, Network, Pulse, Tries, chance};
use mcp_protocol::Era;
use mcp_telemetry::{Event, ReconnectOutcome, ReconnectSide};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, timeout};

/// Longest time to come back in, however long the server would keep the session.
const LONGEST: Duration = Duration::from_secs(60);

/// Waits before a session of a single client is asked for again: there may be many of them.
const OWN: Backoff = Backoff {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(10),
    steady: Duration::ZERO,
    jitter: true,
    attempts: None,
};

impl Link {
    /// Whether its session may go on in another socket.
    pub(super) fn can_resume(&self) -> bool {
        self.network == Network::WebSocket && is_there(&self.connection)
    }
}

impl Upstream {
    /// The session of the link that the lane keeps in another socket, as a link of its own: calls
    /// that found the old one to be of no use take this. `None` when there is none, or it is over,
    /// or is given up.
    pub(super) async fn resumed(&self, era: Era, retry: &mut Retry) -> Option<Link> {
        let lane = self.lane(era);
        // It stays where it is found when all is to end.
        let kept = lane.kept.load_full()?;
        let is_back = self.comes_back(era, &kept.connection, retry).await;
        lane.kept.store(None);
        if !is_back {
            // Whoever still waits there is told so.
            self.shared.tasks.spawn(async move { kept.connection.close().await });
            return None;
        }
        Some(Link::new(self.shared.next_id(), kept.connection.clone(), kept.network))
    }

    async fn comes_back(&self, era: Era, connection: &Connection, retry: &mut Retry) -> bool {
        let mut knocks = Knocks::on(connection, &self.shared);
        while knocks.may_go_on() {
            let Err(error) = knocks.knock().await else { return true };
            let pause = retry.failed(&error);
            self.standing().next_try = Some(Instant::now() + pause.longest);
            self.set_lane(era, LaneState::Down { failed: true }, Some(&error.to_string()));
            pause.over([self.lane(era)]).await;
        }
        false
    }

    /// Closes the link of a single client's session when its upstream does not answer any more, so
    /// that the calls on it end; the next one opens another. A session that outlives its socket is
    /// given another one first.
    pub(super) fn watch_own(&self, link: &Link) {
        let (connection, shared) = (link.connection.clone(), Arc::clone(&self.shared));
        let (unused, outlives) = (link.unused.clone(), link.can_resume());
        let stop = self.stop.clone();
        self.shared.tasks.spawn(async move {
            let is_to_close = tokio::select! {
                _over = connection.closed() => false,
                () = unused.cancelled() => false,
                // Calls may be on their way in it, also when the session has another link by now.
                () = stop.cancelled() => outlives,
                is_silent = is_lost(&connection, outlives, &shared) => is_silent,
            };
            if is_to_close {
                connection.close().await;
            }
        });
    }
}

impl Shared {
    /// Counts a try to come back.
    pub(super) fn tried(&self, outcome: ReconnectOutcome) {
        let side = ReconnectSide::Upstream;
        self.telemetry.emit(&Event::ReconnectAttempted { side, outcome });
    }
}

/// Resolves when the session of a single client is lost; whether nobody answers its calls any more.
async fn is_lost(connection: &Connection, outlives: bool, shared: &Shared) -> bool {
    loop {
        let lost = connection.pulse(&shared.pulse(), |_| {}).await;
        if !outlives {
            return is_silent(&lost);
        }
        if !goes_on(connection, shared).await {
            return true;
        }
    }
}

/// Whether the session of a single client goes on in another socket.
async fn goes_on(connection: &Connection, shared: &Shared) -> bool {
    let (mut knocks, mut tries) = (Knocks::on(connection, shared), Tries::new(OWN));
    while knocks.may_go_on() {
        if knocks.knock().await.is_ok() {
            return true;
        }
        // Without a bound there is always a next try.
        sleep(tries.fail(Instant::now(), chance()).unwrap_or(OWN.longest)).await;
    }
    false
}

/// Questions to a server of which the socket is not trusted any more. So many may be in vain as
/// found it to be silent, but for those that did not reach it.
struct Knocks<'a> {
    connection: &'a Connection,
    shared: &'a Shared,
    pulse: Pulse,
    in_vain: u32,
    end: Instant,
}

impl<'a> Knocks<'a> {
    /// On a socket that is to be another.
    fn on(connection: &'a Connection, shared: &'a Shared) -> Self {
        connection.hang_up();
        let (pulse, end) = (shared.pulse(), Instant::now() + LONGEST);
        Self { connection, shared, pulse, in_vain: 0, end }
    }

    fn may_go_on(&self) -> bool {
        let is_in_time = Instant::now() < self.end;
        is_in_time && is_there(self.connection) && self.in_vain < self.pulse.misses.max(1)
    }

    async fn knock(&mut self) -> Result<(), ClientError> {
        let answer = self.asked().await;
        self.in_vain += u32::from(answer.as_ref().is_err_and(|error| !is_away(error)));
        self.shared.tried(match answer {
            Ok(()) => ReconnectOutcome::Resumed,
            Err(_) => ReconnectOutcome::Failed,
        });
        answer
    }

    async fn asked(&self) -> Result<(), ClientError> {
        let after = self.pulse.within;
        let Ok(answer) = timeout(after, self.connection.ping()).await else {
            // Nor is a try to open one trusted that takes so long.
            self.connection.hang_up();
            return Err(ClientError::Timeout { method: "ping", after });
        };
        answer
    }
}

/// Whether no socket could be opened: the server may be back soon, and have the session still.
const fn is_away(error: &ClientError) -> bool {
    matches!(error, ClientError::Connect(_) | ClientError::Tls(_) | ClientError::Http { .. })
}

/// A session without an id ends with its socket; one that has ended is over.
fn is_there(connection: &Connection) -> bool {
    connection.session_id().is_some() && connection.closed().now_or_never().is_none()
}

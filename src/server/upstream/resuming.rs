//! Coming back to a session that outlives its socket: an upstream over a WebSocket that does not
//! answer, or cannot be reached, is given another socket, and the calls on their way wait for their
//! own results. One that is still silent then is given up, like any other.

use super::{lane::LaneState, link::Link, one::Upstream, retry::Retry};
use futures_util::FutureExt;
use mcp_client::{ClientError, Connection, Network, Pulse};
use mcp_protocol::Era;
use mcp_telemetry::{Event, ReconnectOutcome, ReconnectSide};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// Wait before a session of a single client is asked for again.
const PAUSE: Duration = Duration::from_millis(500);

impl Link {
    /// Whether its session may go on in another socket.
    pub(super) fn can_resume(&self) -> bool {
        self.network == Network::WebSocket && is_there(&self.connection)
    }
}

impl Upstream {
    /// The session of a link in another socket, as a link of its own: calls that found the old one
    /// to be of no use take this. `None` when it is over, or stays silent.
    pub(super) async fn resumed(&self, era: Era, link: &Link, retry: &mut Retry) -> Option<Link> {
        let mut knocks = Knocks::on(&link.connection, self.shared.pulse());
        while knocks.may_go_on() {
            let Err(error) = knocks.knock().await else {
                self.tried(ReconnectOutcome::Resumed);
                let connection = link.connection.clone();
                return Some(Link::new(self.shared.next_id(), connection, link.network));
            };
            self.tried(ReconnectOutcome::Failed);
            let pause = retry.failed(&error);
            self.standing().next_try = Some(Instant::now() + pause.longest);
            self.set_lane(era, LaneState::Down { failed: true }, Some(&error.to_string()));
            pause.over([self.lane(era)]).await;
        }
        None
    }

    /// Counts a try to come back.
    pub(super) fn tried(&self, outcome: ReconnectOutcome) {
        let side = ReconnectSide::Upstream;
        self.shared.telemetry.emit(&Event::ReconnectAttempted { side, outcome });
    }
}

/// Whether the session of a single client goes on in another socket.
pub(super) async fn goes_on(connection: &Connection, pulse: Pulse) -> bool {
    let mut knocks = Knocks::on(connection, pulse);
    while knocks.may_go_on() {
        if knocks.knock().await.is_ok() {
            return true;
        }
        sleep(PAUSE).await;
    }
    false
}

/// Questions to a server of which the socket is not trusted any more. So many may go unanswered as
/// found it to be silent.
struct Knocks<'a> {
    connection: &'a Connection,
    pulse: Pulse,
    missed: u32,
}

impl<'a> Knocks<'a> {
    /// On a socket that is to be another.
    fn on(connection: &'a Connection, pulse: Pulse) -> Self {
        connection.hang_up();
        Self { connection, pulse, missed: 0 }
    }

    fn may_go_on(&self) -> bool {
        is_there(self.connection) && self.missed < self.pulse.misses.max(1)
    }

    async fn knock(&mut self) -> Result<(), ClientError> {
        let within = self.pulse.within;
        if let Ok(answer) = timeout(within, self.connection.ping()).await {
            return answer;
        }
        self.missed += 1;
        // Nor is a try to open one trusted that takes so long.
        self.connection.hang_up();
        Err(ClientError::Timeout { method: "ping", after: within })
    }
}

/// A session without an id ends with its socket; one that has ended is over.
fn is_there(connection: &Connection) -> bool {
    connection.session_id().is_some() && connection.closed().now_or_never().is_none()
}

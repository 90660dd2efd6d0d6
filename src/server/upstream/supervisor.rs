//! Keeps an upstream connected: finds out which eras it speaks, holds one shared link in each,
//! and brings back what is lost. A fixed rule for now: at once or after half a second, then
//! doubling up to half a minute, for ever.

use super::{
    Change,
    lane::LaneState,
    levels,
    link::Link,
    listen,
    listing::{Kind, Listing},
    one::Upstream,
};
use mcp_client::{ClientError, Ending};
use mcp_protocol::Era;
use mcp_telemetry::{Event, ReconnectOutcome, ReconnectSide, RestartCause};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::time::Instant;

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A link that lived this long counts as healthy: the next loss starts from the first wait.
const HEALTHY: Duration = Duration::from_secs(10);
/// Shortest time between two readings of the lists.
const RELIST_PAUSE: Duration = Duration::from_millis(100);

/// How long to wait before the next try.
#[derive(Debug, Clone, Copy)]
struct Backoff(Duration);

impl Backoff {
    const fn new() -> Self {
        Self(FIRST_WAIT)
    }

    /// The wait now; the next one is longer.
    fn next(&mut self) -> Duration {
        let wait = self.0;
        self.0 = (wait * 2).min(LONGEST_WAIT);
        wait
    }
}

/// Runs until it is to stop, then closes all of the upstream's connections.
pub(super) async fn supervise(upstream: Arc<Upstream>) {
    let stop = upstream.stop.clone();
    tokio::select! {
        () = stop.cancelled() => {}
        () = Box::pin(upstream.keep_all()) => {}
    }
    let links = upstream.lanes().map(super::lane::Lane::link);
    for era in [Era::Modern, Era::Legacy] {
        upstream.lane(era).set(LaneState::Down { failed: true });
    }
    let close = links.iter().flatten().map(|link| link.connection.close());
    tokio::join!(futures_util::future::join_all(close), upstream.end_all_own());
    upstream.stopped();
}

impl Upstream {
    /// Finds out what the upstream speaks and keeps it up.
    async fn keep_all(self: &Arc<Self>) {
        let (first, took) = self.first_link().await;
        let (era, other) = (first.era(), first.era().other());
        let rest = async {
            if let Some(second) = self.second_link(era, took).await {
                Box::pin(self.keep(other, second)).await;
            }
        };
        tokio::join!(Box::pin(self.keep(era, first)), rest);
    }

    /// The link in the era that was not found first, if the upstream speaks it too. Who answers
    /// in the modern era may speak the legacy one as well; who answers in the legacy one has
    /// refused the modern, unless it was only slow to start.
    async fn second_link(self: &Arc<Self>, first: Era, took: Duration) -> Option<Link> {
        let other = first.other();
        let was_slow = took >= self.shared.options().discover_timeout;
        if self.config().era.is_some() || (first == Era::Legacy && !was_slow) {
            self.set_absent(other);
            return None;
        }
        if first == Era::Legacy {
            // Calls of the other era need not wait for so unlikely an answer.
            self.set_absent(other);
        }
        let second = self.open_shared(Some(other)).await.ok();
        if second.is_none() {
            self.set_absent(other);
        }
        second
    }

    fn set_absent(&self, era: Era) {
        self.set_lane(era, LaneState::Absent, None);
        // What an upstream before it offered there is known not to come back.
        if self.lane(era).listing.swap(None).is_some() {
            self.shared.rebuild(&[]);
        }
        self.settle();
    }

    /// Tries until the upstream answers; and how long the last try took.
    async fn first_link(self: &Arc<Self>) -> (Link, Duration) {
        let mut backoff = Backoff::new();
        loop {
            let began = Instant::now();
            match self.open_shared(self.config().era).await {
                Ok(link) => return (link, began.elapsed()),
                Err(error) => {
                    let wait = backoff.next();
                    self.standing().next_try = Some(Instant::now() + wait);
                    for lane in self.lanes() {
                        lane.set(LaneState::Unknown { failed: true });
                    }
                    self.stand(Some(&error.to_string()));
                    self.known.send_replace(true);
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    /// Keeps one era up, for ever.
    async fn keep(self: &Arc<Self>, era: Era, first: Link) {
        let mut backoff = Backoff::new();
        let mut link = Arc::new(first);
        loop {
            let began = Instant::now();
            self.clear_failures(era);
            self.set_lane(era, LaneState::Up(link.clone()), None);
            let lost = self.serve(era, &link).await;
            if began.elapsed() >= HEALTHY {
                backoff = Backoff::new();
            }
            self.set_lane(era, LaneState::Down { failed: false }, Some(&lost.to_string()));
            self.listed(era);
            self.let_go(&link);
            if !matches!(lost, ClientError::SessionLost) || began.elapsed() < HEALTHY {
                tokio::time::sleep(backoff.next()).await;
            }
            link = Arc::new(self.reconnected(era, &mut backoff).await);
            let cause = restart_cause(&lost);
            self.shared.telemetry.emit(&Event::UpstreamRestarted { upstream: &self.label, cause });
        }
    }

    /// Uses a link until it is lost; why.
    async fn serve(self: &Arc<Self>, era: Era, link: &Arc<Link>) -> ClientError {
        let lane = self.lane(era);
        tokio::select! {
            error = link.connection.closed() => error,
            error = lane.lost(link.id) => error,
            () = Box::pin(self.attend(era, link)) => ClientError::SessionLost,
        }
    }

    /// All that is done on a live link besides calls. Does not end.
    async fn attend(self: &Arc<Self>, era: Era, link: &Arc<Link>) {
        self.relist(era, link, &Kind::ALL, &[]).await;
        if era == Era::Legacy {
            self.restore(link).await;
        }
        let relisting = async {
            loop {
                let (kinds, announced) = self.lane(era).stale.taken().await;
                self.relist(era, link, &kinds, &announced).await;
                tokio::time::sleep(RELIST_PAUSE).await;
            }
        };
        let listening = async {
            if era == Era::Modern {
                listen::keep_listening(self, link).await;
            }
        };
        tokio::join!(relisting, listening);
    }

    /// Reads lists again and tells of what changed or was announced.
    async fn relist(self: &Arc<Self>, era: Era, link: &Link, kinds: &[Kind], announced: &[Kind]) {
        let before = self.lane(era).listing.load_full().unwrap_or_default();
        let limit = self.shared.limits.now().request_timeout;
        let (listing, complaints): (Listing, _) = before.refreshed(link, kinds, limit).await;
        for (method, why) in complaints {
            self.dropped(method.as_str(), &why);
        }
        self.list(era, listing);
        let changes: Vec<Change> = announced
            .iter()
            .flat_map(|kind| {
                self.served_by(era).map(|era| match kind {
                    Kind::Tools => Change::Tools(era),
                    Kind::Prompts => Change::Prompts(era),
                    Kind::Resources => Change::Resources(era),
                })
            })
            .collect();
        self.shared.rebuild(&changes);
        self.listed(era);
    }

    /// The first listing of a lane has been tried.
    fn listed(&self, era: Era) {
        self.lane(era).listed.store(true, Ordering::Release);
        self.settle();
    }

    /// Tells a fresh legacy session what the last one knew: log level and subscriptions.
    async fn restore(&self, link: &Link) {
        if let Some(level) = self.shared.levels.lowest() {
            levels::set(link, level).await;
        }
        self.subscribe_to(link, &self.lane(Era::Legacy).wanted.uris()).await;
    }

    /// Tries until the lane has a link again.
    async fn reconnected(self: &Arc<Self>, era: Era, backoff: &mut Backoff) -> Link {
        loop {
            let opened = self.open_shared(Some(era)).await;
            let outcome = match &opened {
                Ok(_) => ReconnectOutcome::Reinitialized,
                Err(ClientError::Refused(_) | ClientError::Auth { .. }) => {
                    ReconnectOutcome::Refused
                }
                Err(_) => ReconnectOutcome::Failed,
            };
            self.shared
                .telemetry
                .emit(&Event::ReconnectAttempted { side: ReconnectSide::Upstream, outcome });
            match opened {
                Ok(link) => return link,
                Err(error) => {
                    let wait = backoff.next();
                    self.standing().next_try = Some(Instant::now() + wait);
                    self.set_lane(era, LaneState::Down { failed: true }, Some(&error.to_string()));
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    /// Once one era is found, the other is open again until it has been tried.
    fn clear_failures(&self, era: Era) {
        let other = self.lane(era.other());
        if matches!(other.state(), LaneState::Unknown { failed: true }) {
            other.set(LaneState::Unknown { failed: false });
        }
        self.standing().next_try = None;
    }

    fn let_go(&self, link: &Arc<Link>) {
        let link = link.clone();
        self.shared.tasks.spawn(async move { link.connection.close().await });
    }
}

const fn restart_cause(lost: &ClientError) -> RestartCause {
    match lost {
        ClientError::SessionLost => RestartCause::SessionLost,
        ClientError::Closed { ending: Ending::Exited(_), .. } => RestartCause::Exited,
        ClientError::Spawn { .. }
        | ClientError::Connect(_)
        | ClientError::Tls(_)
        | ClientError::Unfinished(_)
        | ClientError::Timeout { .. }
        | ClientError::Refused(_)
        | ClientError::Auth { .. }
        | ClientError::Http { .. }
        | ClientError::Protocol(_)
        | ClientError::TooLarge { .. }
        | ClientError::Busy
        | ClientError::Invalid(_)
        | ClientError::Closed { .. } => RestartCause::ConnectionLost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound() {
        let mut backoff = Backoff::new();
        let waits: Vec<_> = (0..9).map(|_| backoff.next().as_millis()).collect();
        assert_eq!(waits, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
    }
}

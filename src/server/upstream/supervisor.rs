//! Keeps an upstream connected: finds out which eras it speaks, holds one shared link in each,
//! and brings back what is lost, for as long as it takes (`retry`).

use super::{
    lane::{Lane, LaneState},
    levels,
    link::{Link, is_lost, is_silent},
    listen,
    one::Upstream,
    retry::Retry,
};
use mcp_client::{ClientError, Ending, Network};
use mcp_protocol::Era;
use mcp_telemetry::{Event, ReconnectOutcome, RestartCause};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::time::Instant;

/// Waits between the tries to find out whether the second era is spoken: the first, the longest.
const FIRST_DOUBT: Duration = Duration::from_millis(500);
const LONGEST_DOUBT: Duration = Duration::from_secs(30);

/// Runs until it is to stop, then closes all of the upstream's connections.
pub(super) async fn supervise(upstream: Arc<Upstream>) {
    let stop = upstream.stop.clone();
    tokio::select! {
        () = stop.cancelled() => {}
        () = Box::pin(upstream.keep_all()) => {}
    }
    let links = upstream.lanes().map(|lane| lane.link().or_else(|| lane.kept.swap(None)));
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
        let was_listed = self.lane(other).listing.load().is_some();
        if first == Era::Legacy && !was_listed {
            // Calls of the other era need not wait for so unlikely an answer.
            self.set_absent(other);
        }
        let (mut retry, mut wait) = (Retry::new(), FIRST_DOUBT);
        loop {
            let error = match self.open_shared(Some(other)).await {
                Ok(link) => return Some(link),
                Err(error) => error,
            };
            let network = self.config().target.network();
            let is_likely = was_listed || (first == Era::Modern && network == Network::Http);
            if !may_be_spoken(&error, is_likely) {
                self.set_absent(other);
                return None;
            }
            if !was_listed {
                // Until it is known, the era that was found serves all.
                self.set_absent(other);
            }
            let mut pause = retry.failed(&error);
            pause.longest = pause.longest.max(wait);
            wait = (wait * 2).min(LONGEST_DOUBT);
            pause.over([self.lane(other)]).await;
        }
    }

    fn set_absent(&self, era: Era) {
        self.set_lane(era, LaneState::Absent, None);
        // Who asked before that was known is served by the other era.
        self.lane(era.other()).wanted.absorb(&self.lane(era).wanted);
        if self.is_stopped() {
            // What is kept belongs to the one that came after it.
            return;
        }
        // What an upstream before it offered there is known not to come back.
        if self.lane(era).listing.swap(None).is_some() {
            self.forget_kept(Some(era));
            self.shared.rebuild(&[]);
        }
        self.settle();
    }

    /// Tries until the upstream answers; and how long the last try took.
    async fn first_link(self: &Arc<Self>) -> (Link, Duration) {
        let mut retry = Retry::new();
        loop {
            let began = Instant::now();
            match self.open_shared(self.config().era).await {
                Ok(link) => return (link, began.elapsed()),
                Err(error) => {
                    let pause = retry.failed(&error);
                    self.standing().next_try = Some(Instant::now() + pause.longest);
                    for lane in self.lanes() {
                        lane.set(LaneState::Unknown { failed: true });
                    }
                    self.stand(Some(&error.to_string()));
                    self.not_opened(&error);
                    self.is_known();
                    pause.over(self.lanes()).await;
                }
            }
        }
    }

    /// Keeps one era up, for ever.
    async fn keep(self: &Arc<Self>, era: Era, first: Link) {
        let (mut link, mut retry) = (Arc::new(first), Retry::new());
        loop {
            let began = Instant::now();
            self.clear_failures(era);
            self.set_lane(era, LaneState::Up(link.clone()), None);
            let (lost, ended) = (self.serve(era, &link).await, Instant::now());
            self.lost(era, &lost);
            self.set_lane(era, LaneState::Down { failed: false }, Some(&lost.to_string()));
            self.listed(era);
            let pause = retry.lost(&lost, began.elapsed());
            self.keep_or_let_go(link, &lost);
            if let Some(pause) = pause {
                pause.over([self.lane(era)]).await;
            }
            link = Arc::new(self.returned(era, &mut retry).await);
            self.shared.telemetry.emit(&Event::UpstreamRestarted {
                upstream: &self.label,
                cause: restart_cause(&lost),
                after: ended.elapsed(),
            });
        }
    }

    /// Uses a link until it is lost; why.
    async fn serve(self: &Arc<Self>, era: Era, link: &Arc<Link>) -> ClientError {
        let lane = self.lane(era);
        tokio::select! {
            error = link.connection.closed() => error,
            error = lane.lost(link.id) => error,
            error = self.watch(lane, link) => error,
            () = Box::pin(self.attend(era, link)) => ClientError::SessionLost,
        }
    }

    /// Asks from time to time whether the upstream is there, and at once where a call found
    /// something amiss; resolves when it is not.
    async fn watch(&self, lane: &Lane, link: &Link) -> ClientError {
        let pulse = self.shared.pulse();
        let mut silent = std::pin::pin!(link.connection.pulse(&pulse, |_| {}));
        loop {
            tokio::select! {
                error = &mut silent => return error,
                () = lane.suspicion() => {}
                () = link.connection.doubted() => {}
            }
            let answer = tokio::time::timeout(pulse.within, link.connection.ping()).await;
            if let Ok(Err(error)) = answer
                && is_lost(&error)
            {
                return error;
            }
        }
    }

    /// All that is done on a live link besides calls. Does not end.
    async fn attend(self: &Arc<Self>, era: Era, link: &Arc<Link>) {
        let unsettled = self.list_first(era, link).await;
        if era == Era::Legacy {
            self.restore(link).await;
        }
        let relisting = self.keep_listed(era, link, unsettled);
        let listening = async {
            if era == Era::Modern {
                listen::keep_listening(self, link).await;
            }
        };
        tokio::join!(relisting, listening);
    }

    /// The first listing of a lane has been tried.
    pub(super) fn listed(&self, era: Era) {
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

    /// The link after the one that is lost: in the session that is kept, or a new one.
    async fn returned(self: &Arc<Self>, era: Era, retry: &mut Retry) -> Link {
        match self.resumed(era, retry).await {
            Some(link) => link,
            None => self.reconnected(era, retry).await,
        }
    }

    /// Tries until the lane has a link again.
    async fn reconnected(self: &Arc<Self>, era: Era, retry: &mut Retry) -> Link {
        loop {
            let opened = self.open_shared(Some(era)).await;
            let outcome = match &opened {
                Ok(_) => ReconnectOutcome::Reinitialized,
                Err(ClientError::Refused(_) | ClientError::Auth { .. }) => {
                    ReconnectOutcome::Refused
                }
                Err(_) => ReconnectOutcome::Failed,
            };
            self.shared.tried(outcome);
            match opened {
                Ok(link) => return link,
                Err(error) => {
                    let pause = retry.failed(&error);
                    self.standing().next_try = Some(Instant::now() + pause.longest);
                    self.set_lane(era, LaneState::Down { failed: true }, Some(&error.to_string()));
                    self.not_opened(&error);
                    pause.over([self.lane(era)]).await;
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

    /// Closes a link that is lost, or keeps it if its session may go on in another socket. One to a
    /// server that still answers may have calls in flight whose answers are on their way: it goes
    /// with the last of them.
    fn keep_or_let_go(&self, link: Arc<Link>, lost: &ClientError) {
        if link.can_resume() {
            self.lane(link.era()).kept.store(Some(link));
        } else if link.network == Network::Stdio || is_silent(lost) {
            self.shared.tasks.spawn(async move { link.connection.close().await });
        }
    }
}

const fn restart_cause(lost: &ClientError) -> RestartCause {
    match lost {
        ClientError::SessionLost => RestartCause::SessionLost,
        ClientError::Closed { ending: Ending::Exited(_), .. } => RestartCause::Exited,
        ClientError::Closed { ending: Ending::Silent { .. }, .. } => RestartCause::Hung,
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

/// Whether an upstream that answers in one era may speak the other, in which it failed so. No
/// answer at all says nothing where one is likely.
const fn may_be_spoken(error: &ClientError, is_likely: bool) -> bool {
    match error {
        ClientError::Refused(_)
        | ClientError::Protocol(_)
        | ClientError::TooLarge { .. }
        | ClientError::Invalid(_) => false,
        ClientError::Http { status, .. } => *status == 429 || *status >= 500,
        ClientError::Timeout { .. } | ClientError::Closed { .. } => is_likely,
        ClientError::Spawn { .. }
        | ClientError::Connect(_)
        | ClientError::Tls(_)
        | ClientError::Auth { .. }
        | ClientError::SessionLost
        | ClientError::Busy
        | ClientError::Unfinished(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_era_is_given_up_only_when_the_server_says_so() {
        let http = |status| ClientError::Http { status, retry_after: None };
        let silent = ClientError::Timeout { method: "initialize", after: LONGEST_DOUBT };
        for error in [http(429), http(503), ClientError::Connect("refused".to_owned())] {
            assert!(may_be_spoken(&error, false), "{error}");
        }
        for error in [http(400), http(404), ClientError::Protocol("no answer".to_owned())] {
            assert!(!may_be_spoken(&error, true), "{error}");
        }
        assert!(may_be_spoken(&silent, true) && !may_be_spoken(&silent, false));
    }
}

//! How an upstream stands, and what is said of it: its state and its lists. Once it is stopped
//! nothing more is said, since another of its name may stand in its place.

use super::{
    UpstreamStatus,
    lane::{Lane, LaneState},
    listing::{List, Listing},
    one::Upstream,
    standing,
};
use mcp_client::ClientError;
use mcp_protocol::Era;
use mcp_store::{ListKind, UtcMillis};
use mcp_telemetry::{Event, OutageCause, UpstreamState};
use std::{sync::Arc, time::SystemTime};

/// The time.
pub(super) fn now() -> UtcMillis {
    SystemTime::now().into()
}

impl Upstream {
    /// Changes how a lane stands, and with it the upstream.
    pub(super) fn set_lane(&self, era: Era, state: LaneState, error: Option<&str>) {
        self.lane(era).set(state);
        self.stand(error);
        self.grow_stale(era);
    }

    /// Works the standing out anew, and reports it if it changed.
    pub(super) fn stand(&self, error: Option<&str>) {
        let state = standing::of(&self.lane(Era::Modern).state(), &self.lane(Era::Legacy).state());
        self.enter(state, error);
        self.recount();
    }

    /// Enters a state and reports it, if that is news.
    fn enter(&self, state: UpstreamState, error: Option<&str>) -> bool {
        // Locked until it is reported, so that nothing is reported after the last word.
        let mut standing = self.standing();
        let is_news = standing.enter(state, error);
        if is_news {
            let upstream = &self.label;
            self.shared.telemetry.emit(&Event::UpstreamStateChanged { upstream, state, error });
        }
        is_news
    }

    /// Says that it starts. Another one of its name may have been there before.
    pub(super) fn starting(&self) {
        let (upstream, state) = (&self.label, UpstreamState::Connecting);
        self.shared.telemetry.emit(&Event::UpstreamStateChanged { upstream, state, error: None });
    }

    /// Everything is closed, or soon will be: the last word that is said of it.
    pub(super) fn stopped(&self) {
        if self.enter(UpstreamState::Stopped, None) {
            self.close_account();
        }
    }

    /// Whether the last word on it was said.
    pub(super) fn is_stopped(&self) -> bool {
        self.standing().state == UpstreamState::Stopped
    }

    /// Takes over a new listing of a lane that was read at that time, and keeps what is new in it.
    pub(super) fn list(&self, era: Era, listing: Listing, read: UtcMillis) {
        if self.is_stopped() {
            return;
        }
        let upstream = &self.label;
        self.shared.telemetry.emit(&Event::CatalogueRefreshed {
            upstream,
            tools: listing.tools.items.len(),
            resources: listing.resources.items.len(),
            prompts: listing.prompts.items.len(),
        });
        self.keep_lists(era, &listing, |list| list.refreshed == read);
        self.lane(era).listing.store(Some(Arc::new(listing)));
        self.recount();
    }

    /// What is listed of an era whose connection is lost stays, marked with since when.
    fn grow_stale(&self, era: Era) {
        let lane = self.lane(era);
        if lane.link().is_some() || self.is_stopped() {
            return;
        }
        let Some(listing) = lane.listing.load_full().filter(|listing| listing.is_fresh()) else {
            return;
        };
        let since = now();
        lane.listing.store(Some(Arc::new(listing.stale(since))));
        self.keep_stale(era, since);
        self.shared.rebuild(&[]);
    }

    /// Takes what was stale for too long out of the lists.
    pub(super) fn expire(&self, now: UtcMillis) {
        let most = self.shared.limits.now().max_stale;
        self.withdraw("it is away for longer than `limits.max_stale`", |_, list| {
            list.is_expired(now, most)
        });
    }

    /// It could not be connected to. If it refused us, what it had is ours no more.
    pub(super) fn not_opened(&self, error: &ClientError) {
        if matches!(error, ClientError::Auth { .. }) {
            self.gone_because(OutageCause::Refused);
            self.withdraw(&error.to_string(), |lane, _| lane.link().is_none());
        }
    }

    /// Takes lists away; an era of which nothing is left is as one that was never listed.
    fn withdraw(&self, why: &str, goes: impl Fn(&Lane, &List) -> bool) {
        let mut entries = 0;
        for lane in self.lanes() {
            let Some(listing) = lane.listing.load_full() else { continue };
            let gone = |kind: &ListKind| goes(lane, listing.list(*kind));
            if self.is_stopped() || !ListKind::ALL.iter().any(gone) {
                continue;
            }
            let mut next = Listing::clone(&listing);
            for kind in ListKind::ALL.into_iter().filter(gone) {
                *next.list_mut(kind) = List::default();
            }
            entries += listing.len() - next.len();
            self.forget_kept(Some(lane.era));
            self.keep_lists(lane.era, &next, |list| !list.items.is_empty());
            lane.listing.store((next.len() > 0).then(|| Arc::new(next)));
        }
        if entries > 0 {
            let upstream = &self.label;
            self.shared.telemetry.emit(&Event::CatalogueWithdrawn { upstream, entries, why });
            self.shared.rebuild(&[]);
            self.recount();
        }
    }

    /// For `/api/status`.
    pub(super) fn status(&self) -> UpstreamStatus {
        let tools = |lane: &&Lane| {
            lane.listing.load().as_ref().map_or(0, |listing| listing.tools.items.len())
        };
        let lanes = self.lanes();
        let standing = self.standing();
        UpstreamStatus {
            name: self.name.clone(),
            state: standing.state,
            since: standing.since,
            last_error: standing.last_error.clone(),
            eras: lanes.iter().filter(|lane| lane.is_spoken()).map(|lane| lane.era).collect(),
            tools: lanes.iter().map(tools).max().unwrap_or_default(),
        }
    }
}

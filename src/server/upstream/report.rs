//! How an upstream stands, and what is said of it: its state, its lists, its tools. Once it is
//! stopped nothing more is said, since another of its name may stand in its place.

use super::{
    UpstreamStatus,
    lane::{Lane, LaneState},
    listing::Listing,
    one::Upstream,
    standing,
};
use mcp_protocol::Era;
use mcp_telemetry::{Event, UpstreamState};
use std::{collections::BTreeMap, sync::Arc};

impl Upstream {
    /// Changes how a lane stands, and with it the upstream.
    pub(super) fn set_lane(&self, era: Era, state: LaneState, error: Option<&str>) {
        self.lane(era).set(state);
        self.stand(error);
    }

    /// Works the standing out anew, and reports it if it changed.
    pub(super) fn stand(&self, error: Option<&str>) {
        let state = standing::of(&self.lane(Era::Modern).state(), &self.lane(Era::Legacy).state());
        if self.enter(state, error) {
            self.report_availability();
        }
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
            for lane in self.lanes() {
                for tool in lane.listing.load().iter().flat_map(|listing| listing.tools.iter()) {
                    self.report_tool(&tool.key, false);
                }
            }
        }
    }

    /// Whether the last word on it was said.
    fn is_stopped(&self) -> bool {
        self.standing().state == UpstreamState::Stopped
    }

    /// Reports for each tool whether it can be called now: in any era that lists it.
    fn report_availability(&self) {
        if self.is_stopped() {
            return;
        }
        let mut tools = BTreeMap::new();
        for lane in self.lanes() {
            let is_up = lane.link().is_some();
            for tool in lane.listing.load().iter().flat_map(|listing| listing.tools.iter()) {
                *tools.entry(tool.key.clone()).or_default() |= is_up;
            }
        }
        for (tool, available) in tools {
            self.report_tool(&tool, available);
        }
    }

    /// Takes over a new listing of a lane, and reports what is in it and what is gone.
    pub(super) fn list(&self, era: Era, listing: Listing) {
        if self.is_stopped() {
            return;
        }
        let (tools, resources, prompts) =
            (listing.tools.len(), listing.resources.len(), listing.prompts.len());
        let before = self.lane(era).listing.swap(Some(Arc::new(listing)));
        let upstream = &self.label;
        self.shared.telemetry.emit(&Event::CatalogueRefreshed {
            upstream,
            tools,
            resources,
            prompts,
        });
        let listed = |key: &str| {
            let has = |lane: &Lane| {
                lane.listing
                    .load()
                    .iter()
                    .any(|listing| listing.tools.iter().any(|tool| *tool.key == *key))
            };
            self.lanes().into_iter().any(has)
        };
        for gone in
            before.iter().flat_map(|before| before.tools.iter()).filter(|tool| !listed(&tool.key))
        {
            self.report_tool(&gone.key, false);
        }
        self.report_availability();
    }

    fn report_tool(&self, tool: &str, available: bool) {
        let tool = &self.shared.telemetry.register_tool(&self.label, tool);
        self.shared.telemetry.emit(&Event::ToolAvailabilityChanged { tool, available });
    }

    /// For `/api/status`.
    pub(super) fn status(&self) -> UpstreamStatus {
        let tools =
            |lane: &&Lane| lane.listing.load().as_ref().map_or(0, |listing| listing.tools.len());
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

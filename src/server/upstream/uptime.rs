//! Whether an upstream's tools can be called, and for how long they could: what its account says
//! is reported here.

use super::{
    availability::{Account, Away, Group, Passed, cause},
    one::Upstream,
};
use mcp_client::ClientError;
use mcp_protocol::Era;
use mcp_telemetry::{Event, OutageCause};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// What is known of an upstream's availability.
pub(super) struct Availability {
    account: Account,
    /// Since when each era is away: legacy, modern.
    away: [Option<Away>; 2],
    /// What was last said of each tool.
    said: HashMap<Arc<str>, bool>,
}

impl Availability {
    /// Of an upstream that was just configured.
    pub(super) fn new() -> Self {
        let since = Instant::now();
        let away = Some(Away { since, cause: OutageCause::NeverReached });
        Self { account: Account::new(since), away: [away, away], said: HashMap::new() }
    }
}

const fn slot(era: Era) -> usize {
    match era {
        Era::Legacy => 0,
        Era::Modern => 1,
    }
}

impl Upstream {
    /// Its connection in an era was lost so.
    pub(super) fn lost(&self, era: Era, error: &ClientError) {
        let away = Away { since: Instant::now(), cause: cause(error) };
        self.availability().away[slot(era)] = Some(away);
    }

    /// It is not there for that reason, and was not since it was configured.
    pub(super) fn gone_because(&self, cause: OutageCause) {
        let mut availability = self.availability();
        availability.away.iter_mut().flatten().for_each(|away| away.cause = cause);
    }

    /// Counts the time up to now, and says of each tool whether it can be called, if that changed.
    pub(super) fn recount(&self) {
        let (mut availability, now) = (self.availability(), Instant::now());
        // Asked with the lock held, so that nothing is said after the last word.
        if self.is_stopped() {
            return;
        }
        self.advance(&mut availability, now);
        for era in [Era::Legacy, Era::Modern] {
            let away = &mut availability.away[slot(era)];
            let lost = Away { since: now, cause: OutageCause::ConnectionLost };
            *away = if self.lane(era).link().is_some() { None } else { away.or(Some(lost)) };
        }
        let tools = self.tools_by_group();
        for group in Group::ALL {
            let away = away_of(group, availability.away);
            let count = match group {
                Group::Unlisted => usize::from(self.is_unlisted()),
                Group::Legacy | Group::Modern | Group::Both => {
                    tools.values().filter(|of| **of == group).count()
                }
            };
            availability.account.set(group, count, away);
        }
        self.say(&mut availability, &tools);
    }

    /// Counts the time up to now, and says what was found out by it.
    pub(super) fn count_time(&self) {
        let mut availability = self.availability();
        if self.is_stopped() {
            return;
        }
        if self.advance(&mut availability, Instant::now()) {
            let tools = self.tools_by_group();
            self.say(&mut availability, &tools);
        }
    }

    /// The last word: none of its tools can be called.
    pub(super) fn close_account(&self) {
        let mut availability = self.availability();
        self.advance(&mut availability, Instant::now());
        self.say(&mut availability, &BTreeMap::new());
    }

    /// Whether something was found to be unavailable.
    fn advance(&self, availability: &mut Availability, now: Instant) -> bool {
        let Passed { seconds, unavailable, has_turned } =
            availability.account.advance(now, self.park());
        let (upstream, unavailable) = (&self.label, &unavailable[..]);
        self.shared.telemetry.emit(&Event::ToolTimePassed { upstream, seconds, unavailable });
        has_turned
    }

    fn say(&self, availability: &mut Availability, tools: &BTreeMap<Arc<str>, Group>) {
        let Availability { account, said, .. } = availability;
        said.retain(|tool, available| {
            let stays = tools.contains_key(tool);
            if !stays && *available {
                self.report_tool(tool, false);
            }
            stays
        });
        for (tool, group) in tools {
            let available = account.is_available(*group);
            if said.insert(tool.clone(), available) != Some(available) {
                self.report_tool(tool, available);
            }
        }
    }

    /// Every tool that is listed, by where it is.
    fn tools_by_group(&self) -> BTreeMap<Arc<str>, Group> {
        let mut tools = BTreeMap::new();
        for era in [Era::Legacy, Era::Modern] {
            for tool in
                self.lane(era).listing.load().iter().flat_map(|listing| listing.tools.items.iter())
            {
                let alone = if era == Era::Legacy { Group::Legacy } else { Group::Modern };
                tools
                    .entry(tool.key.clone())
                    .and_modify(|group| {
                        if *group != alone {
                            *group = Group::Both;
                        }
                    })
                    .or_insert(alone);
            }
        }
        tools
    }

    /// Whether no list of it is known in any era.
    fn is_unlisted(&self) -> bool {
        self.lanes().iter().all(|lane| lane.listing.load().is_none())
    }

    /// Longest time for which a call waits for it.
    fn park(&self) -> Duration {
        self.shared.limits.now().park
    }

    fn availability(&self) -> MutexGuard<'_, Availability> {
        self.availability.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report_tool(&self, tool: &str, available: bool) {
        let tool = &self.shared.telemetry.register_tool(&self.label, tool);
        self.shared.telemetry.emit(&Event::ToolAvailabilityChanged { tool, available });
    }
}

/// Since when a group is away, if it is.
fn away_of(group: Group, [legacy, modern]: [Option<Away>; 2]) -> Option<Away> {
    match group {
        Group::Legacy => legacy,
        Group::Modern => modern,
        Group::Both | Group::Unlisted => {
            let (legacy, modern) = (legacy?, modern?);
            Some(if legacy.since > modern.since { legacy } else { modern })
        }
    }
}

//! When the lists of an upstream are read: at each connection, when it says that they changed, and
//! again after a while when an answer is not to be believed or did not come.

use super::{
    Change,
    link::Link,
    listing::{Kind, Look, Seen},
    one::Upstream,
    report::now,
};
use mcp_client::ClientError;
use mcp_protocol::Era;
use std::{sync::Arc, time::Duration};

/// Shortest time between two readings of the lists.
const RELIST_PAUSE: Duration = Duration::from_millis(100);
/// How long after an answer that is not believed it is asked for again.
const LOOK_AGAIN: Duration = Duration::from_secs(3);
/// Longest time between two tries to read a list that cannot be read.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What is to be looked at again, and when.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Unsettled {
    /// These were empty: when they are again, that is believed.
    empty: Vec<Kind>,
    /// These could not be read.
    failed: Vec<Kind>,
    /// How often in a row that was so.
    times: u32,
}

impl Unsettled {
    /// After another look at these.
    fn after(self, looked: &[Kind], seen: Seen) -> Self {
        let left = |kinds: Vec<Kind>| kinds.into_iter().filter(|kind| !looked.contains(kind));
        let times = if seen.failed.is_empty() { 0 } else { self.times.saturating_add(1) };
        Self {
            empty: left(self.empty).chain(seen.empty).collect(),
            failed: left(self.failed).chain(seen.failed).collect(),
            times,
        }
    }

    /// Whether all is known.
    fn is_settled(&self) -> bool {
        self.empty.is_empty() && self.failed.is_empty()
    }

    /// How long to wait until the next look.
    fn pause(&self) -> Duration {
        let doubled = LOOK_AGAIN.saturating_mul(1 << self.times.saturating_sub(1).min(8));
        if self.empty.is_empty() { doubled.min(LONGEST_PAUSE) } else { LOOK_AGAIN }
    }
}

impl Upstream {
    /// Reads all lists of a new link.
    pub(super) async fn list_first(self: &Arc<Self>, era: Era, link: &Link) -> Unsettled {
        self.relist(era, link, &Kind::ALL, (&[], Unsettled::default())).await
    }

    /// Reads again what changed or is not settled. Does not end.
    pub(super) async fn keep_listed(
        self: &Arc<Self>,
        era: Era,
        link: &Link,
        mut unsettled: Unsettled,
    ) {
        loop {
            let waits = !unsettled.is_settled();
            tokio::select! {
                (kinds, announced) = self.lane(era).stale.taken() => {
                    unsettled = self.relist(era, link, &kinds, (&announced, unsettled)).await;
                }
                () = tokio::time::sleep(unsettled.pause()), if waits => {
                    let mut kinds = [&unsettled.empty[..], &unsettled.failed].concat();
                    kinds.dedup();
                    unsettled = self.relist(era, link, &kinds, (&[], unsettled)).await;
                }
            }
            tokio::time::sleep(RELIST_PAUSE).await;
        }
    }

    /// A call failed so: if we were refused, the lists may not be ours any more either.
    pub(super) fn doubt_lists(&self, era: Era, error: &ClientError) {
        if matches!(error, ClientError::Auth { .. }) {
            self.lane(era).stale.suspect();
        }
    }

    /// Reads lists again and tells of what changed or was announced.
    async fn relist(
        self: &Arc<Self>,
        era: Era,
        link: &Link,
        kinds: &[Kind],
        (announced, unsettled): (&[Kind], Unsettled),
    ) -> Unsettled {
        let before = self.lane(era).listing.load_full().unwrap_or_default();
        let believed = &[announced, &unsettled.empty].concat();
        let limit = self.shared.limits.now().request_timeout;
        let look = Look { kinds, believed, limit, now: now() };
        let (listing, mut seen) = before.refreshed(link, &look).await;
        for (method, why) in seen.complaints.drain(..) {
            self.dropped(method.as_str(), &why);
        }
        self.list(era, listing, look.now);
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
        unsettled.after(kinds, seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(empty: &[Kind], failed: &[Kind]) -> Seen {
        Seen { empty: empty.to_vec(), failed: failed.to_vec(), complaints: Vec::new() }
    }

    #[test]
    fn an_empty_list_is_looked_at_once_more() {
        let first = Unsettled::default().after(&Kind::ALL, seen(&[Kind::Tools], &[]));
        assert!(!first.is_settled());
        assert_eq!(first.pause(), LOOK_AGAIN);
        let other = first.after(&[Kind::Prompts], seen(&[], &[]));
        assert_eq!(other.empty, [Kind::Tools], "it waits for its own look");
        assert!(other.after(&[Kind::Tools], seen(&[], &[])).is_settled());
    }

    #[test]
    fn what_cannot_be_read_is_tried_less_and_less_often() {
        let mut unsettled = Unsettled::default();
        let pauses: Vec<_> = (0..7)
            .map(|_| {
                unsettled =
                    std::mem::take(&mut unsettled).after(&Kind::ALL, seen(&[], &[Kind::Tools]));
                unsettled.pause().as_secs()
            })
            .collect();
        assert_eq!(pauses, [3, 6, 12, 24, 48, 60, 60]);
    }
}

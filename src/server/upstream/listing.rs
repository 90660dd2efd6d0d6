//! What one upstream offers in one era, as it was last listed, and what is believed of a new
//! answer. How a list is read is in `pages`.

use super::{
    link::Link,
    pages::{self, Complaints, Item, Unread, wire},
};
use mcp_store::{ListKind, UtcMillis};
use std::{sync::Arc, time::Duration};

/// The lists that an upstream can say have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `tools/list`.
    Tools,
    /// `prompts/list`.
    Prompts,
    /// `resources/list` and `resources/templates/list`.
    Resources,
}

impl Kind {
    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::Tools, Self::Prompts, Self::Resources];

    /// The lists that this says have changed.
    const fn lists(self) -> &'static [ListKind] {
        match self {
            Self::Tools => &[ListKind::Tools],
            Self::Prompts => &[ListKind::Prompts],
            Self::Resources => &[ListKind::Resources, ListKind::Templates],
        }
    }
}

/// One list.
#[derive(Debug, Clone, Default)]
pub(super) struct List {
    /// What is in it.
    pub(super) items: Arc<[Item]>,
    /// When it was read.
    pub(super) refreshed: UtcMillis,
    /// Since when nobody can tell whether it is still so.
    pub(super) stale_since: Option<UtcMillis>,
}

impl List {
    /// The same, stale since then unless it is already.
    pub(super) fn stale(&self, since: UtcMillis) -> Self {
        Self { stale_since: self.stale_since.or(Some(since)), ..self.clone() }
    }

    /// Whether it was stale for as long as it may be.
    pub(super) fn is_expired(&self, now: UtcMillis, most: Duration) -> bool {
        self.stale_since.is_some_and(|since| now.since(since) >= most)
    }
}

/// All lists of one upstream in one era.
#[derive(Debug, Clone, Default)]
pub(super) struct Listing {
    /// Its tools.
    pub(super) tools: List,
    /// Its prompts.
    pub(super) prompts: List,
    /// Its resources.
    pub(super) resources: List,
    /// Its resource templates.
    pub(super) templates: List,
    /// Whether it can be asked for resources at all.
    pub(super) reads: bool,
}

/// What is read again, and how far an answer is believed.
pub(super) struct Look<'a> {
    /// These lists.
    pub(super) kinds: &'a [Kind],
    /// Of these an empty one is: it was announced, or empty before.
    pub(super) believed: &'a [Kind],
    /// Longest time for each request.
    pub(super) limit: Duration,
    /// The time.
    pub(super) now: UtcMillis,
}

/// What came of a look.
#[derive(Default)]
pub(super) struct Seen {
    /// Lists that were empty and are to be looked at again before that is believed.
    pub(super) empty: Vec<Kind>,
    /// Lists that could not be read.
    pub(super) failed: Vec<Kind>,
    /// What went wrong: the method, and a sentence for the log.
    pub(super) complaints: Complaints,
}

impl Listing {
    /// A list.
    pub(super) const fn list(&self, kind: ListKind) -> &List {
        match kind {
            ListKind::Tools => &self.tools,
            ListKind::Prompts => &self.prompts,
            ListKind::Resources => &self.resources,
            ListKind::Templates => &self.templates,
        }
    }

    /// A list, to be changed.
    pub(super) const fn list_mut(&mut self, kind: ListKind) -> &mut List {
        match kind {
            ListKind::Tools => &mut self.tools,
            ListKind::Prompts => &mut self.prompts,
            ListKind::Resources => &mut self.resources,
            ListKind::Templates => &mut self.templates,
        }
    }

    /// The same, all of it stale since then unless it is already.
    pub(super) fn stale(&self, since: UtcMillis) -> Self {
        let mut next = self.clone();
        ListKind::ALL.iter().for_each(|kind| *next.list_mut(*kind) = self.list(*kind).stale(since));
        next
    }

    /// Whether any of it is not stale.
    pub(super) fn is_fresh(&self) -> bool {
        ListKind::ALL.iter().any(|kind| self.list(*kind).stale_since.is_none())
    }

    /// How many entries it has.
    pub(super) fn len(&self) -> usize {
        ListKind::ALL.iter().map(|kind| self.list(*kind).items.len()).sum()
    }

    /// Asks the upstream for lists again; the others, and those that fail, are as before.
    pub(super) async fn refreshed(&self, link: &Link, look: &Look<'_>) -> (Self, Seen) {
        let (mut next, mut seen) = (self.clone(), Seen::default());
        next.reads = link.offers.resources;
        for kind in look.kinds {
            for list in kind.lists() {
                next.refresh(link, (*kind, *list), look, &mut seen).await;
            }
        }
        (next, seen)
    }

    async fn refresh(
        &mut self,
        link: &Link,
        (kind, which): (Kind, ListKind),
        look: &Look<'_>,
        seen: &mut Seen,
    ) {
        let offered = link.offers.has(kind);
        let (method, field, key) = wire(which);
        let read = match offered {
            false => Ok(Vec::new()),
            true => pages::read(link, method, field, look.limit).await,
        };
        let (items, is_sure) = match read {
            Ok(items) => {
                let over_http = pages::is_modern_http(link.network, link.era());
                (pages::read_items(&items, key, over_http, &mut seen.complaints), false)
            }
            Err(Unread::Revoked(reason)) => {
                seen.complaints.push((method, reason));
                // What was taken away may be given again.
                seen.failed.push(kind);
                (Arc::default(), true)
            }
            Err(Unread::Failed(reason)) => {
                seen.complaints.push((method, reason));
                return seen.failed.push(kind);
            }
        };
        let list = self.list_mut(which);
        let is_believed = is_sure || look.believed.contains(&kind);
        if needs_another_look(list, &items, is_believed, which == ListKind::Tools && offered) {
            seen.empty.push(kind);
        }
        if replaces(list, &items, is_believed) {
            *list = List { items, refreshed: look.now, stale_since: None };
        }
    }
}

/// Whether what was read takes the place of what is known. A server that has just started may
/// not have its tools yet, so an empty list does not replace a full one before it is believed.
fn replaces(known: &List, read: &[Item], is_believed: bool) -> bool {
    is_believed || !read.is_empty() || known.items.is_empty()
}

/// Whether to look again soon: an empty list stands where a full one was, or, of tools, where
/// one is to be expected.
fn needs_another_look(known: &List, read: &[Item], is_believed: bool, expects_some: bool) -> bool {
    !is_believed && read.is_empty() && (expects_some || !known.items.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_replaces_a_full_one_only_when_it_is_believed() {
        let definition = mcp_protocol::raw(r#"{"name":"t"}"#).unwrap().into();
        let item = Item { key: "t".into(), definition, headers: Vec::new() };
        let full = List { items: [item.clone()].into(), ..List::default() };
        let none = List::default();
        assert!(!replaces(&full, &[], false) && needs_another_look(&full, &[], false, false));
        assert!(replaces(&full, &[], true) && !needs_another_look(&full, &[], true, true));
        assert!(replaces(&full, std::slice::from_ref(&item), false), "fewer are believed at once");
        assert!(replaces(&none, &[], false) && !needs_another_look(&none, &[], false, false));
        assert!(needs_another_look(&none, &[], false, true), "tools are to be expected");
    }

    #[test]
    fn a_list_is_stale_from_the_first_time_on_and_for_a_bounded_time() {
        let at = |seconds: i64| UtcMillis::from_millis(seconds * 1_000);
        let list = List::default().stale(at(10)).stale(at(20));
        let day = Duration::from_secs(86_400);
        assert!(!list.is_expired(at(86_409), day) && list.is_expired(at(86_410), day));
        assert!(!List::default().is_expired(at(999_999), Duration::ZERO), "it is not stale");
    }
}

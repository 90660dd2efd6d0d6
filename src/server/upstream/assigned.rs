//! The names in force: each is given once and then stays, also over a restart and while its
//! upstream is away, so that names never depend on who connects first. One is given for good when
//! every upstream that comes earlier is known or could not be reached: until then it may still turn
//! out to be another's.
//!
//! They are given anew when the rules change: which upstreams are served without a prefix, and in
//! which order they are configured.

use super::{
    catalogue::Offer,
    listing::{List, Listing},
    names::{self, Candidate, Note},
};
use mcp_store::{NamedKind, StoredName};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// Beyond so many names those of what is not listed are forgotten.
const MOST_NAMES: usize = 40_000;

/// Of what upstream it is, and what that calls it.
type Key = (NamedKind, Arc<str>, Arc<str>);

/// A name that was given.
#[derive(Debug, Clone)]
struct Given {
    public: Arc<str>,
    is_for_good: bool,
}

/// The names in force.
#[derive(Debug, Default)]
pub(super) struct Assigned {
    /// By what they were given; `None` before the first time.
    rules: Option<Arc<str>>,
    names: HashMap<Key, Given>,
    /// What a store kept, until the rules are known.
    kept: Vec<StoredName>,
}

impl Assigned {
    /// Those that a store kept.
    pub(super) fn restored(names: Vec<StoredName>) -> Self {
        Self { kept: names, ..Self::default() }
    }

    /// The public name.
    pub(super) fn get(
        &self,
        kind: NamedKind,
        upstream: &Arc<str>,
        original: &Arc<str>,
    ) -> Arc<str> {
        let key = (kind, upstream.clone(), original.clone());
        self.names.get(&key).map_or(original, |given| &given.public).clone()
    }

    /// Gives names to what is on offer; what there is to say of them, and which are new.
    pub(super) fn update(
        &mut self,
        offers: &[Offer],
        reserved: &[String],
    ) -> (Vec<Note>, Vec<StoredName>) {
        let rules = rules(offers);
        if self.rules.as_ref() != Some(&rules) {
            let of_these = std::mem::take(&mut self.kept).into_iter();
            self.names = of_these
                .filter(|name| name.rules == rules)
                .map(|name| {
                    let given = Given { public: name.public, is_for_good: true };
                    ((name.kind, name.upstream, name.original), given)
                })
                .collect();
            self.rules = Some(rules);
        }
        let (mut notes, mut new) = (Vec::new(), Vec::new());
        for kind in NamedKind::ALL {
            let reserved = if kind == NamedKind::Tool { reserved } else { &[] };
            notes.extend(self.give(offers, kind, reserved, &mut new));
        }
        self.bound(offers);
        (notes, new)
    }

    fn give(
        &mut self,
        offers: &[Offer],
        kind: NamedKind,
        reserved: &[String],
        new: &mut Vec<StoredName>,
    ) -> Vec<Note> {
        let wanted = wanted(offers, kind);
        let taken = self.taken(offers, kind, names::reserved(reserved));
        let candidate = |((_, upstream, name), prefix): &'_ (Key, bool)| {
            let given = self.names.get(&(kind, upstream.clone(), name.clone()));
            let given = given.filter(|given| given.is_for_good).map(|given| given.public.clone());
            (upstream.clone(), name.clone(), *prefix, given)
        };
        let all: Vec<_> = wanted.iter().map(candidate).collect();
        let candidates: Vec<_> = all
            .iter()
            .map(|(upstream, name, prefix, given)| Candidate {
                upstream,
                name,
                prefix: *prefix,
                given: given.as_deref(),
            })
            .collect();
        let (names, notes) = names::assign(&candidates, taken);
        let settled = settled(offers);
        for ((key, _), name) in wanted.into_iter().zip(names) {
            let given = Given { public: name.into(), is_for_good: settled.contains(&key.1) };
            new.extend(self.set(key, given));
        }
        notes
    }

    /// Puts a name in force; what to keep of it, if that is new.
    fn set(&mut self, key: Key, given: Given) -> Option<StoredName> {
        let before = self.names.insert(key.clone(), given.clone());
        let is_kept =
            before.is_some_and(|before| before.is_for_good && before.public == given.public);
        if is_kept || !given.is_for_good {
            return None;
        }
        let (kind, upstream, original) = key;
        let rules = self.rules.clone().unwrap_or_default();
        Some(StoredName { kind, upstream, original, public: given.public, rules })
    }

    /// What nobody else gets: our own names, and those of upstreams of which no list is known,
    /// since they may come back.
    fn taken(
        &self,
        offers: &[Offer],
        kind: NamedKind,
        mut taken: HashMap<String, String>,
    ) -> HashMap<String, String> {
        let unlisted: HashSet<&Arc<str>> = offers
            .iter()
            .filter(|offer| listings(offer).next().is_none())
            .map(|offer| &offer.upstream)
            .collect();
        for ((of, upstream, _), given) in &self.names {
            if *of == kind && given.is_for_good && unlisted.contains(upstream) {
                taken.entry(given.public.to_string()).or_insert_with(|| upstream.to_string());
            }
        }
        taken
    }

    fn bound(&mut self, offers: &[Offer]) {
        if self.names.len() > MOST_NAMES {
            let listed: HashSet<Key> = NamedKind::ALL
                .iter()
                .flat_map(|kind| wanted(offers, *kind))
                .map(|(key, _)| key)
                .collect();
            self.names.retain(|key, _| listed.contains(key));
        }
    }
}

/// The upstreams that get names for good: they and all before them are known or were not reached.
fn settled(offers: &[Offer]) -> HashSet<Arc<str>> {
    offers.iter().take_while(|offer| offer.is_settled).map(|offer| offer.upstream.clone()).collect()
}

/// What is on offer, each once, in its order; and whether it is served with a prefix.
fn wanted(offers: &[Offer], kind: NamedKind) -> Vec<(Key, bool)> {
    let mut seen = HashSet::new();
    let mut wanted = Vec::new();
    for offer in offers {
        for item in listings(offer).flat_map(|listing| list(listing, kind).items.iter()) {
            let key = (kind, offer.upstream.clone(), item.key.clone());
            if seen.insert(key.clone()) {
                wanted.push((key, offer.prefix));
            }
        }
    }
    wanted
}

fn listings(offer: &Offer) -> impl Iterator<Item = &Listing> {
    [offer.modern.as_deref(), offer.legacy.as_deref()].into_iter().flatten()
}

const fn list(listing: &Listing, kind: NamedKind) -> &List {
    match kind {
        NamedKind::Tool => &listing.tools,
        NamedKind::Prompt => &listing.prompts,
    }
}

/// By what names are given: only those without a prefix can be in each other's way.
fn rules(offers: &[Offer]) -> Arc<str> {
    let bare: Vec<&str> =
        offers.iter().filter(|offer| !offer.prefix).map(|offer| &*offer.upstream).collect();
    bare.join(",").into()
}

#[cfg(test)]
mod tests {
    use super::{super::pages::Item, *};
    use mcp_protocol::raw;
    use mcp_telemetry::UpstreamLabel;

    fn offer(upstream: &str, tools: Option<&[&str]>) -> Offer {
        let item = |name: &&str| Item {
            key: (*name).into(),
            definition: raw(&format!(r#"{{"name":"{name}"}}"#)).unwrap().into(),
            headers: vec![],
        };
        let listing = tools.map(|tools| {
            let tools = List { items: tools.iter().map(item).collect(), ..List::default() };
            Arc::new(Listing { tools, ..Listing::default() })
        });
        let (upstream, label) = (upstream.into(), UpstreamLabel::builtin());
        Offer { upstream, label, prefix: false, is_settled: true, legacy: listing, modern: None }
    }

    fn name(assigned: &Assigned, upstream: &str) -> String {
        assigned.get(NamedKind::Tool, &upstream.into(), &"get".into()).to_string()
    }

    #[test]
    fn a_name_stays_whoever_comes_later_and_over_a_restart() {
        let get: Option<&[&str]> = Some(&["get"]);
        let mut assigned = Assigned::default();
        let (_, mut kept) = assigned.update(&[offer("a", None), offer("b", get)], &[]);
        assert_eq!(name(&assigned, "b"), "get", "the other was never seen");
        let both = [offer("a", get), offer("b", get)];
        let (_, new) = assigned.update(&both, &[]);
        assert_eq!((name(&assigned, "a"), name(&assigned, "b")), ("a__get".into(), "get".into()));
        assert!(assigned.update(&both, &[]).1.is_empty(), "nothing is new");
        kept.extend(new);
        for first in [[offer("a", get), offer("b", None)], [offer("a", None), offer("b", get)]] {
            let mut again = Assigned::restored(kept.clone());
            again.update(&first, &[]);
            again.update(&both, &[]);
            assert_eq!((name(&again, "a"), name(&again, "b")), ("a__get".into(), "get".into()));
        }
    }

    #[test]
    fn no_name_is_given_for_good_while_an_earlier_upstream_is_still_connecting() {
        let get: Option<&[&str]> = Some(&["get"]);
        let mut assigned = Assigned::default();
        let connecting = Offer { is_settled: false, ..offer("a", None) };
        let (_, new) = assigned.update(&[connecting, offer("b", get)], &[]);
        assert_eq!((name(&assigned, "b").as_str(), new.len()), ("get", 0));
        let (_, new) = assigned.update(&[offer("a", get), offer("b", get)], &[]);
        assert_eq!((name(&assigned, "a"), name(&assigned, "b")), ("get".into(), "b__get".into()));
        assert_eq!(new.len(), 2);
    }

    #[test]
    fn the_name_of_who_is_away_goes_to_nobody_else() {
        let mut assigned = Assigned::default();
        let get: Option<&[&str]> = Some(&["get"]);
        assigned.update(&[offer("a", get), offer("b", Some(&["other"]))], &[]);
        assigned.update(&[offer("a", None), offer("b", get)], &[]);
        assert_eq!(name(&assigned, "b"), "b__get");
        let mut other = Assigned::default();
        other.update(&[offer("a", get), offer("b", Some(&[]))], &[]);
        other.update(&[offer("a", Some(&[])), offer("b", get)], &[]);
        assert_eq!(name(&other, "b"), "get", "who is there and has it no more has let it go");
    }

    #[test]
    fn another_order_gives_other_names() {
        let mut assigned = Assigned::default();
        let get: Option<&[&str]> = Some(&["get"]);
        assigned.update(&[offer("b", get)], &[]);
        assigned.update(&[offer("a", get), offer("b", get)], &[]);
        assert_eq!((name(&assigned, "a"), name(&assigned, "b")), ("get".into(), "b__get".into()));
        assigned.update(&[offer("a", get), offer("b", get)], &["get".to_owned()]);
        assert_eq!(name(&assigned, "a"), "a__get", "our own tools win");
    }
}

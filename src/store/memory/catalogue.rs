//! What is kept of upstreams, in memory.

use crate::{
    CatalogueChange, ListKey, NamedKind, StoredCatalogue, StoredList, StoredName,
    catalogue::{MOST_LISTS, MOST_NAMES},
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

type NameKey = (NamedKind, Arc<str>, Arc<str>);

/// What is kept of upstreams.
#[derive(Debug, Default)]
pub(super) struct Kept {
    lists: BTreeMap<ListKey, StoredList>,
    names: BTreeMap<u64, StoredName>,
    numbers: HashMap<NameKey, u64>,
}

impl Kept {
    pub(super) fn note(&mut self, change: CatalogueChange) {
        match change {
            CatalogueChange::Listed(list) => {
                if self.lists.len() < MOST_LISTS || self.lists.contains_key(&list.key) {
                    self.lists.insert(list.key.clone(), list);
                }
            }
            CatalogueChange::Stale(key, since) => {
                if let Some(list) = self.lists.get_mut(&key) {
                    let before = list.stale_since.unwrap_or(since);
                    list.stale_since = Some(before.min(since));
                }
            }
            CatalogueChange::Forgotten(upstream, era) => self
                .lists
                .retain(|key, _| key.upstream != upstream || era.is_some_and(|era| era != key.era)),
            CatalogueChange::Named(names) => names.iter().for_each(|name| self.name(name)),
        }
    }

    fn name(&mut self, name: &StoredName) {
        let key =
            |name: &StoredName| (name.kind, Arc::clone(&name.upstream), Arc::clone(&name.original));
        let next = self.names.last_key_value().map_or(1, |(number, _)| number + 1);
        let number = *self.numbers.entry(key(name)).or_insert(next);
        self.names.insert(number, name.clone());
        while self.names.len() > MOST_NAMES {
            let Some((_, oldest)) = self.names.pop_first() else { return };
            self.numbers.remove(&key(&oldest));
        }
    }

    pub(super) fn all(&self) -> StoredCatalogue {
        StoredCatalogue {
            lists: self.lists.values().cloned().collect(),
            names: self.names.values().cloned().collect(),
        }
    }
}

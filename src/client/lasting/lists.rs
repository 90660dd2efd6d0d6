//! The server's lists, as far as is needed to say what changed in them: names, and a digest of
//! each entry.

use crate::{ClientError, Connection, OutCall};
use mcp_protocol::{Method, RawObject, RawValue, raw_value};
use serde_json::json;
use std::{
    collections::{BTreeMap, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};
use tokio::time::timeout;

/// Most pages of a list that are read.
const PAGES: usize = 1_000;
/// Most entries of a list that are remembered.
const ENTRIES: usize = 100_000;

/// A list that a server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum List {
    /// `tools/list`.
    Tools,
    /// `prompts/list`.
    Prompts,
    /// `resources/list`.
    Resources,
    /// `resources/templates/list`.
    ResourceTemplates,
}

/// How a list differs from the one known before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListChange {
    /// Which.
    pub list: List,
    /// Names, or URIs, that are new.
    pub added: Vec<String>,
    /// Those that are gone.
    pub removed: Vec<String>,
    /// Those that are described otherwise.
    pub changed: Vec<String>,
}

type Entries = BTreeMap<String, u64>;

/// What is known of the server's lists.
#[derive(Default)]
pub(super) struct Lists {
    known: HashMap<List, Entries>,
}

impl List {
    const ALL: [Self; 4] = [Self::Tools, Self::Prompts, Self::Resources, Self::ResourceTemplates];

    const fn method(self) -> &'static str {
        match self {
            Self::Tools => "tools/list",
            Self::Prompts => "prompts/list",
            Self::Resources => "resources/list",
            Self::ResourceTemplates => "resources/templates/list",
        }
    }

    /// The capability that promises it.
    const fn capability(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources | Self::ResourceTemplates => "resources",
        }
    }

    /// Where the entries stand in the answer, and what names one.
    const fn keys(self) -> (&'static str, &'static str) {
        match self {
            Self::Tools => ("tools", "name"),
            Self::Prompts => ("prompts", "name"),
            Self::Resources => ("resources", "uri"),
            Self::ResourceTemplates => ("resourceTemplates", "uriTemplate"),
        }
    }
}

impl Lists {
    /// Takes what a list is now; the difference, if the list was known and there is one.
    fn learn(&mut self, list: List, now: Entries) -> Option<ListChange> {
        let before = self.known.insert(list, now)?;
        let now = &self.known[&list];
        let names = |some: &Entries, other: &Entries| -> Vec<String> {
            some.keys().filter(|name| !other.contains_key(*name)).cloned().collect()
        };
        let differs = |name: &&String| before.get(*name).is_some_and(|old| *old != now[*name]);
        let change = ListChange {
            list,
            added: names(now, &before),
            removed: names(&before, now),
            changed: now.keys().filter(differs).cloned().collect(),
        };
        let same =
            change.added.is_empty() && change.removed.is_empty() && change.changed.is_empty();
        (!same).then_some(change)
    }
}

/// Whether a notification says that a list changed.
pub(super) const fn is_list_changed(method: Method) -> bool {
    matches!(
        method,
        Method::ToolsListChanged | Method::PromptsListChanged | Method::ResourcesListChanged
    )
}

/// Reads the lists that the server has, and says what is different.
pub(super) async fn read(
    connection: &Connection,
    lists: &tokio::sync::Mutex<Lists>,
    wait: Duration,
) -> Vec<ListChange> {
    let mut lists = lists.lock().await;
    let mut changes = Vec::new();
    let capabilities = RawObject::parse(&connection.server().capabilities).unwrap_or_default();
    for list in List::ALL {
        if !capabilities.contains(list.capability()) {
            continue;
        }
        // A list that cannot be read is no news; the connection's own troubles are found elsewhere.
        if let Ok(Some(entries)) = entries(connection, list, wait).await {
            changes.extend(lists.learn(list, entries));
        }
    }
    changes
}

/// All entries of a list; `None` when the server gives no list.
async fn entries(
    connection: &Connection,
    list: List,
    wait: Duration,
) -> Result<Option<Entries>, ClientError> {
    let (mut entries, mut cursor) = (Entries::new(), None);
    for _ in 0..PAGES {
        let params = cursor.map_or_else(|| json!({}), |cursor: String| json!({ "cursor": cursor }));
        let call = connection.call(OutCall::new(list.method(), raw_value(&params)));
        let after = wait;
        let answer = timeout(wait, call)
            .await
            .map_err(|_| ClientError::Timeout { method: list.method(), after })??;
        let Ok(page) = answer else { return Ok(None) };
        let Some(page) = RawObject::parse(&page) else { return Ok(None) };
        let (key, name) = list.keys();
        let items = page.get(key).and_then(|items| serde_json::from_str(items.get()).ok());
        let Some::<Vec<Box<RawValue>>>(items) = items else { return Ok(None) };
        entries.extend(items.iter().filter_map(|item| entry(item, name)));
        cursor = page.get_str("nextCursor");
        if cursor.is_none() || entries.len() > ENTRIES {
            break;
        }
    }
    Ok(Some(entries))
}

fn entry(item: &RawValue, name: &str) -> Option<(String, u64)> {
    let name = RawObject::parse(item)?.get_str(name)?;
    let mut digest = DefaultHasher::new();
    item.get().hash(&mut digest);
    Some((name, digest.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(names: &[(&str, u64)]) -> Entries {
        names.iter().map(|(name, digest)| ((*name).to_owned(), *digest)).collect()
    }

    #[test]
    fn only_a_known_list_can_change() {
        let mut lists = Lists::default();
        assert_eq!(lists.learn(List::Tools, entries(&[("a", 1), ("b", 1), ("c", 1)])), None);
        assert_eq!(lists.learn(List::Tools, entries(&[("a", 1), ("b", 1), ("c", 1)])), None);
        let change = lists.learn(List::Tools, entries(&[("b", 2), ("c", 1), ("d", 1)]));
        let names = |name: &str| vec![name.to_owned()];
        let expected = ListChange {
            list: List::Tools,
            added: names("d"),
            removed: names("a"),
            changed: names("b"),
        };
        assert_eq!(change, Some(expected));
        assert_eq!(lists.learn(List::Prompts, Entries::new()), None);
    }
}

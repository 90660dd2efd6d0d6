//! What upstreams offered when they were last asked, and the names it is served under: so that a
//! server that starts anew has the same lists as before, also while an upstream is away.

use crate::UtcMillis;
use mcp_protocol::Era;
use std::sync::Arc;

/// Most bytes of one list.
pub(crate) const MOST_LIST_BYTES: usize = 32 << 20;
/// Most lists.
pub(crate) const MOST_LISTS: usize = 8_192;
/// Most names; beyond it those that were assigned first go.
pub(crate) const MOST_NAMES: usize = 40_000;

/// The lists that an upstream can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ListKind {
    /// `tools/list`.
    Tools,
    /// `prompts/list`.
    Prompts,
    /// `resources/list`.
    Resources,
    /// `resources/templates/list`.
    Templates,
}

impl ListKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Tools, Self::Prompts, Self::Resources, Self::Templates];

    /// The kind in one word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "templates",
        }
    }

    /// The kind of that word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Which list of which upstream.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListKey {
    /// The upstream's configured name.
    pub upstream: Arc<str>,
    /// The era in which it was asked.
    pub era: Era,
    /// Which list.
    pub kind: ListKind,
}

/// A list as it was last known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredList {
    /// Which one.
    pub key: ListKey,
    /// What tells where the upstream was from where it may be now; no secrets.
    pub target: Arc<str>,
    /// When it was read.
    pub refreshed: UtcMillis,
    /// Since when nobody could tell whether it is still so; `None` while the upstream was there.
    pub stale_since: Option<UtcMillis>,
    /// Its items as a JSON array. The store does not read it.
    pub items: Arc<str>,
}

/// What has a public name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NamedKind {
    /// A tool.
    Tool,
    /// A prompt.
    Prompt,
}

impl NamedKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Tool, Self::Prompt];

    /// The kind in one word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Prompt => "prompt",
        }
    }

    /// The kind of that word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A name that was given to a tool or prompt of an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredName {
    /// Of what.
    pub kind: NamedKind,
    /// The upstream's configured name.
    pub upstream: Arc<str>,
    /// What the upstream calls it.
    pub original: Arc<str>,
    /// What it is served as.
    pub public: Arc<str>,
    /// What tells the rules of that time from those of now; the store does not read it.
    pub rules: Arc<str>,
}

/// A change to what is kept of upstreams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CatalogueChange {
    /// A list was read; it replaces the one before it.
    Listed(StoredList),
    /// Nobody can tell since then whether a list is still so. Of one that is stale already the
    /// earlier time stays.
    Stale(ListKey, UtcMillis),
    /// The lists of an upstream, in one era or in all, are of no use any more.
    Forgotten(Arc<str>, Option<Era>),
    /// Names were given; each replaces the one before it.
    Named(Arc<[StoredName]>),
}

impl CatalogueChange {
    /// About how many bytes wait with it.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Listed(list) => list.items.len(),
            Self::Stale(..) | Self::Forgotten(..) => 0,
            Self::Named(names) => {
                names.iter().map(|name| name.original.len() + name.public.len()).sum()
            }
        }
    }

    /// Whether it is within the bounds of one change.
    pub(crate) fn is_bounded(&self) -> bool {
        match self {
            Self::Listed(list) => list.items.len() <= MOST_LIST_BYTES,
            Self::Stale(..) | Self::Forgotten(..) => true,
            Self::Named(names) => names.len() <= MOST_NAMES,
        }
    }
}

/// All that is kept of upstreams.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoredCatalogue {
    /// Their lists, by key.
    pub lists: Vec<StoredList>,
    /// The names that were given, in the order in which they were.
    pub names: Vec<StoredName>,
}

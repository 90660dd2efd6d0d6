//! What all upstreams offer together, as a client of each era sees it.
//!
//! Built anew whenever one upstream's listing changes, from the last known listings of all:
//! an upstream that is down keeps its place. A client sees an upstream's listing of its own
//! era, else of the other one.

use super::{
    Change,
    assigned::Assigned,
    listing::Listing,
    view::{Rows, View},
};
use mcp_protocol::{Era, RawValue, headers::ParamHeader};
use mcp_telemetry::{ToolLabel, UpstreamLabel};
use std::sync::Arc;

/// Definitions in a stable order, public names in place.
pub(crate) type EraList = Arc<[Arc<RawValue>]>;

/// A tool of an upstream.
#[derive(Debug)]
pub(crate) struct ToolEntry {
    /// The name it is served under.
    pub(crate) name: Arc<str>,
    /// The name its upstream knows.
    pub(crate) original: Arc<str>,
    /// The upstream.
    pub(crate) upstream: Arc<str>,
    /// What it is counted under.
    pub(crate) label: ToolLabel,
    /// Arguments that headers repeat, in the modern era.
    pub(crate) headers: Vec<ParamHeader>,
    /// Whether its upstream says that running it twice does no more than running it once.
    pub(super) is_harmless: bool,
}

#[cfg(test)]
impl ToolEntry {
    /// A tool of that name, of an upstream that knows it by another one.
    pub(crate) fn for_tests(name: &str, original: &str, upstream: &str) -> Self {
        Self {
            name: name.into(),
            original: original.into(),
            upstream: upstream.into(),
            label: ToolLabel::unknown(),
            headers: Vec::new(),
            is_harmless: false,
        }
    }
}

/// A prompt of an upstream.
#[derive(Debug)]
pub(crate) struct PromptEntry {
    /// The name it is served under.
    pub(crate) name: Arc<str>,
    /// The name its upstream knows.
    pub(crate) original: Arc<str>,
    /// The upstream.
    pub(crate) upstream: Arc<str>,
}

/// Everything on offer.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    legacy: View,
    modern: View,
}

/// One upstream's part.
pub(super) struct Offer {
    /// Its name.
    pub(super) upstream: Arc<str>,
    /// What it is counted under.
    pub(super) label: UpstreamLabel,
    /// Whether its names get its prefix.
    pub(super) prefix: bool,
    /// Whether its lists are known, or its first try failed.
    pub(super) is_settled: bool,
    /// Its legacy listing, if it has one.
    pub(super) legacy: Option<Arc<Listing>>,
    /// Its modern listing, if it has one.
    pub(super) modern: Option<Arc<Listing>>,
}

impl Offer {
    /// What clients of an era see of it.
    pub(super) fn listing(&self, era: Era) -> Option<&Listing> {
        match era {
            Era::Legacy => self.legacy.as_deref().or(self.modern.as_deref()),
            Era::Modern => self.modern.as_deref().or(self.legacy.as_deref()),
        }
    }
}

impl Catalogue {
    /// `tools/list`, without the built-ins.
    pub(crate) fn tools(&self, era: Era) -> &EraList {
        &self.view(era).tools.served
    }

    /// `prompts/list`.
    pub(crate) fn prompts(&self, era: Era) -> &EraList {
        &self.view(era).prompts.served
    }

    /// `resources/list`.
    pub(crate) fn resources(&self, era: Era) -> &EraList {
        &self.view(era).resources.served
    }

    /// `resources/templates/list`.
    pub(crate) fn templates(&self, era: Era) -> &EraList {
        &self.view(era).templates.served
    }

    /// The tool of that public name.
    pub(crate) fn tool(&self, era: Era, name: &str) -> Option<Arc<ToolEntry>> {
        self.view(era).tools_by_name.get(name).cloned()
    }

    /// The prompt of that public name.
    pub(crate) fn prompt(&self, era: Era, name: &str) -> Option<Arc<PromptEntry>> {
        self.view(era).prompts_by_name.get(name).cloned()
    }

    /// The upstreams to ask for a resource, in turn: the one that lists it, else the one with
    /// a template for it, else all that have resources.
    pub(super) fn readers(&self, era: Era, uri: &str) -> Vec<Arc<str>> {
        self.view(era).readers(uri)
    }

    /// The upstream that a completion for this template, or URI, belongs to.
    pub(super) fn template_owner(&self, era: Era, template: &str) -> Option<Arc<str>> {
        self.view(era).template_owner(template)
    }

    /// Which views differ.
    pub(super) fn changes_since(&self, before: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        for era in [Era::Legacy, Era::Modern] {
            let (old, new) = (before.view(era), self.view(era));
            if differ(&old.tools, &new.tools) {
                changes.push(Change::Tools(era));
            }
            if differ(&old.prompts, &new.prompts) {
                changes.push(Change::Prompts(era));
            }
            if differ(&old.resources, &new.resources) || differ(&old.templates, &new.templates) {
                changes.push(Change::Resources(era));
            }
        }
        changes
    }

    fn view(&self, era: Era) -> &View {
        match era {
            Era::Legacy => &self.legacy,
            Era::Modern => &self.modern,
        }
    }
}

/// Whether they differ in more than the marks: that an entry is stale is no change of it, and a
/// client that asked again would find nothing new to do.
fn differ(old: &Rows, new: &Rows) -> bool {
    let (old, new) = (&old.unmarked, &new.unmarked);
    old.len() != new.len() || old.iter().zip(new.iter()).any(|(old, new)| old.get() != new.get())
}

/// Registers a tool's name for counting.
pub(super) type Register<'a> = dyn Fn(&UpstreamLabel, &str) -> ToolLabel + 'a;

/// Puts the offers together, in their order. A name is the same in both eras.
pub(super) fn merge(offers: &[Offer], assigned: &Assigned, register: &Register<'_>) -> Catalogue {
    let names = PublicNames { assigned, register };
    let view = |era| View::build(offers, era, &names);
    Catalogue { legacy: view(Era::Legacy), modern: view(Era::Modern) }
}

/// The names in force, and how to count by them.
pub(super) struct PublicNames<'a> {
    /// Which were given.
    pub(super) assigned: &'a Assigned,
    /// Makes a tool's name one that is counted.
    pub(super) register: &'a Register<'a>,
}

#[cfg(test)]
mod tests;

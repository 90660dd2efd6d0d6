//! What all upstreams offer together, as a client of each era sees it.
//!
//! Built anew whenever one upstream's listing changes, from the last known listings of all:
//! an upstream that is down keeps its place. A client sees an upstream's listing of its own
//! era, else of the other one.

use super::{
    Change,
    listing::{Item, Listing},
    names::{self, Candidate, Note},
    view::View,
};
use mcp_protocol::{Era, RawValue, headers::ParamHeader};
use mcp_telemetry::{ToolLabel, UpstreamLabel};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

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
        &self.view(era).tools
    }

    /// `prompts/list`.
    pub(crate) fn prompts(&self, era: Era) -> &EraList {
        &self.view(era).prompts
    }

    /// `resources/list`.
    pub(crate) fn resources(&self, era: Era) -> &EraList {
        &self.view(era).resources
    }

    /// `resources/templates/list`.
    pub(crate) fn templates(&self, era: Era) -> &EraList {
        &self.view(era).templates
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

fn differ(old: &EraList, new: &EraList) -> bool {
    old.len() != new.len() || old.iter().zip(new.iter()).any(|(old, new)| old.get() != new.get())
}

/// Registers a tool's name for counting.
pub(super) type Register<'a> = dyn Fn(&UpstreamLabel, &str) -> ToolLabel + 'a;

/// Puts the offers together, in their order. A name is the same in both eras.
pub(super) fn merge(
    offers: &[Offer],
    reserved: &[String],
    register: &Register<'_>,
) -> (Catalogue, Vec<Note>) {
    let (tools, mut notes) = Names::assign(offers, |listing| &listing.tools, reserved);
    let (prompts, prompt_notes) = Names::assign(offers, |listing| &listing.prompts, &[]);
    notes.extend(prompt_notes);
    let names = PublicNames { tools: &tools, prompts: &prompts, register };
    let view = |era| View::build(offers, era, &names);
    (Catalogue { legacy: view(Era::Legacy), modern: view(Era::Modern) }, notes)
}

/// Public names by upstream and original name.
pub(super) struct Names(HashMap<(Arc<str>, Arc<str>), Arc<str>>);

/// Both sets of names, and how to count by them.
pub(super) struct PublicNames<'a> {
    /// Of tools.
    pub(super) tools: &'a Names,
    /// Of prompts.
    pub(super) prompts: &'a Names,
    /// Makes a tool's name one that is counted.
    pub(super) register: &'a Register<'a>,
}

impl Names {
    fn assign(
        offers: &[Offer],
        list: impl Fn(&Listing) -> &Arc<[Item]>,
        reserved: &[String],
    ) -> (Self, Vec<Note>) {
        let mut keys = Vec::new();
        let mut seen = HashSet::new();
        for offer in offers {
            for listing in [offer.modern.as_deref(), offer.legacy.as_deref()].into_iter().flatten()
            {
                for item in list(listing).iter() {
                    let key = (offer.upstream.clone(), item.key.clone());
                    if seen.insert(key.clone()) {
                        keys.push((key, offer.prefix));
                    }
                }
            }
        }
        let candidates: Vec<_> = keys
            .iter()
            .map(|((upstream, name), prefix)| Candidate { upstream, name, prefix: *prefix })
            .collect();
        let (names, notes) = names::assign(&candidates, reserved);
        let map =
            keys.into_iter().map(|(key, _)| key).zip(names.into_iter().map(Arc::from)).collect();
        (Self(map), notes)
    }

    /// The public name.
    pub(super) fn get(&self, upstream: &Arc<str>, original: &Arc<str>) -> Arc<str> {
        self.0.get(&(upstream.clone(), original.clone())).unwrap_or(original).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_protocol::raw;

    fn items(key: &str, values: &[&str]) -> Arc<[Item]> {
        let item = |value: &&str| Item {
            key: (*value).into(),
            definition: raw(&format!(r#"{{"{key}":"{value}","x":1.0}}"#)).unwrap().into(),
            headers: vec![],
        };
        values.iter().map(item).collect()
    }

    fn listing(tools: &[&str], uris: &[&str], templates: &[&str]) -> Arc<Listing> {
        Arc::new(Listing {
            tools: items("name", tools),
            prompts: items("name", tools),
            resources: items("uri", uris),
            templates: items("uriTemplate", templates),
            reads: true,
        })
    }

    fn offer(
        name: &str,
        prefix: bool,
        legacy: Option<Arc<Listing>>,
        modern: Option<Arc<Listing>>,
    ) -> Offer {
        Offer { upstream: name.into(), label: UpstreamLabel::builtin(), prefix, legacy, modern }
    }

    fn merged(offers: &[Offer], reserved: &[&str]) -> (Catalogue, Vec<Note>) {
        let reserved: Vec<_> = reserved.iter().map(|name| (*name).to_owned()).collect();
        merge(offers, &reserved, &|_, _| ToolLabel::unknown())
    }

    fn texts(list: &EraList) -> Vec<&str> {
        list.iter().map(|item| item.get()).collect()
    }

    #[test]
    fn names_are_prefixed_and_the_rest_of_a_definition_stays() {
        let (catalogue, _) =
            merged(&[offer("a", true, Some(listing(&["t"], &[], &[])), None)], &[]);
        assert_eq!(texts(catalogue.tools(Era::Legacy)), [r#"{"name":"a__t","x":1.0}"#]);
        let tool = catalogue.tool(Era::Modern, "a__t").unwrap();
        assert_eq!((&*tool.original, &*tool.upstream), ("t", "a"));
        assert!(catalogue.tool(Era::Modern, "t").is_none());
    }

    #[test]
    fn an_upstream_is_seen_in_the_era_of_the_client_else_in_its_other() {
        let both =
            offer("a", false, Some(listing(&["old"], &[], &[])), Some(listing(&["new"], &[], &[])));
        let (catalogue, _) =
            merged(&[both, offer("b", false, Some(listing(&["one"], &[], &[])), None)], &[]);
        assert!(
            catalogue.tool(Era::Legacy, "old").is_some()
                && catalogue.tool(Era::Legacy, "new").is_none()
        );
        assert!(
            catalogue.tool(Era::Modern, "new").is_some()
                && catalogue.tool(Era::Modern, "old").is_none()
        );
        assert!(catalogue.tool(Era::Modern, "one").is_some());
    }

    #[test]
    fn a_loser_has_the_same_name_in_both_eras() {
        let offers = [
            offer("a", false, None, Some(listing(&["t"], &[], &[]))),
            offer("b", false, Some(listing(&["t"], &[], &[])), None),
        ];
        let (catalogue, notes) = merged(&offers, &["echo"]);
        for era in [Era::Legacy, Era::Modern] {
            assert_eq!(&*catalogue.tool(era, "t").unwrap().upstream, "a");
            assert_eq!(&*catalogue.tool(era, "b__t").unwrap().upstream, "b");
            assert_eq!(&*catalogue.prompt(era, "b__t").unwrap().upstream, "b");
        }
        assert_eq!(notes.len(), 2);
    }

    #[test]
    fn resources_go_to_who_lists_them_then_templates_then_everybody() {
        let offers = [
            offer("a", true, Some(listing(&[], &["x://1"], &[])), None),
            offer("b", true, Some(listing(&[], &["x://1", "x://2"], &["x://t/{id}"])), None),
        ];
        let (catalogue, _) = merged(&offers, &[]);
        let readers = |uri| {
            catalogue.readers(Era::Legacy, uri).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(readers("x://1"), ["a"]);
        assert_eq!(readers("x://2"), ["b"]);
        assert_eq!(readers("x://t/9"), ["b"]);
        assert_eq!(readers("y://"), ["a", "b"]);
        assert_eq!(catalogue.resources(Era::Legacy).len(), 2);
        assert_eq!(catalogue.template_owner(Era::Legacy, "x://t/{id}").as_deref(), Some("b"));
    }

    #[test]
    fn only_views_that_differ_are_changes() {
        let before = merged(
            &[offer("a", true, Some(listing(&["t"], &[], &[])), Some(listing(&["t"], &[], &[])))],
            &[],
        )
        .0;
        let after = merged(
            &[offer(
                "a",
                true,
                Some(listing(&["t"], &["x://"], &[])),
                Some(listing(&["t"], &[], &[])),
            )],
            &[],
        )
        .0;
        assert_eq!(after.changes_since(&before), [Change::Resources(Era::Legacy)]);
        assert!(after.changes_since(&after).is_empty());
    }
}

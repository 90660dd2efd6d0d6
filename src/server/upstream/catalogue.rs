//! What all upstreams offer together, as a client of each era sees it.
//!
//! Built anew whenever one upstream's listing changes, from the last known listings of all:
//! an upstream that is down keeps its place. A client sees an upstream's listing of its own
//! era, else of the other one.

use super::{
    Change,
    listing::{Item, Listing},
    names::{self, Candidate, Note},
    templates::Template,
};
use mcp_protocol::{Era, RawObject, RawValue, headers::ParamHeader, raw_string};
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

/// Everything on offer to clients of one era.
#[derive(Debug, Default)]
struct View {
    tools: EraList,
    tools_by_name: HashMap<Arc<str>, Arc<ToolEntry>>,
    prompts: EraList,
    prompts_by_name: HashMap<Arc<str>, Arc<PromptEntry>>,
    resources: EraList,
    resource_owners: HashMap<Arc<str>, Arc<str>>,
    templates: EraList,
    template_owners: Vec<(Arc<str>, Option<Template>, Arc<str>)>,
    readers: Vec<Arc<str>>,
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
    fn listing(&self, era: Era) -> Option<&Listing> {
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
        let view = self.view(era);
        let templated = || {
            let owner = |(_, template, _): &&(_, Option<Template>, _)| {
                template.as_ref().is_some_and(|template| template.matches(uri))
            };
            view.template_owners.iter().find(owner).map(|(_, _, upstream)| upstream)
        };
        match view.resource_owners.get(uri).or_else(templated) {
            Some(upstream) => vec![upstream.clone()],
            None => view.readers.clone(),
        }
    }

    /// The upstream that a completion for this template, or URI, belongs to.
    pub(super) fn template_owner(&self, era: Era, template: &str) -> Option<Arc<str>> {
        let listed = self.view(era).template_owners.iter().find(|(text, _, _)| &**text == template);
        listed
            .map(|(_, _, upstream)| upstream.clone())
            .or_else(|| self.readers(era, template).into_iter().next())
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
    let view =
        |era| View::build(offers, era, &PublicNames { tools: &tools, prompts: &prompts }, register);
    (Catalogue { legacy: view(Era::Legacy), modern: view(Era::Modern) }, notes)
}

/// Public names by upstream and original name.
struct Names(HashMap<(Arc<str>, Arc<str>), Arc<str>>);

/// Both sets of names.
struct PublicNames<'a> {
    tools: &'a Names,
    prompts: &'a Names,
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

    fn get(&self, upstream: &Arc<str>, original: &Arc<str>) -> Arc<str> {
        self.0.get(&(upstream.clone(), original.clone())).unwrap_or(original).clone()
    }
}

impl View {
    fn build(offers: &[Offer], era: Era, names: &PublicNames<'_>, register: &Register<'_>) -> Self {
        let mut view = Self::default();
        let (mut tools, mut prompts, mut resources, mut templates) =
            (vec![], vec![], vec![], vec![]);
        for (offer, listing) in offers.iter().filter_map(|offer| Some((offer, offer.listing(era)?)))
        {
            let upstream = &offer.upstream;
            for item in listing.tools.iter() {
                let name = names.tools.get(upstream, &item.key);
                tools.push(renamed(item, &name));
                let label = register(&offer.label, &item.key);
                view.tools_by_name
                    .insert(name.clone(), Arc::new(ToolEntry::new(name, item, upstream, label)));
            }
            for item in listing.prompts.iter() {
                let name = names.prompts.get(upstream, &item.key);
                prompts.push(renamed(item, &name));
                let (original, upstream) = (item.key.clone(), upstream.clone());
                view.prompts_by_name
                    .insert(name.clone(), Arc::new(PromptEntry { name, original, upstream }));
            }
            for item in listing.resources.iter() {
                if !view.resource_owners.contains_key(&item.key) {
                    view.resource_owners.insert(item.key.clone(), upstream.clone());
                    resources.push(item.definition.clone());
                }
            }
            for item in listing.templates.iter() {
                if view.template_owners.iter().all(|(text, _, _)| *text != item.key) {
                    let template = Template::parse(&item.key);
                    view.template_owners.push((item.key.clone(), template, upstream.clone()));
                    templates.push(item.definition.clone());
                }
            }
            if listing.reads {
                view.readers.push(upstream.clone());
            }
        }
        view.tools = tools.into();
        view.prompts = prompts.into();
        view.resources = resources.into();
        view.templates = templates.into();
        view
    }
}

impl ToolEntry {
    fn new(name: Arc<str>, item: &Item, upstream: &Arc<str>, label: ToolLabel) -> Self {
        let (original, upstream) = (item.key.clone(), upstream.clone());
        Self { name, original, upstream, label, headers: item.headers.clone() }
    }
}

/// The definition under its public name; untouched if that is its own.
fn renamed(item: &Item, name: &Arc<str>) -> Arc<RawValue> {
    match RawObject::parse(&item.definition) {
        Some(mut definition) if item.key != *name => {
            definition.set("name", raw_string(name));
            definition.to_raw().into()
        }
        _ => item.definition.clone(),
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

//! What all upstreams offer together, as clients of one era see it.

use super::{
    catalogue::{EraList, Offer, PromptEntry, PublicNames, ToolEntry},
    listing::{List, Listing},
    pages::Item,
    stale,
    templates::Template,
};
use mcp_protocol::{Era, RawObject, RawValue, raw_string};
use mcp_store::NamedKind;
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// Everything on offer to clients of one era.
#[derive(Debug, Default)]
pub(super) struct View {
    pub(super) tools: Rows,
    pub(super) tools_by_name: HashMap<Arc<str>, Arc<ToolEntry>>,
    pub(super) prompts: Rows,
    pub(super) prompts_by_name: HashMap<Arc<str>, Arc<PromptEntry>>,
    pub(super) resources: Rows,
    pub(super) templates: Rows,
    resource_owners: HashMap<Arc<str>, Arc<str>>,
    template_owners: Vec<TemplateOwner>,
    readers: Vec<Arc<str>>,
}

/// A list of definitions.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// As clients get it: what is stale is marked.
    pub(super) served: EraList,
    /// Without the marks.
    pub(super) unmarked: EraList,
}

/// Rows that grow.
#[derive(Default)]
struct Growing {
    served: Vec<Arc<RawValue>>,
    unmarked: Vec<Arc<RawValue>>,
}

impl Growing {
    fn push(&mut self, list: &List, definition: Arc<RawValue>) {
        self.served.push(match list.stale_since {
            Some(since) => stale::marked(&definition, since),
            None => definition.clone(),
        });
        self.unmarked.push(definition);
    }

    fn done(self) -> Rows {
        Rows { served: self.served.into(), unmarked: self.unmarked.into() }
    }
}

#[derive(Debug)]
struct TemplateOwner {
    text: Arc<str>,
    /// `None` if the text is no template that can be matched.
    template: Option<Template>,
    upstream: Arc<str>,
}

/// Lists that grow while a view is built.
#[derive(Default)]
struct Lists {
    tools: Growing,
    prompts: Growing,
    resources: Growing,
    templates: Growing,
    seen_templates: HashSet<Arc<str>>,
}

impl View {
    /// The view that clients of an era have of these offers.
    pub(super) fn build(offers: &[Offer], era: Era, names: &PublicNames<'_>) -> Self {
        let (mut view, mut lists) = (Self::default(), Lists::default());
        for offer in offers {
            if let Some(listing) = offer.listing(era) {
                view.add_named(offer, listing, names, &mut lists);
                view.add_resources(&offer.upstream, listing, &mut lists);
            }
        }
        view.tools = lists.tools.done();
        view.prompts = lists.prompts.done();
        view.resources = lists.resources.done();
        view.templates = lists.templates.done();
        view
    }

    fn add_named(
        &mut self,
        offer: &Offer,
        listing: &Listing,
        names: &PublicNames<'_>,
        lists: &mut Lists,
    ) {
        for item in listing.tools.items.iter() {
            let name = names.assigned.get(NamedKind::Tool, &offer.upstream, &item.key);
            lists.tools.push(&listing.tools, renamed(item, &name));
            let entry = ToolEntry {
                name: name.clone(),
                original: item.key.clone(),
                upstream: offer.upstream.clone(),
                label: (names.register)(&offer.label, &item.key),
                headers: item.headers.clone(),
                is_harmless: is_harmless(&item.definition),
            };
            self.tools_by_name.insert(name, Arc::new(entry));
        }
        for item in listing.prompts.items.iter() {
            let name = names.assigned.get(NamedKind::Prompt, &offer.upstream, &item.key);
            lists.prompts.push(&listing.prompts, renamed(item, &name));
            let (original, upstream) = (item.key.clone(), offer.upstream.clone());
            let entry = PromptEntry { name: name.clone(), original, upstream };
            self.prompts_by_name.insert(name, Arc::new(entry));
        }
    }

    /// Of resources and templates that several upstreams list, the first one's are served.
    fn add_resources(&mut self, upstream: &Arc<str>, listing: &Listing, lists: &mut Lists) {
        for item in listing.resources.items.iter() {
            if !self.resource_owners.contains_key(&item.key) {
                self.resource_owners.insert(item.key.clone(), upstream.clone());
                lists.resources.push(&listing.resources, item.definition.clone());
            }
        }
        for item in listing.templates.items.iter() {
            if lists.seen_templates.insert(item.key.clone()) {
                self.template_owners.push(TemplateOwner {
                    text: item.key.clone(),
                    template: Template::parse(&item.key),
                    upstream: upstream.clone(),
                });
                lists.templates.push(&listing.templates, item.definition.clone());
            }
        }
        if listing.reads {
            self.readers.push(upstream.clone());
        }
    }

    /// The upstreams to ask for a resource, in turn: the one that lists it, else the one with
    /// a template for it, else all that have resources.
    pub(super) fn readers(&self, uri: &str) -> Vec<Arc<str>> {
        let templated = || {
            let is_from = |owner: &&TemplateOwner| {
                owner.template.as_ref().is_some_and(|template| template.matches(uri))
            };
            self.template_owners.iter().find(is_from).map(|owner| &owner.upstream)
        };
        match self.resource_owners.get(uri).or_else(templated) {
            Some(upstream) => vec![upstream.clone()],
            None => self.readers.clone(),
        }
    }

    /// The upstream that a completion for this template, or URI, belongs to.
    pub(super) fn template_owner(&self, template: &str) -> Option<Arc<str>> {
        let listed = self.template_owners.iter().find(|owner| &*owner.text == template);
        listed
            .map(|owner| owner.upstream.clone())
            .or_else(|| self.readers(template).into_iter().next())
    }
}

/// Whether a tool is declared idempotent, or to change nothing.
fn is_harmless(definition: &RawValue) -> bool {
    let tool = RawObject::parse(definition).unwrap_or_default();
    let annotations = tool.get("annotations").and_then(RawObject::parse).unwrap_or_default();
    let says = |hint| annotations.get(hint).is_some_and(|value| value.get() == "true");
    says("idempotentHint") || says("readOnlyHint")
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

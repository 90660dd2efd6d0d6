//! The merged catalogue, without any upstream.

use super::{
    super::{listing::List, names::Note, pages::Item},
    *,
};
use mcp_protocol::raw;
use mcp_store::UtcMillis;

fn items(key: &str, values: &[&str]) -> Arc<[Item]> {
    let item = |value: &&str| Item {
        key: (*value).into(),
        definition: raw(&format!(r#"{{"{key}":"{value}","x":1.0}}"#)).unwrap().into(),
        headers: vec![],
    };
    values.iter().map(item).collect()
}

fn listing(tools: &[&str], uris: &[&str], templates: &[&str]) -> Arc<Listing> {
    let list = |key, values| List { items: items(key, values), ..List::default() };
    Arc::new(Listing {
        tools: list("name", tools),
        prompts: list("name", tools),
        resources: list("uri", uris),
        templates: list("uriTemplate", templates),
        reads: true,
    })
}

fn offer(
    name: &str,
    prefix: bool,
    legacy: Option<Arc<Listing>>,
    modern: Option<Arc<Listing>>,
) -> Offer {
    Offer {
        upstream: name.into(),
        label: UpstreamLabel::builtin(),
        prefix,
        is_settled: true,
        legacy,
        modern,
    }
}

fn merged(offers: &[Offer], reserved: &[&str]) -> (Catalogue, Vec<Note>) {
    let reserved: Vec<_> = reserved.iter().map(|name| (*name).to_owned()).collect();
    let mut assigned = Assigned::default();
    let (notes, _) = assigned.update(offers, &reserved);
    (merge(offers, &assigned, &|_, _| ToolLabel::unknown()), notes)
}

fn texts(list: &EraList) -> Vec<&str> {
    list.iter().map(|item| item.get()).collect()
}

#[test]
fn names_are_prefixed_and_the_rest_of_a_definition_stays() {
    let (catalogue, _) = merged(&[offer("a", true, Some(listing(&["t"], &[], &[])), None)], &[]);
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
        &[offer("a", true, Some(listing(&["t"], &["x://"], &[])), Some(listing(&["t"], &[], &[])))],
        &[],
    )
    .0;
    assert_eq!(after.changes_since(&before), [Change::Resources(Era::Legacy)]);
    assert!(after.changes_since(&after).is_empty());
}

#[test]
fn what_is_stale_is_marked_and_that_is_no_change() {
    let fresh = listing(&["t"], &["x://"], &["x://{id}"]);
    let stale = Arc::new(fresh.stale(UtcMillis::from_millis(0)));
    let before = merged(&[offer("a", true, Some(fresh), None)], &[]).0;
    let after = merged(&[offer("a", true, Some(stale), None)], &[]).0;
    assert!(after.changes_since(&before).is_empty());
    let mark = r#","_meta":{"mcp-orchestrator/stale_since":"1970-01-01T00:00:00.000Z"}"#;
    for list in [Catalogue::tools, Catalogue::prompts, Catalogue::resources, Catalogue::templates] {
        let (before, after) = (list(&before, Era::Modern), list(&after, Era::Modern));
        assert_eq!(after.len(), 1);
        assert!(after[0].get().contains(mark));
        assert_eq!(after[0].get().replace(mark, ""), before[0].get());
    }
}

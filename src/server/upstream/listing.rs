//! What one upstream offers in one era, as it was last listed: all pages, bounded, raw.

use super::link::Link;
use mcp_client::OutCall;
use mcp_protocol::{Era, Method, RawObject, RawValue, headers, headers::ParamHeader, raw_value};
use std::{collections::HashSet, sync::Arc, time::Duration};

/// Most pages of one list.
const MOST_PAGES: usize = 200;
/// Most items of one list.
const MOST_ITEMS: usize = 10_000;
/// Most bytes of one list.
const MOST_BYTES: usize = 32 << 20;

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
}

/// One item as its upstream defined it.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// Its name, URI or URI template.
    pub(super) key: Arc<str>,
    /// The definition as it came.
    pub(super) definition: Arc<RawValue>,
    /// Arguments that headers repeat; tools only.
    pub(super) headers: Vec<ParamHeader>,
}

/// All lists of one upstream in one era.
#[derive(Debug, Clone, Default)]
pub(super) struct Listing {
    /// Its tools.
    pub(super) tools: Arc<[Item]>,
    /// Its prompts.
    pub(super) prompts: Arc<[Item]>,
    /// Its resources.
    pub(super) resources: Arc<[Item]>,
    /// Its resource templates.
    pub(super) templates: Arc<[Item]>,
    /// Whether it can be asked for resources at all.
    pub(super) reads: bool,
}

/// What went wrong while listing: the method, and a sentence for the log.
pub(super) type Complaints = Vec<(Method, String)>;

impl Listing {
    /// Asks the upstream for these lists again; the others, and those that fail, are as before.
    pub(super) async fn refreshed(
        &self,
        link: &Link,
        kinds: &[Kind],
        limit: Duration,
    ) -> (Self, Complaints) {
        let mut next = self.clone();
        let mut complaints = Complaints::new();
        next.reads = link.offers.resources;
        for kind in kinds {
            let lists = match kind {
                Kind::Tools => vec![(Method::ToolsList, "tools", "name", &mut next.tools)],
                Kind::Prompts => vec![(Method::PromptsList, "prompts", "name", &mut next.prompts)],
                Kind::Resources => vec![
                    (Method::ResourcesList, "resources", "uri", &mut next.resources),
                    (
                        Method::ResourcesTemplatesList,
                        "resourceTemplates",
                        "uriTemplate",
                        &mut next.templates,
                    ),
                ],
            };
            for (method, field, key, list) in lists {
                if !link.offers.has(*kind) {
                    *list = Arc::default();
                    continue;
                }
                match pages(link, method, field, limit).await {
                    Ok(items) => *list = read_items(&items, key, link, &mut complaints),
                    Err(reason) => complaints.push((method, reason)),
                }
            }
        }
        (next, complaints)
    }
}

/// Follows a list from page to page.
async fn pages(
    link: &Link,
    method: Method,
    field: &str,
    limit: Duration,
) -> Result<Vec<Box<RawValue>>, String> {
    let mut items: Vec<Box<RawValue>> = Vec::new();
    let (mut bytes, mut cursor, mut seen) = (0_usize, None::<String>, HashSet::new());
    for _ in 0..MOST_PAGES {
        let Some(page) = page(link, method, cursor.as_deref(), limit).await? else { break };
        let page = RawObject::parse(&page).ok_or("the result is no object")?;
        let found: Vec<&RawValue> = page
            .get(field)
            .and_then(|list| serde_json::from_str(list.get()).ok())
            .ok_or_else(|| format!("the result has no list `{field}`"))?;
        bytes += found.iter().map(|item| item.get().len()).sum::<usize>();
        items.extend(found.into_iter().map(ToOwned::to_owned));
        if items.len() > MOST_ITEMS || bytes > MOST_BYTES {
            return Err(format!(
                "the list is larger than {MOST_ITEMS} items or {MOST_BYTES} bytes"
            ));
        }
        cursor = page.get_str("nextCursor");
        match &cursor {
            Some(next) if seen.insert(next.clone()) => {}
            _ => break,
        }
    }
    Ok(items)
}

/// One page; `None` when the upstream does not know the method after all.
async fn page(
    link: &Link,
    method: Method,
    cursor: Option<&str>,
    limit: Duration,
) -> Result<Option<Box<RawValue>>, String> {
    let params = cursor
        .map_or_else(|| serde_json::json!({}), |cursor| serde_json::json!({ "cursor": cursor }));
    let call = link.connection.call(OutCall::new(method.as_str(), raw_value(&params)));
    let answer = tokio::time::timeout(limit, call)
        .await
        .map_err(|_| format!("no answer within {} s", limit.as_secs_f32()))?;
    match answer.map_err(|error| error.to_string())? {
        Ok(result) => Ok(Some(result)),
        Err(error) if error.code == mcp_protocol::code::METHOD_NOT_FOUND => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

/// Takes the key out of each item; what has none, or one that stood before, is left out.
fn read_items(
    items: &[Box<RawValue>],
    key: &str,
    link: &Link,
    complaints: &mut Complaints,
) -> Arc<[Item]> {
    let over_http = link.network == mcp_client::Network::Http && link.era() == Era::Modern;
    let mut seen = HashSet::new();
    items
        .iter()
        .filter_map(|item| read_item(item, key, over_http, complaints))
        .filter(|item| seen.insert(item.key.clone()))
        .collect()
}

/// A tool whose header annotations are not valid must not be offered to clients of an HTTP
/// server (SEP-2243); from elsewhere its annotations are just not used.
fn read_item(
    item: &RawValue,
    key: &str,
    over_http: bool,
    complaints: &mut Complaints,
) -> Option<Item> {
    let object = RawObject::parse(item)?;
    let key = object.get_str(key)?;
    let headers = match object.get("inputSchema").map(headers::param_headers) {
        None => Vec::new(),
        Some(Ok(headers)) => headers,
        Some(Err(reason)) => {
            if over_http {
                complaints
                    .push((Method::ToolsList, format!("the tool `{key}` is left out: {reason}")));
                return None;
            }
            Vec::new()
        }
    };
    Some(Item { key: key.into(), definition: item.to_owned().into(), headers })
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_protocol::raw;

    fn read(definition: &str, over_http: bool) -> (Option<Item>, Complaints) {
        let mut complaints = Complaints::new();
        let item = read_item(&raw(definition).unwrap(), "name", over_http, &mut complaints);
        (item, complaints)
    }

    #[test]
    fn a_tool_with_bad_header_annotations_is_left_out_over_http_only() {
        let tool = r#"{"name":"t","inputSchema":{"type":"object","properties":{"a":{"type":"object","x-mcp-header":"A"}}}}"#;
        let (item, complaints) = read(tool, true);
        assert!(item.is_none());
        assert!(complaints[0].1.contains("`t` is left out"));
        assert!(read(tool, false).0.unwrap().headers.is_empty());
    }

    #[test]
    fn definitions_stay_as_they_came() {
        let text = r#"{ "x-own": 1.50, "name":"t" }"#;
        assert_eq!(read(text, true).0.unwrap().definition.get(), text);
        assert!(read(r#"{"title":"no name"}"#, true).0.is_none());
    }
}

//! How a list of an upstream is read: all pages, bounded, its items raw.

use super::link::Link;
use mcp_client::{ClientError, OutCall};
use mcp_protocol::{Era, Method, RawObject, RawValue, headers, headers::ParamHeader, raw_value};
use mcp_store::ListKind;
use std::{collections::HashSet, sync::Arc, time::Duration};

/// Most pages of one list.
const MOST_PAGES: usize = 200;
/// Most items of one list.
const MOST_ITEMS: usize = 10_000;
/// Most bytes of one list.
const MOST_BYTES: usize = 32 << 20;

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

/// What went wrong while listing: the method, and a sentence for the log.
pub(super) type Complaints = Vec<(Method, String)>;

/// Why a list could not be read.
pub(super) enum Unread {
    /// We may not read it (any more).
    Revoked(String),
    /// Nobody knows what is in it.
    Failed(String),
}

/// The method of a list, the field of its result, and the key of its items.
pub(super) const fn wire(list: ListKind) -> (Method, &'static str, &'static str) {
    match list {
        ListKind::Tools => (Method::ToolsList, "tools", "name"),
        ListKind::Prompts => (Method::PromptsList, "prompts", "name"),
        ListKind::Resources => (Method::ResourcesList, "resources", "uri"),
        ListKind::Templates => (Method::ResourcesTemplatesList, "resourceTemplates", "uriTemplate"),
    }
}

/// Whether header annotations count there.
pub(super) fn is_modern_http(network: mcp_client::Network, era: Era) -> bool {
    (network, era) == (mcp_client::Network::Http, Era::Modern)
}

/// Follows a list from page to page.
pub(super) async fn read(
    link: &Link,
    method: Method,
    field: &str,
    limit: Duration,
) -> Result<Vec<Box<RawValue>>, Unread> {
    let mut items: Vec<Box<RawValue>> = Vec::new();
    let (mut bytes, mut cursor, mut seen) = (0_usize, None::<String>, HashSet::new());
    for _ in 0..MOST_PAGES {
        let Some(page) = page(link, method, cursor.as_deref(), limit).await? else { break };
        let page = RawObject::parse(&page).ok_or_else(|| failed("the result is no object"))?;
        let found: Vec<&RawValue> = page
            .get(field)
            .and_then(|list| serde_json::from_str(list.get()).ok())
            .ok_or_else(|| failed(format!("the result has no list `{field}`")))?;
        bytes += found.iter().map(|item| item.get().len()).sum::<usize>();
        items.extend(found.into_iter().map(ToOwned::to_owned));
        if items.len() > MOST_ITEMS || bytes > MOST_BYTES {
            let most = format!("the list is larger than {MOST_ITEMS} items or {MOST_BYTES} bytes");
            return Err(Unread::Failed(most));
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
) -> Result<Option<Box<RawValue>>, Unread> {
    let params = cursor
        .map_or_else(|| serde_json::json!({}), |cursor| serde_json::json!({ "cursor": cursor }));
    let call = link.connection.call(OutCall::new(method.as_str(), raw_value(&params)));
    let answer = tokio::time::timeout(limit, call)
        .await
        .map_err(|_| failed(format!("no answer within {} s", limit.as_secs_f32())))?;
    match answer {
        Ok(Ok(result)) => Ok(Some(result)),
        Ok(Err(error)) if error.code == mcp_protocol::code::METHOD_NOT_FOUND => Ok(None),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(error @ ClientError::Auth { .. }) => Err(Unread::Revoked(error.to_string())),
        Err(error) => Err(failed(error.to_string())),
    }
}

fn failed(reason: impl Into<String>) -> Unread {
    Unread::Failed(reason.into())
}

/// Takes the key out of each item; what has none, or one that stood before, is left out.
pub(super) fn read_items(
    items: &[Box<RawValue>],
    key: &str,
    over_http: bool,
    complaints: &mut Complaints,
) -> Arc<[Item]> {
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

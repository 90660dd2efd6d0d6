//! The mark on what is listed of an upstream that is away: since when, in the definition's `_meta`.

use mcp_protocol::{RawObject, RawValue, raw};
use mcp_store::UtcMillis;
use std::sync::Arc;

/// The key of the mark. Its value is a time, RFC 3339 in UTC.
const KEY: &str = "mcp-orchestrator/stale_since";

/// The definition with the mark; every other byte of it stays.
pub(super) fn marked(definition: &Arc<RawValue>, since: UtcMillis) -> Arc<RawValue> {
    with_mark(definition.get(), since)
        .and_then(|text| raw(&text))
        .map_or_else(|| definition.clone(), Into::into)
}

fn with_mark(text: &str, since: UtcMillis) -> Option<String> {
    let mark = format!("\"{KEY}\":\"{since}\"");
    let object = RawObject::parse_str(text)?;
    let Some(meta) = object.get("_meta").filter(|meta| RawObject::parse(meta).is_some()) else {
        if object.contains("_meta") {
            return None;
        }
        let mark = format!("\"_meta\":{{{mark}}}");
        return insert(text, text.rfind('}')?, &mark, object.is_empty());
    };
    // The value is a part of this text, so its place follows from where it begins.
    let start = (meta.get().as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
    text.get(start..).filter(|rest| rest.starts_with(meta.get()))?;
    let end = start + meta.get().rfind('}')?;
    let is_empty = RawObject::parse(meta).is_some_and(|meta| meta.is_empty());
    insert(text, end, &mark, is_empty)
}

/// Puts an entry last in the object that ends there.
fn insert(text: &str, end: usize, entry: &str, is_first: bool) -> Option<String> {
    let (before, after) = (text.get(..end)?, text.get(end..)?);
    let comma = if is_first { "" } else { "," };
    Some(format!("{before}{comma}{entry}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_the_mark_is_added() {
        let since = UtcMillis::from_millis(1_795_219_200_000);
        let mark = r#""mcp-orchestrator/stale_since":"2026-11-21T00:00:00.000Z""#;
        for (before, after) in [
            (r#"{ "name":"t", "x" : 1.50 }"#, r#"{ "name":"t", "x" : 1.50 ,"_meta":{MARK}}"#),
            (r#"{"_meta":{"a": "}"},"name":"t"}"#, r#"{"_meta":{"a": "}",MARK},"name":"t"}"#),
            (r#"{"name":"_meta","_meta":{ }}"#, r#"{"name":"_meta","_meta":{ MARK}}"#),
            (r#"{"_meta":null,"name":"t"}"#, r#"{"_meta":null,"name":"t"}"#),
            (r"{}", r#"{"_meta":{MARK}}"#),
        ] {
            let definition: Arc<RawValue> = raw(before).unwrap().into();
            assert_eq!(marked(&definition, since).get(), after.replace("MARK", mark));
        }
    }
}

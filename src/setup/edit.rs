//! One entry put into the text of a JSON file, or taken out; all else stays as it is written, comments
//! too. Only where the file has its entries on one line may blanks and line ends beside the entry
//! change. Errors complete the sentence "FILE …".

use jsonc_parser::{
    ParseOptions,
    cst::{CstInputValue, CstObject, CstRootNode},
    parse_to_serde_value,
};
use serde_json::Value;

/// Where the entry stands.
pub(super) struct Spot<'a> {
    /// The key of all entries.
    pub(super) section: &'static str,
    pub(super) name: &'a str,
}

/// What is to be changed.
pub(super) struct Change {
    /// The new text of the file.
    pub(super) text: String,
    /// The entry before.
    pub(super) old: Option<Value>,
    /// The entry after.
    pub(super) new: Option<Value>,
}

/// The change that makes the entry what it is to be; `None` if it is so already.
pub(super) fn change(
    text: &str,
    spot: &Spot<'_>,
    entry: Option<&Value>,
) -> Result<Option<Change>, String> {
    let text = if text.trim().is_empty() { "{}\n" } else { text };
    let before = value(text)?;
    let old = before.get(spot.section).and_then(|section| section.get(spot.name)).cloned();
    if old.as_ref() == entry {
        return Ok(None);
    }
    let changed = match entry {
        Some(entry) => put(text, spot, entry)?,
        None => take_out(text, spot)?,
    };
    check(before, &changed, spot, entry)?;
    Ok(Some(Change { text: changed, old, new: entry.cloned() }))
}

fn put(text: &str, spot: &Spot<'_>, entry: &Value) -> Result<String, String> {
    let root = parse(text)?;
    let object = root.object_value_or_create().ok_or("holds no object")?;
    let section = object
        .object_value_or_create(spot.section)
        .ok_or_else(|| format!("has a `{}` that is no object", spot.section))?;
    match section.get(spot.name) {
        Some(there) => there.set_value(input(entry)),
        None => drop(section.append(spot.name, input(entry))),
    }
    Ok(root.to_string())
}

fn take_out(text: &str, spot: &Spot<'_>) -> Result<String, String> {
    let root = parse(text)?;
    let section = root.object_value().and_then(|object| object.object_value(spot.section));
    let entry = section.and_then(|section: CstObject| section.get(spot.name));
    entry.ok_or("has no such entry")?.remove();
    Ok(root.to_string())
}

/// That nothing but the entry has changed: other servers, and what else an agent keeps in its file,
/// are not ours.
fn check(
    mut before: Value,
    changed: &str,
    spot: &Spot<'_>,
    entry: Option<&Value>,
) -> Result<(), String> {
    let mut after = value(changed)?;
    let now = without(&mut after, spot);
    without(&mut before, spot);
    if now.as_ref() == entry && before == after {
        return Ok(());
    }
    Err(format!("cannot be changed safely; change `{}` in it by hand", spot.section))
}

/// Takes the entry out of a value. A section that is then empty is as good as none.
fn without(value: &mut Value, spot: &Spot<'_>) -> Option<Value> {
    let object = value.as_object_mut()?;
    let section = object.get_mut(spot.section)?.as_object_mut()?;
    let entry = section.shift_remove(spot.name);
    if section.is_empty() {
        object.shift_remove(spot.section);
    }
    entry
}

/// What agents read: JSON, perhaps with comments and trailing commas.
const fn options() -> ParseOptions {
    ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    }
}

fn value(text: &str) -> Result<Value, String> {
    parse_to_serde_value(text, &options()).map_err(|error| not_json(&error))
}

fn parse(text: &str) -> Result<CstRootNode, String> {
    CstRootNode::parse(text, &options()).map_err(|error| not_json(&error))
}

/// The error's own words may repeat the text, and the text may hold a secret.
fn not_json(error: &jsonc_parser::errors::ParseError) -> String {
    let (line, column) = (error.line_display(), error.column_display());
    format!("is not JSON: line {line}, column {column}; mend it first, it was not touched")
}

fn input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(is_so) => CstInputValue::Bool(*is_so),
        Value::Number(number) => CstInputValue::Number(number.to_string()),
        Value::String(text) => CstInputValue::String(text.clone()),
        Value::Array(items) => CstInputValue::Array(items.iter().map(input).collect()),
        Value::Object(entries) => CstInputValue::Object(
            entries.iter().map(|(name, value)| (name.clone(), input(value))).collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SPOT: Spot<'_> = Spot { section: "mcpServers", name: "us" };

    fn with(text: &str) -> String {
        let change = change(text, &SPOT, Some(&json!({"command": "x", "args": ["a", "b"]})));
        change.unwrap_or_else(|why| panic!("{why}")).expect("a change").text
    }

    fn without(text: &str) -> String {
        change(text, &SPOT, None).unwrap_or_else(|why| panic!("{why}")).expect("a change").text
    }

    #[test]
    fn what_is_put_in_and_taken_out_leaves_every_other_byte() {
        let texts = [
            "{\n  \"mcpServers\": {\n    \"a\": {\"command\": \"a\"}\n  },\n  \"z\": 1.0,\n  \"b\": [1,2]\n}\n",
            "{\n\t// ours\n\t\"b\": 1e3,\n\t\"mcpServers\": {\n\t\t\"a\": { \"url\": \"\\u0061\" }, // one\n\t}\n}",
            "{\r\n  \"mcpServers\": {\r\n    \"a\": {}\r\n  }\r\n}\r\n",
        ];
        for text in texts {
            let added = with(text);
            assert_ne!(added, text);
            assert_eq!(without(&added), text, "{added}");
        }
        assert_eq!(
            with(texts[0]),
            texts[0].replace(
                "\"a\"}\n",
                "\"a\"},\n    \"us\": {\n      \"command\": \"x\",\n      \"args\": [\"a\", \"b\"]\n    }\n"
            )
        );
    }

    #[test]
    fn in_a_file_of_one_line_only_blanks_beside_the_entry_change() {
        let bare = |text: &str| text.split_whitespace().collect::<String>();
        for text in [
            "{\"mcpServers\": {\"a\": {\"url\": \"\\u0061\"}}, \"b\": 1.0}",
            "{\"b\":[1,2],\"mcpServers\":{\"a\":{}}}\n",
            "{ \"mcpServers\": { /* ours */ \"a\": { } } }",
        ] {
            let added = with(text);
            let (before, rest) = added.split_once("\"us\"").expect("it is in");
            assert!(bare(text).starts_with(bare(before).trim_end_matches(',')), "{added}");
            assert!(
                bare(rest).starts_with(":{\"command\":\"x\",\"args\":[\"a\",\"b\"]}"),
                "{added}"
            );
            assert_eq!(bare(&without(&added)), bare(text), "{added}");
        }
    }

    #[test]
    fn a_file_that_has_nothing_yet_gets_all_it_needs() {
        for text in ["", "{}", "{\"mcpServers\":{}}", "\n", "{\n}\n"] {
            let value: Value = serde_json::from_str(&with(text)).expect("strict JSON");
            assert_eq!(value, json!({"mcpServers": {"us": {"command": "x", "args": ["a", "b"]}}}));
        }
    }

    #[test]
    fn an_entry_that_is_there_is_replaced_in_its_place_and_only_once() {
        let text = "{\"mcpServers\": {\"us\": {\"url\": \"old\"}, \"b\": {}}}";
        let changed = with(text);
        assert!(changed.find("\"us\"") < changed.find("\"b\"") && !changed.contains("old"));
        let again = change(&changed, &SPOT, Some(&json!({"command": "x", "args": ["a", "b"]})));
        assert!(again.is_ok_and(|change| change.is_none()));
        assert!(change("{}", &SPOT, None).is_ok_and(|change| change.is_none()));
    }

    #[test]
    fn what_cannot_be_changed_safely_is_refused_without_repeating_it() {
        for (text, why) in [
            ("{\"mcpServers\": {\"hunter2\": }}", "is not JSON: line 1, column"),
            ("{\"a\": 1} {\"hunter2\": 2}", "is not JSON"),
            ("{\"mcpServers\": {\"a\": {} \"hunter2\": {}}}", "is not JSON"),
            ("[\"hunter2\"]", "no object"),
            ("{\"mcpServers\": [\"hunter2\"]}", "`mcpServers` that is no object"),
            ("{\"mcpServers\": {\"us\": 1, \"us\": \"hunter2\"}}", "by hand"),
        ] {
            let refused = change(text, &SPOT, Some(&json!({}))).err().expect(text);
            assert!(refused.contains(why) && !refused.contains("hunter2"), "{refused}");
        }
    }
}

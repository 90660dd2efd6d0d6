//! The tools of a target as the lab needs them: the oracle's, and one that does no harm.

use super::harmless;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Runs once under a key: `{"key", "ms"}`; answers the key.
pub const RUN: &str = "oracle_run";
/// How often each key that begins so ran: `{"prefix"}`; answers a JSON object of numbers.
pub const COUNT: &str = "oracle_count";

/// What a target offers, by the names it serves its tools under.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Menu {
    /// Every tool.
    pub tools: Vec<String>,
    /// The oracle's tools: to run, and to count.
    pub oracle: Option<(String, String)>,
    /// One that does no harm, with arguments that suit it.
    pub harmless: Option<(String, Map<String, Value>)>,
}

impl Menu {
    /// Reads the tools of a `tools/list` result. `wanted` is the harmless tool, if one was named.
    #[must_use]
    pub fn of(tools: &[Value], wanted: Option<&str>) -> Self {
        let names: Vec<String> = tools.iter().map(|tool| name(tool).to_owned()).collect();
        let find = |bare: &str| names.iter().find(|name| is_named(name, bare)).cloned();
        let oracle = find(RUN).zip(find(COUNT));
        let harmless = match wanted {
            Some(wanted) => find(wanted).map(|name| (name, Map::new())),
            None => find(COUNT).map(|name| (name, count_of("-"))).or_else(|| harmless::pick(tools)),
        };
        Self { tools: names, oracle, harmless }
    }
}

/// The arguments that ask how often keys ran.
#[must_use]
pub fn count_of(prefix: &str) -> Map<String, Value> {
    Map::from_iter([("prefix".to_owned(), json!(prefix))])
}

/// The arguments of a run.
#[must_use]
pub fn run_of(key: &str, ms: u32) -> Map<String, Value> {
    Map::from_iter([("key".to_owned(), json!(key)), ("ms".to_owned(), json!(ms))])
}

/// Whether a tool is that one, with the name of its server before it or not.
fn is_named(name: &str, bare: &str) -> bool {
    name.strip_suffix(bare)
        .is_some_and(|before| before.is_empty() || before.ends_with(['_', '-', '.', '/', ':']))
}

fn name(tool: &Value) -> &str {
    tool["name"].as_str().unwrap_or_default()
}

/// The numbers in an answer of [`COUNT`], by what follows the prefix in each key.
#[must_use]
pub fn counts(result: &Value, prefix: &str) -> Option<BTreeMap<u64, u64>> {
    let text = first_text(result)?;
    let all: BTreeMap<String, u64> = serde_json::from_str(text).ok()?;
    let number =
        |(key, times): (String, u64)| Some((key.strip_prefix(prefix)?.parse::<u64>().ok()?, times));
    Some(all.into_iter().filter_map(number).collect())
}

/// The text of a result's first content.
#[must_use]
pub fn first_text(result: &Value) -> Option<&str> {
    result["content"][0]["text"].as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oracle_tools_are_known_behind_a_gateway_too() {
        let tools = [json!({"name": "up__oracle_run"}), json!({"name": "up__oracle_count"})];
        let menu = Menu::of(&tools, None);
        assert_eq!(menu.oracle, Some(("up__oracle_run".into(), "up__oracle_count".into())));
        assert_eq!(Menu::of(&[json!({"name": "my_oracle_runner"})], None).oracle, None);
    }

    #[test]
    fn the_harmless_tool_only_reads() {
        let tools = [
            json!({"name": "delete_all", "inputSchema": {}}),
            json!({"name": "read", "inputSchema": {"required": ["path"]},
                   "annotations": {"readOnlyHint": true}}),
            json!({"name": "status", "inputSchema": {}, "annotations": {"readOnlyHint": true}}),
        ];
        let harmless = |tools: &[Value], wanted| Menu::of(tools, wanted).harmless.map(|it| it.0);
        assert_eq!(harmless(&tools, None), Some("status".into()));
        assert_eq!(harmless(&tools[..2], None), None);
        assert_eq!(harmless(&tools, Some("read")), Some("read".into()));
    }

    #[test]
    fn counts_are_read_by_the_number_in_their_key() {
        let result =
            json!({"content": [{"type": "text", "text": "{\"r/1\": 1, \"r/00000020\": 2}"}]});
        assert_eq!(counts(&result, "r/"), Some([(1, 1), (20, 2)].into()));
        assert_eq!(counts(&json!({"content": []}), "r/"), None);
    }
}

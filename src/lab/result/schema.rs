//! The published schema of what a run writes: `docs/result.schema.json`.

use super::{ClientFile, Line, RunResult};
use schemars::generate::SchemaSettings;

/// The JSON schema of `result.json`. Under `$defs`, `ClientFile` is that of a client's own file, and
/// `Line` that of a line of `events.jsonl`.
#[must_use]
pub fn schema() -> serde_json::Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    // What nothing in the result holds comes among its parts as well.
    let _reference = generator.subschema_for::<Line>();
    let _reference = generator.subschema_for::<ClientFile<'_>>();
    let mut schema = generator.into_root_schema_for::<RunResult>().to_value();
    schema["title"] = "What a run of the reliability lab of mcp-orchestrator found out".into();
    schema
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use std::collections::BTreeSet;

    /// Every key that a schema names, and every word that it chooses from.
    fn words(schema: &Value, found: &mut BTreeSet<String>) {
        if let Some(properties) = schema["properties"].as_object() {
            found.extend(properties.keys().cloned());
        }
        found.extend(schema["const"].as_str().map(ToOwned::to_owned));
        let parts = schema.as_object().into_iter().flat_map(|parts| parts.values());
        parts.chain(schema.as_array().into_iter().flatten()).for_each(|part| words(part, found));
    }

    #[test]
    fn the_page_has_every_word_of_the_schema() {
        let page = include_str!("../../../docs/results.md");
        let mut found = BTreeSet::new();
        words(&super::schema(), &mut found);
        assert!(found.len() > 100, "{found:?}");
        let missing: Vec<_> =
            found.iter().filter(|word| !page.contains(&format!("`{word}`"))).collect();
        assert!(missing.is_empty(), "docs/results.md does not name {missing:?}");
    }

    #[test]
    fn the_published_schema_is_that_of_the_types() {
        crate::published::assert_published("result.schema.json", &super::schema());
    }
}

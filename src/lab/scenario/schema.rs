//! The published schema of scenario files: `docs/scenario.schema.json`.

use super::Scenario;

/// The JSON schema of a scenario.
#[must_use]
pub fn schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(Scenario).to_value();
    schema["title"] = "A scenario of the reliability lab of mcp-orchestrator".into();
    schema
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_published_schema_is_that_of_the_types() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/scenario.schema.json");
        let ours = format!("{:#}\n", super::schema());
        let published = std::fs::read_to_string(path).unwrap_or_default();
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            std::fs::write(path, &ours).expect("the folder of documents");
        } else {
            assert!(published == ours, "run this test with UPDATE_SCHEMA=1 to write {path}");
        }
    }
}

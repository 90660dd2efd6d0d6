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
        crate::published::assert_published("scenario.schema.json", &super::schema());
    }
}

//! Schemas that are published as files are those of the types.

use serde_json::Value;

/// Fails unless `docs/<name>` is this schema; with `UPDATE_SCHEMA` set it is written instead.
pub(crate) fn assert_published(name: &str, schema: &Value) {
    let path = format!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/{}"), name);
    let ours = format!("{schema:#}\n");
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &ours).expect("the folder of documents");
    } else {
        assert!(published == ours, "run this test with UPDATE_SCHEMA=1 to write {path}");
    }
}

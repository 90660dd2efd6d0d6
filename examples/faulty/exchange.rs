//! Messages: from a request to its answer, whatever brings them.

use mcp_protocol::RpcError;
use serde_json::{Value, json};

/// The newest revision that is spoken here.
const REVISION: &str = "2025-11-25";
/// All of them.
const REVISIONS: [&str; 4] = [REVISION, "2025-06-18", "2025-03-26", "2024-11-05"];

/// The result of `initialize`.
pub(crate) fn initialized(params: &Value) -> Value {
    let asked = params["protocolVersion"].as_str().unwrap_or_default();
    let revision = REVISIONS.into_iter().find(|known| *known == asked).unwrap_or(REVISION);
    json!({
        "protocolVersion": revision,
        "capabilities": { "tools": {} },
        "serverInfo": { "name": "faulty", "version": env!("CARGO_PKG_VERSION") },
    })
}

/// The answer to a request.
pub(crate) fn answer(id: &Value, result: Result<Value, RpcError>) -> String {
    let answer = match result {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(error) => {
            let error = json!({ "code": error.code, "message": error.message });
            json!({ "jsonrpc": "2.0", "id": id, "error": error })
        }
    };
    answer.to_string()
}

//! The legacy handshake (2025-11-25 `basic/lifecycle.mdx`).

use super::{Agreement, ClientInfo};
use crate::dispatch::{Identity, capabilities, server_info};
use mcp_protocol::{Era, RawObject, RawValue, Revision, RpcError, raw_value};
use serde_json::json;
use std::sync::Arc;

/// Reads the params of `initialize` and writes its result.
///
/// # Errors
/// `-32602` when a required param is missing or of the wrong type.
pub(crate) fn negotiate(
    params: Option<&RawValue>,
    identity: &Identity,
) -> Result<(Agreement, Box<RawValue>), RpcError> {
    let params = RawObject::of_params(params).unwrap_or_default();
    let Some(requested) = params.get_str("protocolVersion") else {
        return Err(RpcError::invalid_params(
            "`protocolVersion` must be the name of a revision, for example \"2025-11-25\"",
        ));
    };
    let Some(declared) = params.get("capabilities").filter(|value| value.get().starts_with('{'))
    else {
        return Err(RpcError::invalid_params("`capabilities` must be an object"));
    };
    let Some(client) = params.get("clientInfo").filter(|value| value.get().starts_with('{')) else {
        return Err(RpcError::invalid_params(
            "`clientInfo` must be an object with `name` and `version`",
        ));
    };
    let revision = Revision::negotiate(&requested);
    let mut result = json!({
        "protocolVersion": revision.as_str(),
        "capabilities": capabilities(Era::Legacy),
        "serverInfo": server_info(identity),
    });
    if let Some(instructions) = &identity.instructions {
        result["instructions"] = json!(instructions);
    }
    let agreement = Agreement {
        revision,
        capabilities: Arc::from(declared.to_owned()),
        client: ClientInfo::of(client),
    };
    Ok((agreement, raw_value(&result)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity { name: "x".into(), instructions: None }
    }

    #[test]
    fn each_required_param_is_asked_for_by_name() {
        let full = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "c", "version": "1" } });
        let (agreement, result) = negotiate(Some(&raw_value(&full)), &identity()).expect("valid");
        assert_eq!(agreement.revision, Revision::V2025_06_18);
        assert!(result.get().contains("\"protocolVersion\":\"2025-06-18\""));
        for key in ["protocolVersion", "capabilities", "clientInfo"] {
            let mut params = full.clone();
            params[key] = json!(7);
            let error = negotiate(Some(&raw_value(&params)), &identity()).expect_err("invalid");
            assert!(error.message.contains(key), "{error}");
        }
        assert!(negotiate(None, &identity()).is_err());
    }
}

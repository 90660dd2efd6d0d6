//! What the bridge answers itself: who it is, and lists. Never waits for a server that is away
//! longer than an agent waits for a handshake.

use super::{
    bridge::Bridge,
    forms::{complete, no_answer, signed},
    known::List,
    server::{Server, Standing},
};
use mcp_client::Identity;
use mcp_protocol::{
    Era, Method, Payload, RawObject, Request, Revision, RpcError, raw_string, raw_value,
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

/// How long a server that nothing is known of is waited for.
const HOLD: Duration = Duration::from_secs(10);
/// How long a server is waited for that is known from the last time.
const GREETING: Duration = Duration::from_secs(2);

/// Everything that a server may offer: what ours does not have yet it may have tomorrow, and an
/// agent asks only once.
fn offer(era: Era) -> Value {
    let mut offer = json!({
        "tools": { "listChanged": true },
        "prompts": { "listChanged": true },
        "resources": { "subscribe": true, "listChanged": true },
        "completions": {},
    });
    if era == Era::Legacy {
        offer["logging"] = json!({});
    }
    offer
}

/// `initialize`
pub(super) async fn initialize(bridge: &Arc<Bridge>, request: &Request) -> Payload {
    let params = RawObject::of_params(request.params.as_deref())
        .ok_or_else(|| RpcError::invalid_params("`initialize` needs params"))?;
    let asked = params
        .get_str("protocolVersion")
        .ok_or_else(|| RpcError::invalid_params("`protocolVersion` is missing"))?;
    let object = |key: &str| params.get(key).filter(|value| value.get().starts_with('{'));
    let unnamed = json!({ "name": "unnamed", "version": "0" });
    let identity = || Identity {
        info: object("clientInfo").map_or_else(|| raw_value(&unnamed), ToOwned::to_owned),
        capabilities: object("capabilities")
            .map_or_else(|| raw_value(&json!({})), ToOwned::to_owned),
    };
    let server = bridge.server(identity, Era::Legacy);
    meet(bridge, &server, Era::Legacy, Method::Initialize).await?;
    let known = bridge.known();
    let mut result = RawObject::default();
    result.set("protocolVersion", raw_string(Revision::negotiate(&asked).as_str()));
    result.set_value("capabilities", &offer(Era::Legacy));
    result.set("serverInfo", known.info());
    if let Some(instructions) = known.instructions() {
        result.set("instructions", raw_string(instructions));
    }
    Ok(result.to_raw())
}

/// `server/discover`
pub(super) async fn discover(bridge: &Arc<Bridge>, server: &Server) -> Payload {
    meet(bridge, server, Era::Modern, Method::ServerDiscover).await?;
    let known = bridge.known();
    let mut result = RawObject::default();
    result.set_value("supportedVersions", &[Revision::LATEST_MODERN.as_str()]);
    result.set_value("capabilities", &offer(Era::Modern));
    if let Some(instructions) = known.instructions() {
        result.set("instructions", raw_string(instructions));
    }
    signed(&mut result, Method::ServerDiscover, &known.info());
    Ok(result.to_raw())
}

/// Waits for the server as long as that helps. Fails only when it does not let us in, and never
/// did.
async fn meet(bridge: &Bridge, server: &Server, era: Era, method: Method) -> Result<(), RpcError> {
    let is_known = bridge.known().has_met();
    let (within, is_away_enough) = if is_known { (GREETING, true) } else { (HOLD, false) };
    let standing = server
        .standing(within, |standing| match standing {
            Standing::Connected | Standing::Shut(_) => true,
            Standing::Away => is_away_enough,
            Standing::Starting => false,
        })
        .await;
    match standing {
        Standing::Shut(why) if !is_known => no_answer(era, method, &why).map(drop),
        Standing::Shut(_) | Standing::Starting | Standing::Connected | Standing::Away => Ok(()),
    }
}

/// A list: as it is now, or as it was last.
pub(super) async fn list(
    bridge: &Arc<Bridge>,
    server: &Server,
    list: List,
    request: &Request,
    era: Era,
) -> Payload {
    let params = RawObject::of_params(request.params.as_deref());
    if params.is_some_and(|params| params.contains("cursor")) {
        return Err(RpcError::invalid_params("This list has one page, so there is no cursor"));
    }
    let is_known = bridge.known().list(list).is_some();
    if !is_known {
        let enough =
            |standing: &Standing| matches!(standing, Standing::Connected | Standing::Shut(_));
        server.standing(HOLD, enough).await;
    }
    if let Err(error) = look(bridge, server, list).await
        && !is_known
        && server.is_there()
    {
        return Err(error);
    }
    bridge.has_asked(list);
    let known = bridge.known();
    let mut result = RawObject::default();
    result.set_value(list.key(), &known.list(list).unwrap_or_default());
    if era == Era::Modern {
        complete(&mut result, request.method);
    }
    Ok(result.to_raw())
}

/// What came of looking at a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// The server is away.
    Away,
    /// The list is as it was known.
    Same,
    /// It is another one. The agent has not been told.
    News,
}

/// Reads a list anew, as long as the server is there.
pub(super) async fn look(
    bridge: &Arc<Bridge>,
    server: &Server,
    list: List,
) -> Result<Look, RpcError> {
    if !server.is_there() {
        return Ok(Look::Away);
    }
    let entries = tokio::select! {
        entries = server.entries(list) => entries?,
        () = server.is_lost() => return Ok(Look::Away),
    };
    if !bridge.learn(list, entries, server.is_warming_up()) {
        return Ok(Look::Same);
    }
    bridge.save();
    Ok(Look::News)
}

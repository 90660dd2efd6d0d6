//! Finding out which era a server speaks (2026-07-28 `basic/versioning.mdx`).
//!
//! A modern server answers `server/discover`. A legacy one answers with an error, not at all,
//! or by ending; then comes `initialize`.

use crate::{
    ClientError, Correction, Identity, Options, OutCall, ServerInfo, Sink, Target,
    prepare::Outgoing, wire::Wire,
};
use mcp_protocol::{Era, RawObject, RawValue, Revision, key, raw, raw_value};
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

/// Ids of the handshake; calls of users come after them.
pub(crate) const FIRST_FREE_ID: u64 = 10;
const DISCOVER_ID: u64 = 1;
const DISCOVER_AGAIN_ID: u64 = 2;
const INITIALIZE_ID: u64 = 3;
/// Added to the id of a question that is asked once more.
const REPEATED: u64 = 4;

/// A connection whose revision is agreed on.
pub(crate) struct Agreed {
    pub(crate) wire: Wire,
    pub(crate) revision: Revision,
    pub(crate) server: ServerInfo,
}

/// All that an attempt to connect needs.
pub(crate) struct Approach<'a> {
    pub(crate) target: &'a Target,
    pub(crate) identity: &'a Identity,
    pub(crate) sink: Arc<dyn Sink>,
    pub(crate) options: &'a Options,
}

impl Approach<'_> {
    /// Connects, in the era asked for or in whichever the server speaks.
    pub(crate) async fn connect(&self, era: Option<Era>) -> Result<Agreed, ClientError> {
        let wire = self.open()?;
        let (revision, server, wire) = match era {
            Some(Era::Legacy) => {
                let (revision, server) = self.initialize(&wire).await?;
                (revision, server, wire)
            }
            Some(Era::Modern) => {
                let server =
                    self.discover(&wire, DISCOVER_ID, self.options.request_timeout).await?;
                (Revision::LATEST_MODERN, server, wire)
            }
            None => return self.find_out(wire).await,
        };
        Ok(Agreed { wire, revision, server })
    }

    fn open(&self) -> Result<Wire, ClientError> {
        Wire::open(self.target, Arc::clone(&self.sink), self.options)
    }

    async fn find_out(&self, wire: Wire) -> Result<Agreed, ClientError> {
        let refusal = match self.discover(&wire, DISCOVER_ID, self.options.discover_timeout).await {
            Ok(server) => return Ok(Agreed { wire, revision: Revision::LATEST_MODERN, server }),
            Err(error) if is_final(&error) => return Err(error),
            Err(error) => error,
        };
        let wire = if wire.fate().why().is_some() { self.open()? } else { wire };
        let error = match self.initialize(&wire).await {
            Ok((revision, server)) => return Ok(Agreed { wire, revision, server }),
            Err(error) => error,
        };
        match (&refusal, &error) {
            // It was only slow to start.
            (ClientError::Timeout { .. }, ClientError::Refused(_)) => {
                let server =
                    self.discover(&wire, DISCOVER_AGAIN_ID, self.options.request_timeout).await?;
                Ok(Agreed { wire, revision: Revision::LATEST_MODERN, server })
            }
            // It ended over our question only after it had refused it.
            (ClientError::Refused(_) | ClientError::Timeout { .. }, ClientError::Closed { .. })
                if matches!(wire, Wire::Stdio(_)) =>
            {
                let wire = self.open()?;
                let (revision, server) = self.initialize(&wire).await?;
                Ok(Agreed { wire, revision, server })
            }
            _ => Err(error),
        }
    }

    async fn discover(
        &self,
        wire: &Wire,
        id: u64,
        wait: Duration,
    ) -> Result<ServerInfo, ClientError> {
        let question = |id| Question { id, method: "server/discover", era: Era::Modern, wait };
        let mut answer = self.ask(wire, question(id), "{}").await;
        if answer.as_ref().is_err_and(names_our_revision) {
            answer = self.ask(wire, question(id + REPEATED), "{}").await;
        }
        let result = answer?;
        let server = discovered(&result)?;
        wire.agree(Revision::LATEST_MODERN);
        Ok(server)
    }

    async fn initialize(&self, wire: &Wire) -> Result<(Revision, ServerInfo), ClientError> {
        let params = serde_json::json!({
            "protocolVersion": Revision::LATEST_LEGACY.as_str(),
            "capabilities": &self.identity.capabilities,
            "clientInfo": &self.identity.info,
        });
        let wait = self.options.request_timeout;
        let question = Question { id: INITIALIZE_ID, method: "initialize", era: Era::Legacy, wait };
        let result = self.ask(wire, question, raw_value(&params).get()).await?;
        let (revision, server) = initialized(&result)?;
        wire.agree(revision);
        timeout(wait, wire.notify("notifications/initialized", None)).await.map_err(|_| {
            ClientError::Timeout { method: "notifications/initialized", after: wait }
        })??;
        wire.listen().await;
        Ok((revision, server))
    }

    async fn ask(
        &self,
        wire: &Wire,
        question: Question,
        params: &str,
    ) -> Result<Box<RawValue>, ClientError> {
        let Question { id, method, era, wait } = question;
        let params =
            raw(params).ok_or_else(|| ClientError::Invalid("its params are no JSON".to_owned()))?;
        let call = Outgoing::handshake(id, OutCall::new(method, params), era, self.identity)?;
        let answer = timeout(wait, wire.request(call)).await;
        answer
            .map_err(|_| ClientError::Timeout { method, after: wait })??
            .map_err(ClientError::Refused)
    }
}

/// One request of the handshake.
struct Question {
    id: u64,
    method: &'static str,
    era: Era,
    wait: Duration,
}

/// Whether the other era would end the same way.
const fn is_final(error: &ClientError) -> bool {
    matches!(
        error,
        ClientError::Connect(_)
            | ClientError::Spawn { .. }
            | ClientError::Auth { status: 401 }
            | ClientError::Http { status: 429, .. }
    )
}

/// Whether the server refuses our revision and offers it in the same breath, as one does that was
/// just replaced. It is asked once more.
fn names_our_revision(error: &ClientError) -> bool {
    matches!(error, ClientError::Refused(why) if Correction::of(why) == Some(Correction::SendAgain))
}

fn discovered(result: &RawValue) -> Result<ServerInfo, ClientError> {
    let result = object(result, "server/discover")?;
    let supported: Vec<String> = result
        .get("supportedVersions")
        .and_then(|versions| serde_json::from_str(versions.get()).ok())
        .ok_or_else(|| ClientError::Protocol("`server/discover` names no versions".to_owned()))?;
    if !supported.iter().any(|version| version == Revision::LATEST_MODERN.as_str()) {
        return Err(ClientError::Protocol(format!(
            "it speaks {}, which we do not",
            supported.join(", ")
        )));
    }
    let meta = result.get("_meta").and_then(RawObject::parse);
    Ok(ServerInfo {
        info: meta.and_then(|meta| meta.get(key::SERVER_INFO).map(ToOwned::to_owned)),
        capabilities: capabilities(&result),
        instructions: result.get_str("instructions"),
        supported,
    })
}

fn initialized(result: &RawValue) -> Result<(Revision, ServerInfo), ClientError> {
    let result = object(result, "initialize")?;
    let version = result
        .get_str("protocolVersion")
        .ok_or_else(|| ClientError::Protocol("`initialize` names no version".to_owned()))?;
    let revision = Revision::parse(&version)
        .filter(|revision| revision.era() == Era::Legacy)
        .ok_or_else(|| ClientError::Protocol(format!("it speaks {version}, which we do not")))?;
    let server = ServerInfo {
        info: result.get("serverInfo").map(ToOwned::to_owned),
        capabilities: capabilities(&result),
        instructions: result.get_str("instructions"),
        supported: vec![version],
    };
    Ok((revision, server))
}

fn object<'a>(result: &'a RawValue, method: &str) -> Result<RawObject<'a>, ClientError> {
    RawObject::parse(result)
        .ok_or_else(|| ClientError::Protocol(format!("`{method}` answers no object")))
}

fn capabilities(result: &RawObject<'_>) -> Box<RawValue> {
    let declared = result.get("capabilities").filter(|value| value.get().starts_with('{'));
    declared.map_or_else(|| raw_value(&serde_json::json!({})), ToOwned::to_owned)
}

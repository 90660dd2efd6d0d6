//! Why it does not work: the way to the server, step by step, each with its time and its error.
//! Everything is made anew for it, and the client's own connection left alone.

use super::config::ClientConfig;
use crate::{
    ClientError, Connection, Deaf, Guard, GuardError, HttpTarget, Identity, Options, OutCall,
    Target, error::plainly,
};
use mcp_protocol::{RawObject, RawValue, raw_value};
use serde_json::json;
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpStream, lookup_host},
    time::{Instant, timeout},
};

/// The way to the server, step by step. It ends with the first step that fails.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnosis {
    /// What was done, in order.
    pub steps: Vec<DiagnosisStep>,
}

/// One step on the way to the server.
#[derive(Debug, Clone, PartialEq)]
pub struct DiagnosisStep {
    /// What was done.
    pub what: Check,
    /// How long it took.
    pub took: Duration,
    /// What was found, or what went wrong.
    pub outcome: Result<String, ClientError>,
}

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Check {
    /// The host has an address.
    Resolve,
    /// One of its addresses takes a connection.
    Connect,
    /// A secure connection can be made; only where the URL asks for one.
    Tls,
    /// The server agrees with us on a revision; a child process is started for it.
    Handshake,
    /// It lists its tools.
    Tools,
}

impl Diagnosis {
    /// Whether all is well.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.steps.iter().all(|step| step.outcome.is_ok())
    }

    /// Takes one step, and gives what it found for the next.
    async fn step<T>(
        &mut self,
        what: Check,
        limit: Duration,
        found: impl Future<Output = Result<(T, String), ClientError>>,
    ) -> Option<T> {
        let began = Instant::now();
        let late = || ClientError::Timeout { method: what.name(), after: limit };
        let found = timeout(limit, found).await.unwrap_or_else(|_| Err(late()));
        let (found, outcome) = match found {
            Ok((found, text)) => (Some(found), Ok(text)),
            Err(error) => (None, Err(error)),
        };
        self.steps.push(DiagnosisStep { what, took: began.elapsed(), outcome });
        found
    }

    async fn network(&mut self, target: &HttpTarget, options: &Options) -> Option<()> {
        let limit = options.connect_timeout;
        let addresses = self.step(Check::Resolve, limit, resolve(target, &options.guard)).await?;
        self.step(Check::Connect, limit, connect(&addresses)).await?;
        if target.is_secure() {
            self.step(Check::Tls, limit, secure(target, options)).await?;
        }
        Some(())
    }
}

impl Check {
    const fn name(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Handshake => "handshake",
            Self::Tools => "tools/list",
        }
    }
}

/// Goes the whole way.
pub(super) async fn diagnose(config: &ClientConfig, identity: &Identity) -> Diagnosis {
    let mut diagnosis = Diagnosis { steps: Vec::new() };
    let options = &config.options;
    if let Target::Http(target) | Target::WebSocket(target) = &config.target
        && diagnosis.network(target, options).await.is_none()
    {
        return diagnosis;
    }
    // Its own parts have limits of their own; this one is above all of them.
    let all = options.connect_timeout + options.discover_timeout + options.request_timeout * 3;
    let shake = Box::pin(shake(config, identity));
    let Some(connection) = diagnosis.step(Check::Handshake, all, shake).await else {
        return diagnosis;
    };
    let tools = tools(&connection);
    let _listed = diagnosis.step(Check::Tools, options.request_timeout, tools).await;
    connection.close().await;
    diagnosis
}

async fn resolve(
    target: &HttpTarget,
    guard: &Guard,
) -> Result<(Vec<SocketAddr>, String), ClientError> {
    let refused = |why: GuardError| ClientError::Invalid(why.to_string());
    guard.check(target).map_err(refused)?;
    let host = target.url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = target.url.port_or_known_default().unwrap_or_default();
    let found: Vec<_> = lookup_host((host, port)).await.map_err(|error| no_way(&error))?.collect();
    guard.check_addresses(host, &found).map_err(refused)?;
    let shown: Vec<_> = found.iter().map(|address| address.ip().to_string()).collect();
    let shown = shown.join(", ");
    Ok((found, shown))
}

async fn connect(addresses: &[SocketAddr]) -> Result<((), String), ClientError> {
    let socket = TcpStream::connect(addresses).await.map_err(|error| no_way(&error))?;
    let peer = socket.peer_addr().map_err(|error| no_way(&error))?;
    Ok(((), peer.to_string()))
}

/// Over a connection of its own: the very way that messages take.
async fn secure(target: &HttpTarget, options: &Options) -> Result<((), String), ClientError> {
    crate::http::try_tls(&target.over_http(), options).await.map(|()| ((), "secure".to_owned()))
}

async fn shake(
    config: &ClientConfig,
    identity: &Identity,
) -> Result<(Connection, String), ClientError> {
    let mut eras = super::eras::EraSearch::new(config.eras);
    let opening = super::eras::Opening {
        target: &config.target,
        identity,
        sink: Arc::new(Deaf),
        options: &config.options,
    };
    let connection = eras.open(&opening).await?;
    let revision = connection.revision().as_str().to_owned();
    Ok((connection, revision))
}

async fn tools(connection: &Connection) -> Result<((), String), ClientError> {
    let answer = connection.call(OutCall::new("tools/list", raw_value(&json!({})))).await?;
    let result = answer.map_err(ClientError::Refused)?;
    let tools = RawObject::parse(&result).and_then(|result| {
        serde_json::from_str::<Vec<Box<RawValue>>>(result.get("tools")?.get()).ok()
    });
    let count = tools.map(|tools| tools.len());
    count.map_or_else(
        || Err(ClientError::Protocol("`tools/list` answers no list".to_owned())),
        |count| Ok(((), format!("{count} tools"))),
    )
}

fn no_way(error: &io::Error) -> ClientError {
    ClientError::Connect(plainly(error))
}

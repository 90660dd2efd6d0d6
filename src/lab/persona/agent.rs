//! A client of a scenario: one face for every persona.

use super::{Habits, Nature, identity::identity, policed::Policed};
use mcp_client::{
    Client, ClientConfig, ClientError, ConfigError, Connection, Deaf, OutCall, State, Target,
    Terms, Unfinished,
};
use mcp_protocol::{Payload, RawObject};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, timeout_at};

/// How often it is looked whether our own client is connected.
const LOOK: Duration = Duration::from_millis(5);

/// A client of a scenario.
pub struct Agent {
    inner: Inner,
}

enum Inner {
    Own(Client),
    Policed(Box<Policed>),
}

/// What a handshake brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opened {
    /// The session's id, if there is a session that has one.
    pub session_id: Option<String>,
    /// The revision agreed on.
    pub protocol_version: Option<String>,
    /// What the server calls itself, and its version.
    pub server: Option<(String, String)>,
}

impl Agent {
    /// A client that has not said anything yet. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the way makes no sense.
    pub fn new(name: &str, habits: &Habits, way: Target) -> Result<Self, ConfigError> {
        Self::with(name, habits, ClientConfig::patient(way))
    }

    /// The same, for looks at the tools. They come faster than the calls of any agent: a budget
    /// for calls that are sent again would measure itself.
    ///
    /// # Errors
    /// When the way makes no sense.
    pub fn prober(habits: &Habits, way: Target) -> Result<Self, ConfigError> {
        Self::with("prober", habits, ClientConfig { budget: None, ..ClientConfig::patient(way) })
    }

    fn with(name: &str, habits: &Habits, config: ClientConfig) -> Result<Self, ConfigError> {
        let inner = match habits.nature {
            Nature::Own => {
                let config = ClientConfig { monitoring: None, ..config };
                let client = Client::start(config, identity(name), Arc::new(Deaf))?;
                Inner::Own(client)
            }
            Nature::Rule(rule) => Inner::Policed(Box::new(Policed::new(name, config.target, rule))),
        };
        Ok(Self { inner })
    }

    /// Opens a session, if there is none.
    ///
    /// # Errors
    /// When there is none within that time.
    pub async fn open(&self, within: Duration) -> Result<Opened, ClientError> {
        let until = Instant::now() + within;
        match &self.inner {
            Inner::Own(client) => connected(client, until, within).await?,
            Inner::Policed(policed) => {
                Box::pin(policed.open(until)).await?;
            }
        }
        Ok(self.opened())
    }

    /// Sends a request and waits for what its persona makes of it.
    ///
    /// # Errors
    /// When there is no answer; an answer that is an error is `Ok(Err(_))`.
    pub async fn request(
        &self,
        call: OutCall,
        within: Duration,
        may_repeat: bool,
    ) -> Result<Payload, ClientError> {
        match &self.inner {
            Inner::Own(client) => {
                let terms = Terms { deadline: within, may_repeat, progress_extends: false };
                Box::pin(client.call(call, terms)).await
            }
            Inner::Policed(policed) => {
                Box::pin(policed.request(call, Instant::now() + within)).await
            }
        }
    }

    /// Asks once, on the connection of the moment, whether the target is there.
    pub async fn ping(&self, within: Duration) -> bool {
        let Some(connection) = self.connection() else { return false };
        matches!(timeout_at(Instant::now() + within, connection.ping()).await, Ok(Ok(())))
    }

    /// What is known of the session of the moment.
    #[must_use]
    pub fn opened(&self) -> Opened {
        let Some(connection) = self.connection() else { return Opened::default() };
        let info = connection.server().info.as_deref().and_then(RawObject::parse);
        let member = |name| -> Option<String> {
            let value: Value = serde_json::from_str(info.as_ref()?.get(name)?.get()).ok()?;
            value.as_str().map(ToOwned::to_owned)
        };
        Opened {
            session_id: connection.session_id(),
            protocol_version: Some(connection.revision().as_str().to_owned()),
            server: member("name").map(|name| (name, member("version").unwrap_or_default())),
        }
    }

    /// The child process it speaks to, if it started one.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.connection()?.process_id()
    }

    /// Whether it does not try any more.
    #[must_use]
    pub fn gave_up(&self) -> bool {
        match &self.inner {
            Inner::Own(client) => client.state() == State::Failed,
            Inner::Policed(policed) => policed.gave_up(),
        }
    }

    /// Says goodbye.
    pub async fn close(&self) {
        match &self.inner {
            Inner::Own(client) => client.close().await,
            Inner::Policed(policed) => policed.close().await,
        }
    }

    fn connection(&self) -> Option<Connection> {
        match &self.inner {
            Inner::Own(client) => client.connection(),
            Inner::Policed(policed) => policed.connection(),
        }
    }
}

async fn connected(client: &Client, until: Instant, within: Duration) -> Result<(), ClientError> {
    while client.state() != State::Connected {
        if client.state() == State::Failed || Instant::now() >= until {
            let why = client.trouble().map(Box::new);
            return Err(ClientError::Unfinished(Unfinished::Away { waited: within, why }));
        }
        sleep(LOOK).await;
    }
    Ok(())
}

//! The configuration as a builder.

use super::{ClientConfig, ConfigError};
use crate::{Secret, Target};
use std::{collections::BTreeMap, path::PathBuf};

/// Puts a [`ClientConfig`] together.
#[derive(Debug, Clone)]
pub struct ClientBuilder {
    place: Place,
    headers: BTreeMap<String, Secret>,
    change: Vec<fn(&mut ClientConfig)>,
}

#[derive(Debug, Clone)]
enum Place {
    Url {
        key: &'static str,
        url: String,
    },
    Command {
        command: String,
        args: Vec<String>,
        env: BTreeMap<String, Secret>,
        cwd: Option<PathBuf>,
    },
}

impl ClientConfig {
    /// A server at a URL: `http`, `https`, `ws` or `wss`.
    #[must_use]
    pub fn to_url(url: impl Into<String>) -> ClientBuilder {
        ClientBuilder::at("url", url.into())
    }

    /// A server as a child process.
    #[must_use]
    pub fn to_command(command: impl Into<String>, args: Vec<String>) -> ClientBuilder {
        let (command, env) = (command.into(), BTreeMap::new());
        let place = Place::Command { command, args, env, cwd: None };
        ClientBuilder { place, headers: BTreeMap::new(), change: Vec::new() }
    }
}

impl ClientBuilder {
    pub(super) const fn at(key: &'static str, url: String) -> Self {
        let place = Place::Url { key, url };
        Self { place, headers: BTreeMap::new(), change: Vec::new() }
    }

    /// Sends `Authorization: Bearer` and this token, over HTTP and to open a WebSocket.
    #[must_use]
    pub fn token(self, token: &Secret) -> Self {
        let value = Secret::from(format!("Bearer {}", token.expose()));
        self.header("authorization", value)
    }

    /// Sends this header, over HTTP and to open a WebSocket.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: Secret) -> Self {
        self.headers.insert(name.into(), value);
        self
    }

    /// Sets this variable for the child process.
    #[must_use]
    pub fn variable(mut self, name: impl Into<String>, value: Secret) -> Self {
        if let Place::Command { env, .. } = &mut self.place {
            env.insert(name.into(), value);
        }
        self
    }

    /// Starts the child process in this directory.
    #[must_use]
    pub fn directory(mut self, path: PathBuf) -> Self {
        if let Place::Command { cwd, .. } = &mut self.place {
            *cwd = Some(path);
        }
        self
    }

    /// Changes anything else, on top of the defaults.
    #[must_use]
    pub fn with(mut self, change: fn(&mut ClientConfig)) -> Self {
        self.change.push(change);
        self
    }

    /// The configuration, checked.
    ///
    /// # Errors
    /// When it makes no sense; names the key.
    pub fn build(self) -> Result<ClientConfig, ConfigError> {
        let target = match self.place {
            Place::Url { key, url } => Target::url(&url, self.headers)
                .map_err(|error| ConfigError::of_target(key, &error))?,
            Place::Command { command, args, env, cwd } => Target::stdio(command, args, env, cwd),
        };
        let mut config = ClientConfig::new(target);
        for change in self.change {
            change(&mut config);
        }
        config.check()?;
        Ok(config)
    }
}

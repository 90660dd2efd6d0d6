//! What a [`Client`](crate::Client) is told, and the ways to say it: as a value, as a builder, in
//! TOML, and by the environment.

mod build;
mod check;
mod env;
mod file;
mod keys;
mod rules;
#[cfg(test)]
mod tests;
mod value;

pub use build::ClientBuilder;
pub use rules::{BreakerRule, ClientConfig, ConnectionRate, Eras, QueueRule};

use crate::TargetError;

/// Why a configuration cannot be used; names the key, and never shows its value where that is a
/// secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}`: {reason}")]
pub struct ConfigError {
    /// The key, as it stands in a file or in the environment.
    pub key: String,
    /// What is wrong with it.
    pub reason: String,
}

impl ConfigError {
    fn new(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { key: key.into(), reason: reason.into() }
    }

    /// The error of a target whose URL stands under that key.
    fn of_target(key: &str, error: &TargetError) -> Self {
        let key = match error {
            TargetError::Header(name) => format!("headers.{name}"),
            TargetError::Url(_) | TargetError::Scheme(_) => key.to_owned(),
        };
        Self::new(key, error.to_string())
    }
}

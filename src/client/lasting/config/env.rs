//! The configuration by the environment, for programs that are set up that way.

use super::{ClientBuilder, ClientConfig, ConfigError};
use crate::Secret;

const URL: &str = "MCP_SERVER_URL";
const KEY: &str = "MCP_API_KEY";
const ENABLED: &str = "ENABLE_MCP_INTEGRATION";

impl ClientConfig {
    /// Reads `MCP_SERVER_URL`, `MCP_API_KEY` (sent as a bearer token) and `ENABLE_MCP_INTEGRATION`
    /// of this process. `None` when it is switched off, or nothing is said.
    ///
    /// # Errors
    /// When a variable makes no sense, or it is switched on without a URL; names the variable.
    pub fn from_env() -> Result<Option<Self>, ConfigError> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// As [`ClientConfig::from_env`], with variables from elsewhere. One that is empty is not set.
    ///
    /// # Errors
    /// As [`ClientConfig::from_env`].
    pub fn from_variables(
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, ConfigError> {
        let set = |name| variable(name).filter(|value| !value.trim().is_empty());
        let enabled = set(ENABLED).map(|text| switch(&text)).transpose()?;
        let url = match (enabled, set(URL)) {
            (Some(false), _) | (None, None) => return Ok(None),
            (Some(true), None) => {
                return Err(ConfigError::new(URL, format!("must be set, as {ENABLED} is true")));
            }
            (_, Some(url)) => url,
        };
        let mut builder = ClientBuilder::at(URL, url.trim().to_owned());
        if let Some(key) = set(KEY) {
            builder = builder.token(&Secret::from(key.trim()));
        }
        let named = |error: ConfigError| match error.key.as_str() {
            "headers.authorization" => ConfigError::new(KEY, "holds what a header may not"),
            _ => error,
        };
        builder.build().map(Some).map_err(named)
    }
}

fn switch(text: &str) -> Result<bool, ConfigError> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(ConfigError::new(ENABLED, "must be true or false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Target;

    fn read(variables: &[(&str, &str)]) -> Result<Option<ClientConfig>, ConfigError> {
        ClientConfig::from_variables(|name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_three_variables_are_read() {
        let config = read(&[(URL, "https://example.test/mcp"), (KEY, "hunter2")]);
        let Ok(Some(ClientConfig { target: Target::Http(target), .. })) = config else {
            panic!("{config:?}")
        };
        assert_eq!(target.url.as_str(), "https://example.test/mcp");
        assert_eq!(target.headers["authorization"].expose(), "Bearer hunter2");
        for off in ["false", "0", "No", "off"] {
            assert!(matches!(read(&[(URL, "http://x/"), (ENABLED, off)]), Ok(None)), "{off}");
        }
        for on in ["true", "1", "YES", "on", ""] {
            assert!(matches!(read(&[(URL, "http://x/"), (ENABLED, on)]), Ok(Some(_))), "{on}");
        }
        let socket = read(&[(URL, "wss://example.test/ws"), (KEY, "hunter2")]);
        let Ok(Some(ClientConfig { target: Target::WebSocket(target), .. })) = socket else {
            panic!("{socket:?}")
        };
        assert_eq!(target.headers["authorization"].expose(), "Bearer hunter2");
        assert!(matches!(read(&[]), Ok(None)) && matches!(read(&[(URL, "")]), Ok(None)));
    }

    #[test]
    fn what_makes_no_sense_is_named_and_no_key_is_shown() {
        let cases: [(&[(&str, &str)], &str); 4] = [
            (&[(ENABLED, "true")], URL),
            (&[(ENABLED, "maybe"), (URL, "http://x/")], ENABLED),
            (&[(URL, "ftp://x/")], URL),
            (&[(URL, "http://x/"), (KEY, "hunter\n2")], KEY),
        ];
        for (variables, key) in cases {
            let error = read(variables).expect_err(key);
            assert_eq!(error.key, key);
            assert!(!error.to_string().contains("hunter"), "{error}");
        }
    }
}

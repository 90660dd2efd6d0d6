//! Who may come in, as an operator writes it.

use super::seconds;
use mcp_client::Secret;
use serde::Deserialize;
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// Who may come in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// The bearer token; without it, [`AuthConfig::tokens`], [`AuthConfig::jwt`] and
    /// [`AuthConfig::disabled`], whoever composes the server must make one.
    pub token: Option<Secret>,
    /// More bearer tokens, each with the name of its principal.
    pub tokens: Vec<NamedToken>,
    /// Ask for no token. Refused unless the listener is loopback.
    pub disabled: bool,
    /// Tokens that an issuer signed.
    pub jwt: Option<JwtConfig>,
    /// Which tools a principal has, by its name or a pattern of names with `*`.
    pub principals: BTreeMap<String, ToolLists>,
    /// Origins that browsers may send besides loopback ones, for example `https://app.example`.
    /// Pages of these may also read the answers (CORS).
    pub allowed_origins: Vec<String>,
    /// Host names that clients may use besides loopback ones, without port.
    pub allowed_hosts: Vec<String>,
    /// Addresses and networks of proxies that are believed when they say for whom they ask.
    pub trusted_proxies: Vec<String>,
}

/// A bearer token and the principal it stands for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NamedToken {
    /// The principal's name.
    pub name: String,
    /// The token itself; either this or its digest.
    pub token: Option<Secret>,
    /// The token's SHA-256 digest in hexadecimal.
    pub sha256: Option<Secret>,
}

/// Tokens that an issuer signed (RFC 7519).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JwtConfig {
    /// What the claim `iss` must be. With it, clients are told where to get a token (RFC 9728).
    pub issuer: Option<String>,
    /// What the claim `aud` must be or contain. Required.
    pub audience: String,
    /// The algorithms allowed, of HS256, RS256, ES256 and EdDSA; empty means those that fit the
    /// keys.
    pub algorithms: Vec<String>,
    /// How far the issuer's clock may be off (default 30 s).
    #[serde(deserialize_with = "seconds")]
    pub leeway: Duration,
    /// A file with the keys: a public key (PEM), a key set (JWKS), or the secret of HS256.
    pub keys_file: Option<PathBuf>,
    /// Where the issuer publishes its key set (JWKS).
    pub jwks_url: Option<String>,
    /// How often the key set is fetched anew (default 300 s).
    #[serde(deserialize_with = "seconds")]
    pub jwks_refresh: Duration,
    /// The address of `/mcp` as clients know it; by default what their `Host` header says.
    pub resource: Option<String>,
}

/// Which tools a principal has. Names may hold `*` for any text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ToolLists {
    /// Only these, if given.
    pub allow: Option<Vec<String>>,
    /// None of these, also if they are allowed.
    pub deny: Vec<String>,
}

/// How fast requests may come: so many in a second, and so many at once. Zero is no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimits {
    /// Requests of one principal in a second.
    pub per_principal: u32,
    /// Most of them at once; zero means as many as in a second.
    pub per_principal_burst: u32,
    /// Requests from one address in a second.
    pub per_address: u32,
    /// Most of them at once; zero means as many as in a second.
    pub per_address_burst: u32,
}

impl Default for JwtConfig {
    fn default() -> Self {
        Self {
            issuer: None,
            audience: String::new(),
            algorithms: Vec::new(),
            leeway: Duration::from_secs(30),
            keys_file: None,
            jwks_url: None,
            jwks_refresh: Duration::from_secs(300),
            resource: None,
        }
    }
}

//! Why the configuration of who may come in cannot be used. Each text says what to change, and
//! shows no token.

use std::path::PathBuf;

/// What is wrong with `[auth]`.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The name of a token's principal does not fit.
    #[error("the name `{0}` in `auth.tokens` does not fit: {1}")]
    TokenName(String, &'static str),
    /// A token cannot be used.
    #[error("the token `{0}` in `auth.tokens` {1}")]
    Token(String, &'static str),
    /// Two principals have one token.
    #[error("the token `{0}` in `auth.tokens` is that of another principal too; give each its own")]
    TokenTwice(String),
    /// A proxy is no address and no network.
    #[error(
        "`{0}` in `auth.trusted_proxies` is neither an IP address nor a network such as 10.0.0.0/8"
    )]
    Proxy(String),
    /// Tokens for anybody would be taken.
    #[error("`auth.jwt.audience` is missing: say for whom tokens must be made")]
    Audience,
    /// There are no keys, or two sources of them.
    #[error("`auth.jwt` needs either `keys_file` or `jwks_url`")]
    KeysFrom,
    /// An algorithm is not one of ours.
    #[error("`{0}` in `auth.jwt.algorithms` is none of HS256, RS256, ES256, EdDSA")]
    Algorithm(String),
    /// The file of keys cannot be used.
    #[error("`auth.jwt.keys_file`, {path}, cannot be used: {why}", path = .0.display(), why = .1)]
    KeysFile(PathBuf, String),
    /// Keys would be fetched over an open line.
    #[error("`auth.jwt.jwks_url` must be an https address, or an http one of this machine")]
    JwksUrl,
    /// The address of the server is not one.
    #[error("`auth.jwt.resource` must be an http or https address without `#`")]
    Resource,
}

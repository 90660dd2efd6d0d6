//! What a client without a good token is told: how to come in, and where tokens are made.
//!
//! Only with an issuer is there something to tell (RFC 9728). Without one, a client that was
//! pointed at a login would start one that cannot end.

use super::AuthError;
use crate::{
    call::{Refusal, Rejection},
    config::JwtConfig,
};
use http::{
    HeaderMap, HeaderValue, Uri,
    header::{HOST, WWW_AUTHENTICATE},
};
use mcp_telemetry::AuthCause;
use serde_json::{Value, json};
use std::time::Duration;

/// Where the metadata of the server as a whole stands; that of `/mcp` stands below it.
pub(crate) const METADATA: &str = "/.well-known/oauth-protected-resource";
const ENDPOINT: &str = "/mcp";

/// The issuer of tokens, and the address that they are for.
#[derive(Debug)]
pub(super) struct Issuer {
    name: String,
    resource: Option<String>,
    /// Clients come over TLS.
    is_secure: bool,
}

impl Issuer {
    /// `None` when tokens are not said to be of one issuer.
    pub(super) fn new(jwt: Option<&JwtConfig>, is_secure: bool) -> Result<Option<Self>, AuthError> {
        let Some(jwt) = jwt else { return Ok(None) };
        let is_address = |text: &String| {
            let parsed = text.parse::<Uri>().ok();
            let scheme = parsed.as_ref().and_then(Uri::scheme_str);
            matches!(scheme, Some("http" | "https")) && !text.contains(['#', '"', '\\'])
        };
        if !jwt.resource.as_ref().is_none_or(is_address) {
            return Err(AuthError::Resource);
        }
        let resource = jwt.resource.clone();
        Ok(jwt.issuer.clone().map(|name| Self { name, resource, is_secure }))
    }

    /// The metadata (RFC 9728, section 2).
    pub(super) fn metadata(&self, headers: &HeaderMap) -> Option<Value> {
        Some(json!({
            "resource": self.resource(headers)?,
            "authorization_servers": [self.name],
            "bearer_methods_supported": ["header"],
        }))
    }

    /// The address of `/mcp` as the client knows it. The host was checked at the door.
    fn resource(&self, headers: &HeaderMap) -> Option<String> {
        self.resource.clone().or_else(|| Some(format!("{}{ENDPOINT}", self.origin(headers)?)))
    }

    /// Where the metadata stands: beside the resource, its path behind ours (section 3.1).
    fn metadata_address(&self, headers: &HeaderMap) -> Option<String> {
        let Some(resource) = self.resource.as_ref().and_then(|text| text.parse::<Uri>().ok())
        else {
            return Some(format!("{}{METADATA}{ENDPOINT}", self.origin(headers)?));
        };
        let (scheme, authority) = (resource.scheme_str()?, resource.authority()?);
        Some(format!("{scheme}://{authority}{METADATA}{}", resource.path().trim_end_matches('/')))
    }

    fn origin(&self, headers: &HeaderMap) -> Option<String> {
        let scheme = if self.is_secure { "https" } else { "http" };
        Some(format!("{scheme}://{}", headers.get(HOST)?.to_str().ok()?))
    }
}

/// The refusal of a request without a good token. It never says what the token looked like.
pub(super) fn refuse(cause: AuthCause, issuer: Option<&Issuer>, headers: &HeaderMap) -> Rejection {
    const TRY_AGAIN: Duration = Duration::from_secs(5);
    let sentence = match cause {
        AuthCause::Missing => "A bearer token is needed: send `Authorization: Bearer <token>`.",
        AuthCause::Malformed => "The Authorization header must be `Bearer <token>`, once.",
        AuthCause::Wrong => {
            "That token is not valid here. `mcp-orchestrator token show` prints the right one."
        }
        AuthCause::Expired => "That token has expired. Get a new one from its issuer.",
        AuthCause::NoKeys => {
            let sentence = "Tokens cannot be checked now: the keys of their issuer are not known. Try again later.";
            return Rejection::new(Refusal::KeysUnknown, sentence).retry_after(TRY_AGAIN);
        }
    };
    let address = issuer.and_then(|issuer| issuer.metadata_address(headers));
    let parts = [
        matches!(cause, AuthCause::Wrong | AuthCause::Expired)
            .then(|| "error=\"invalid_token\"".to_owned()),
        address.map(|address| format!("resource_metadata=\"{address}\"")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let challenge = format!("Bearer {}", parts.join(", "));
    let challenge = HeaderValue::from_str(challenge.trim_end());
    Rejection::new(Refusal::Unauthorized, sentence)
        .with_header(WWW_AUTHENTICATE, challenge.unwrap_or(HeaderValue::from_static("Bearer")))
}

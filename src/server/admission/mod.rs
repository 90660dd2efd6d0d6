//! Who may come in: the name a client called us by, the page it comes from, its token, and
//! how fast it asks.
//!
//! All of it is one value, made of the configuration alone, so that a reload swaps it whole.

mod challenge;
mod door;
mod error;
mod forwarded;
mod jwt;
mod policies;
mod rate;
mod slots;
#[cfg(test)]
mod tests;
mod tokens;
mod visitors;

pub(crate) use challenge::METADATA;
pub use error::AuthError;
pub(crate) use rate::TooFast;
pub(crate) use visitors::{GOOD_FOR, Pass, Visitors};

use crate::{
    call::{Principal, Refusal, Rejection},
    config::Config,
};
use challenge::Issuer;
use door::Door;
use forwarded::Proxies;
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use jwt::Jwt;
use mcp_telemetry::{AuthCause, RateLimit, Telemetry};
use policies::Policies;
use rate::Rates;
use serde_json::{Value, json};
use std::net::IpAddr;
use tokens::Tokens;

/// The guard at the door.
pub(crate) struct Admission {
    door: Door,
    proxies: Proxies,
    /// Whoever comes, when no token is asked for.
    anybody: Option<Principal>,
    tokens: Tokens<Principal>,
    jwt: Option<Jwt>,
    issuer: Option<Issuer>,
    policies: Policies,
    rates: Rates,
}

impl Admission {
    /// The guard that the configuration asks for.
    pub(crate) fn new(config: &Config) -> Result<Self, AuthError> {
        Self::build(config, None)
    }

    /// The guard after this one. It goes on with what stays the same: how fast each client
    /// came, and the keys that an issuer published.
    pub(crate) fn after(&self, config: &Config) -> Result<Self, AuthError> {
        Self::build(config, Some(self))
    }

    fn build(config: &Config, before: Option<&Self>) -> Result<Self, AuthError> {
        let auth = &config.auth;
        let policies = Policies::new(&auth.principals);
        let jwt = auth.jwt.as_ref().filter(|_| !auth.disabled);
        let jwt_before = before.and_then(|before| before.jwt.as_ref());
        let rate = &config.limits.rate;
        let is_secure = config.tls.cert_file.is_some();
        Ok(Self {
            door: Door::new(auth, config.listen),
            proxies: Proxies::new(&auth.trusted_proxies)?,
            tokens: Tokens::new(auth, |name| policies.principal(name))?,
            jwt: jwt.map(|jwt| Jwt::new(jwt, jwt_before)).transpose()?,
            issuer: Issuer::new(jwt, is_secure)?,
            anybody: auth.disabled.then(|| policies.principal("anonymous")),
            rates: before
                .map_or_else(|| Rates::new(rate), |before| Rates::after(&before.rates, rate)),
            policies,
        })
    }

    /// Whether nobody at all could come in.
    pub(crate) fn is_shut(&self) -> bool {
        self.anybody.is_none() && self.tokens.is_empty() && self.jwt.is_none()
    }

    /// Whether there is still a way in for a principal that once came in. Whether its token is
    /// good is asked when it comes again.
    pub(crate) fn knows(&self, principal: &Principal) -> bool {
        let is_it = |other: &Principal| other == principal;
        self.anybody.as_ref().is_some_and(is_it)
            || self.tokens.principals().any(is_it)
            || (self.jwt.is_some() && Jwt::stands_for(principal))
    }

    /// What has to run beside the server until this is dropped: keys are kept fresh.
    pub(crate) fn background(
        &self,
        telemetry: Telemetry,
    ) -> Option<impl Future<Output = ()> + use<>> {
        self.jwt.as_ref().and_then(|jwt| jwt.refresh(telemetry))
    }

    /// Checks `Host` and `Origin`.
    pub(crate) fn check_door(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        self.door.check(headers)
    }

    /// The origin of the page that asks, if its pages may read our answers.
    pub(crate) fn shared_with(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        self.door.shared_with(headers)
    }

    /// Who asks, by address.
    pub(crate) fn client_address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        self.proxies.client(peer, headers)
    }

    /// Counts a request from an address.
    pub(crate) fn check_address(&self, address: IpAddr) -> Result<(), TooFast> {
        self.rates.check_address(address)
    }

    /// Counts a request of a principal.
    pub(crate) fn check_rate(&self, principal: &Principal) -> Result<(), TooFast> {
        self.rates.check_principal(principal)
    }

    /// Finds the principal of the bearer token.
    pub(crate) async fn principal(&self, headers: &HeaderMap) -> Result<Principal, AuthCause> {
        if let Some(anybody) = &self.anybody {
            return Ok(anybody.clone());
        }
        let token = bearer(headers)?;
        let digest = tokens::digest(token);
        if let Some(principal) = self.tokens.find(&digest) {
            return Ok(principal.clone());
        }
        let Some(jwt) = self.jwt.as_ref().filter(|_| Jwt::looks_like_one(token)) else {
            return Err(AuthCause::Wrong);
        };
        match jwt.remembered(&digest) {
            Some(principal) => Ok(principal),
            // Boxed, because it is rare and large.
            None => Box::pin(jwt.check(token, digest, &self.policies)).await,
        }
    }

    /// Whether a request shows a token, good or not.
    pub(crate) fn shows_a_token(headers: &HeaderMap) -> bool {
        headers.contains_key(AUTHORIZATION)
    }

    /// What a request that was let in came in with.
    pub(crate) fn pass(&self, headers: &HeaderMap) -> Pass {
        bearer(headers).ok().map(tokens::digest).filter(|_| self.anybody.is_none())
    }

    /// What whoever runs the server comes in with.
    pub(crate) fn operator_pass(&self) -> Pass {
        self.tokens.digest_of(Principal::is_operator)
    }

    /// Who came in with that, if it still lets somebody in.
    pub(crate) fn principal_of(&self, pass: Pass) -> Option<Principal> {
        let Some(digest) = pass else { return self.anybody.clone() };
        let known = self.tokens.find(&digest).cloned();
        known.or_else(|| self.jwt.as_ref().and_then(|jwt| jwt.remembered(&digest)))
    }

    /// The refusal of a request without a good token.
    pub(crate) fn unauthorized(&self, cause: AuthCause, headers: &HeaderMap) -> Rejection {
        challenge::refuse(cause, self.issuer.as_ref(), headers)
    }

    /// The protected-resource metadata, if there is an issuer.
    pub(crate) fn metadata(&self, headers: &HeaderMap) -> Option<Value> {
        self.issuer.as_ref().and_then(|issuer| issuer.metadata(headers))
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str, AuthCause> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(AuthCause::Missing)?;
    let (scheme, token) =
        value.to_str().ok().and_then(|value| value.split_once(' ')).ok_or(AuthCause::Malformed)?;
    if !scheme.eq_ignore_ascii_case("bearer") || values.next().is_some() {
        return Err(AuthCause::Malformed);
    }
    Ok(token.trim())
}

/// The refusal of a request that came too fast.
pub(crate) fn rate_limited(early: TooFast) -> Rejection {
    let sentence = match early.limit {
        RateLimit::Principal => {
            "Too many requests of this principal. Wait as long as `Retry-After` says."
        }
        RateLimit::Address => {
            "Too many requests from this address. Wait as long as `Retry-After` says."
        }
    };
    let mut rejection = Rejection::new(Refusal::RateLimited, sentence).retry_after(early.wait);
    let data = json!({
        "code": Refusal::RateLimited.word(),
        "retry_after_ms": u64::try_from(early.wait.as_millis()).unwrap_or(u64::MAX).max(1),
    });
    rejection.error = rejection.error.with_data(&data);
    rejection
}

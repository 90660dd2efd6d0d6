//! Tokens that an issuer signed: JWT (RFC 7519) with HS256, RS256, ES256 or EdDSA.
//!
//! The algorithm must be one that the key is made for, so neither `none` nor a public key used
//! as a secret gets by. A token that was found good is remembered until it expires.

mod cache;
mod claims;
mod fetch;
mod keys;
mod source;
#[cfg(test)]
mod tests;

use super::{AuthError, policies::Policies, tokens::TokenDigest};
use crate::{call::Principal, config::JwtConfig};
use cache::Cache;
use claims::Claims;
use jsonwebtoken::{Validation, decode, decode_header, errors::ErrorKind};
use keys::{Key, KeySet};
use mcp_telemetry::{AuthCause, Telemetry};
use source::Source;
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

/// Longest token that is looked at, in bytes.
const LONGEST: usize = 16 << 10;

/// Checks tokens.
pub(super) struct Jwt {
    config: JwtConfig,
    source: Arc<Source>,
    /// Whether the source was there before, and is kept fresh already.
    is_kept: bool,
    rules: Validation,
    cache: Cache,
    leeway: Duration,
}

/// Why a token is not good.
#[derive(Debug, PartialEq, Eq)]
enum Bad {
    /// For good.
    Token(AuthCause),
    /// Its key is not known; it may be a new one.
    UnknownKey,
}

impl Jwt {
    /// Checks what this configuration asks for. Keys that an issuer publishes are kept from
    /// `before`, if it asks for the same; those of a file are read again.
    pub(super) fn new(config: &JwtConfig, before: Option<&Self>) -> Result<Self, AuthError> {
        let audience = config.audience.trim();
        if audience.is_empty() {
            return Err(AuthError::Audience);
        }
        let mut rules = Validation::default();
        rules.set_audience(&[audience]);
        rules.leeway = config.leeway.as_secs();
        rules.validate_nbf = true;
        match &config.issuer {
            None => rules.set_required_spec_claims(&["exp", "aud", "sub"]),
            Some(issuer) => {
                rules.set_issuer(&[issuer]);
                rules.set_required_spec_claims(&["exp", "aud", "sub", "iss"]);
            }
        }
        let kept = before.filter(|before| config.jwks_url.is_some() && before.config == *config);
        let source = match kept {
            Some(before) => Arc::clone(&before.source),
            None => Arc::new(Source::new(config)?),
        };
        // Who was remembered may have other tools now, so nobody is.
        let (cache, leeway, is_kept) = (Cache::default(), config.leeway, kept.is_some());
        Ok(Self { config: config.clone(), source, is_kept, rules, cache, leeway })
    }

    /// Whether a principal is one of an issuer's.
    pub(super) fn stands_for(principal: &Principal) -> bool {
        principal.name().starts_with(claims::PREFIX)
    }

    /// Whether a token looks like one of an issuer at all.
    pub(super) fn looks_like_one(token: &str) -> bool {
        token.bytes().filter(|byte| *byte == b'.').count() == 2
    }

    /// Keeps the keys fresh until this is dropped; `None` when they come from a file, or are
    /// kept fresh already.
    pub(super) fn refresh(&self, telemetry: Telemetry) -> Option<impl Future<Output = ()> + use<>> {
        if self.is_kept { None } else { self.source.refresh(telemetry) }
    }

    /// Who an already checked token stands for.
    pub(super) fn remembered(&self, digest: &TokenDigest) -> Option<Principal> {
        self.cache.find(digest, self.source.keys().generation, SystemTime::now())
    }

    /// Checks a token. A key that is not known is asked for once, then waited for a moment.
    pub(super) async fn check(
        &self,
        token: &str,
        digest: TokenDigest,
        policies: &Policies,
    ) -> Result<Principal, AuthCause> {
        let mut keys = self.source.keys();
        let mut checked = self.verify(token, &keys);
        if matches!(checked, Err(Bad::UnknownKey)) && self.source.ask_for_new().await {
            keys = self.source.keys();
            checked = self.verify(token, &keys);
        }
        let claims = checked.map_err(|bad| match bad {
            Bad::Token(cause) => cause,
            Bad::UnknownKey if keys.is_unknown() => AuthCause::NoKeys,
            Bad::UnknownKey => AuthCause::Wrong,
        })?;
        let until = claims.expires() + self.leeway;
        let principal = policies.principal(&claims.principal()).known_until(until);
        self.cache.keep(digest, &principal, keys.generation, until);
        Ok(principal)
    }

    fn verify(&self, token: &str, keys: &KeySet) -> Result<Claims, Bad> {
        const WRONG: Bad = Bad::Token(AuthCause::Wrong);
        if token.len() > LONGEST {
            return Err(WRONG);
        }
        // An algorithm that the library does not know, `none` among them, ends here.
        let header = decode_header(token).map_err(|_| WRONG)?;
        if header.crit.is_some() {
            // Whoever wrote it wants something of us that we do not know.
            return Err(WRONG);
        }
        if !keys.names(header.kid.as_deref()) {
            return Err(Bad::UnknownKey);
        }
        let mut worst = WRONG;
        for key in keys.fitting(header.kid.as_deref(), header.alg) {
            match self.verify_with(token, key, header.alg) {
                Ok(claims) => return Ok(claims),
                Err(AuthCause::Expired) => worst = Bad::Token(AuthCause::Expired),
                Err(_) => {}
            }
        }
        Err(worst)
    }

    fn verify_with(
        &self,
        token: &str,
        key: &Key,
        algorithm: jsonwebtoken::Algorithm,
    ) -> Result<Claims, AuthCause> {
        let mut rules = self.rules.clone();
        rules.algorithms = vec![algorithm];
        let decoded = decode::<Claims>(token, &key.key, &rules);
        let claims = decoded.map_err(|error| {
            let is_over = matches!(error.kind(), ErrorKind::ExpiredSignature);
            if is_over { AuthCause::Expired } else { AuthCause::Wrong }
        })?;
        Some(claims.claims).filter(Claims::has_subject).ok_or(AuthCause::Wrong)
    }
}

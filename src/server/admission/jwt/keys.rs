//! Keys that tokens are checked with, each with the algorithms it is made for.

use super::super::AuthError;
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::Value;

/// Most keys of one set that are used.
const MOST_KEYS: usize = 64;
/// Least length of a secret, in bytes (RFC 7518, section 3.2).
const SHORTEST_SECRET: usize = 32;
/// Least length of an RSA modulus, in bytes (RFC 7518, section 3.3).
const SHORTEST_MODULUS: usize = 256;

/// One key.
pub(super) struct Key {
    pub(super) key: DecodingKey,
    id: Option<String>,
    algorithm: Algorithm,
}

/// All keys, and how often they have changed: zero while none were ever known.
#[derive(Default)]
pub(super) struct KeySet {
    pub(super) generation: u64,
    keys: Vec<Key>,
}

/// The algorithms that are allowed at all.
#[derive(Debug, Clone)]
pub(super) struct Allowed(Vec<Algorithm>);

impl Allowed {
    pub(super) fn new(names: &[String]) -> Result<Self, AuthError> {
        let parse = |name: &String| match name.as_str() {
            "HS256" => Ok(Algorithm::HS256),
            "RS256" => Ok(Algorithm::RS256),
            "ES256" => Ok(Algorithm::ES256),
            "EdDSA" => Ok(Algorithm::EdDSA),
            _ => Err(AuthError::Algorithm(name.chars().take(32).collect())),
        };
        let all = [Algorithm::HS256, Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];
        let some: Vec<_> = names.iter().map(parse).collect::<Result<_, _>>()?;
        Ok(Self(if some.is_empty() { all.to_vec() } else { some }))
    }

    fn has(&self, algorithm: Algorithm) -> bool {
        self.0.contains(&algorithm)
    }
}

impl KeySet {
    /// Whether no keys were ever known.
    pub(super) fn is_unknown(&self) -> bool {
        self.generation == 0
    }

    /// Whether a key may be the one that a token names. Keys without a name may be any.
    pub(super) fn names(&self, id: Option<&str>) -> bool {
        self.keys.iter().any(|key| key.may_be(id))
    }

    /// The keys that may have made a token of that algorithm.
    pub(super) fn fitting<'a>(
        &'a self,
        id: Option<&'a str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &'a Key> {
        self.keys.iter().filter(move |key| key.may_be(id) && key.algorithm == algorithm)
    }

    pub(super) fn new(generation: u64, keys: Vec<Key>) -> Self {
        Self { generation, keys }
    }
}

impl Key {
    fn may_be(&self, id: Option<&str>) -> bool {
        match (&self.id, id) {
            (Some(own), Some(id)) => own == id,
            _ => true,
        }
    }
}

/// Reads a key set as an issuer publishes it. What cannot be used is left out: sets hold keys
/// for other purposes too.
pub(super) fn published(text: &[u8], allowed: &Allowed) -> Result<Vec<Key>, &'static str> {
    let not_secret = |key: &Key| key.algorithm != Algorithm::HS256;
    let keys: Vec<Key> = key_set(text, allowed)?.into_iter().filter(not_secret).collect();
    if keys.is_empty() { Err("it holds no key that can be used here") } else { Ok(keys) }
}

/// Reads a file of the operator's: a public key, a key set, or a secret.
pub(super) fn of_file(text: &[u8], allowed: &Allowed) -> Result<Vec<Key>, &'static str> {
    let trimmed = text.trim_ascii();
    let keys = if trimmed.starts_with(b"{") {
        key_set(trimmed, allowed)?
    } else if trimmed.starts_with(b"-----BEGIN") {
        vec![public_key(trimmed)?]
    } else if trimmed.len() >= SHORTEST_SECRET {
        vec![Key { key: DecodingKey::from_secret(trimmed), id: None, algorithm: Algorithm::HS256 }]
    } else {
        return Err("a secret must have at least 32 bytes");
    };
    let keys: Vec<Key> = keys.into_iter().filter(|key| allowed.has(key.algorithm)).collect();
    if keys.is_empty() {
        Err("it holds no key for the algorithms that `auth.jwt.algorithms` allows")
    } else {
        Ok(keys)
    }
}

fn public_key(pem: &[u8]) -> Result<Key, &'static str> {
    if pem.windows(11).any(|part| part == b"PRIVATE KEY") {
        return Err("it is a private key; give the public one");
    }
    let made = |key: DecodingKey, algorithm| Key { key, id: None, algorithm };
    let length = |key: &DecodingKey| key.try_get_as_bytes().map_or(0, <[u8]>::len);
    if let Ok(key) = DecodingKey::from_ed_pem(pem) {
        return Ok(made(key, Algorithm::EdDSA));
    }
    if let Ok(key) = DecodingKey::from_ec_pem(pem) {
        const UNCOMPRESSED_P256: usize = 65;
        let fits = length(&key) == UNCOMPRESSED_P256;
        return if fits { Ok(made(key, Algorithm::ES256)) } else { Err("its curve is not P-256") };
    }
    match DecodingKey::from_rsa_pem(pem) {
        Ok(key) if length(&key) > SHORTEST_MODULUS => Ok(made(key, Algorithm::RS256)),
        Ok(_) => Err("an RSA key must have at least 2048 bits"),
        Err(_) => Err("it is no public key of RSA, P-256 or Ed25519"),
    }
}

fn key_set(text: &[u8], allowed: &Allowed) -> Result<Vec<Key>, &'static str> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Value>,
    }
    let set: Set = serde_json::from_slice(text).map_err(|_| "it is no JSON with `keys`")?;
    let keys = set.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok());
    let keys = keys.filter_map(|key| of_set(&key)).filter(|key| allowed.has(key.algorithm));
    Ok(keys.take(MOST_KEYS).collect())
}

/// A key of a set; `None` when it is not made for signatures that are known here.
fn of_set(jwk: &Jwk) -> Option<Key> {
    let is_for_signing =
        jwk.common.public_key_use.as_ref().is_none_or(|used| *used == PublicKeyUse::Signature);
    let key = DecodingKey::from_jwk(jwk).ok()?;
    #[expect(clippy::wildcard_enum_match_arm, reason = "no other kind of key is known here")]
    let (algorithm, name, long_enough) = match &jwk.algorithm {
        AlgorithmParameters::RSA(rsa) => {
            // Base64 has four letters for three bytes.
            let is_long = rsa.n.trim_end_matches('=').len() * 3 / 4 >= SHORTEST_MODULUS;
            (Algorithm::RS256, KeyAlgorithm::RS256, is_long)
        }
        AlgorithmParameters::EllipticCurve(curve) => {
            (Algorithm::ES256, KeyAlgorithm::ES256, curve.curve == EllipticCurve::P256)
        }
        AlgorithmParameters::OctetKeyPair(curve) => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA, curve.curve == EllipticCurve::Ed25519)
        }
        AlgorithmParameters::OctetKey(_) => {
            let is_long = key.try_get_as_bytes().is_ok_and(|key| key.len() >= SHORTEST_SECRET);
            (Algorithm::HS256, KeyAlgorithm::HS256, is_long)
        }
        _ => return None,
    };
    let says_so = jwk.common.key_algorithm.is_none_or(|said| said == name);
    let id = jwk.common.key_id.clone();
    (is_for_signing && long_enough && says_so).then_some(Key { key, id, algorithm })
}

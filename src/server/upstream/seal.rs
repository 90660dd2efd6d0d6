//! Seals `requestState` (multi-round-trip requests, modern era): what an upstream gave comes
//! back from the client only for the same principal, upstream, request, and in time. The ids of
//! upstreams' tasks are sealed with it too (`relay`).
//!
//! XChaCha20-Poly1305; what the state is bound to is authenticated, not stored. The clock is
//! passed in.

use crate::call::Principal;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload as Sealed},
};
use mcp_protocol::RawValue;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// How long a sealed state is taken back at least.
pub(super) const LIFETIME: Duration = Duration::from_secs(3_600);
const NONCE_BYTES: usize = 24;
const EXPIRY_BYTES: usize = 8;

/// What a state belongs to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Binding<'a> {
    /// Whose request it was.
    pub(super) principal: &'a Principal,
    /// The upstream that gave it.
    pub(super) upstream: &'a str,
    /// The request's method.
    pub(super) method: &'a str,
    /// The name or URI it asked for.
    pub(super) target: &'a str,
    /// Its arguments.
    pub(super) arguments: Option<&'a RawValue>,
}

/// The key, and what is done with it.
pub(super) struct Sealer {
    cipher: XChaCha20Poly1305,
    lifetime_s: u64,
}

impl Sealer {
    /// A sealer with this key. What it seals is taken back for as long as a question may wait in a
    /// task, and for [`LIFETIME`] at least.
    pub(super) fn new(key: &[u8; 32], waits: Duration) -> Self {
        let lifetime_s = waits.max(LIFETIME).as_secs();
        Self { cipher: XChaCha20Poly1305::new(key.into()), lifetime_s }
    }

    /// Seals an upstream's state; `None` when the system gives no randomness.
    pub(super) fn seal(&self, state: &str, binding: &Binding<'_>, now_s: u64) -> Option<String> {
        self.seal_until(state, binding, now_s.saturating_add(self.lifetime_s))
    }

    /// The same with another end.
    pub(super) fn seal_until(
        &self,
        state: &str,
        binding: &Binding<'_>,
        end_s: u64,
    ) -> Option<String> {
        let mut nonce = [0_u8; NONCE_BYTES];
        getrandom::fill(&mut nonce).ok()?;
        let mut plain = end_s.to_be_bytes().to_vec();
        plain.extend_from_slice(state.as_bytes());
        let bound = binding.digest();
        let message = Sealed { msg: &plain, aad: &bound };
        let sealed = self.cipher.encrypt(XNonce::from_slice(&nonce), message).ok()?;
        Some(URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// The upstream's state again; `None` when it is not ours, not for this request, or too old.
    pub(super) fn open(&self, sealed: &str, binding: &Binding<'_>, now_s: u64) -> Option<String> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_BYTES)?;
        let bound = binding.digest();
        let message = Sealed { msg: sealed, aad: &bound };
        let plain = self.cipher.decrypt(XNonce::from_slice(nonce), message).ok()?;
        let (expiry, state) = plain.split_at_checked(EXPIRY_BYTES)?;
        let expiry = u64::from_be_bytes(expiry.try_into().ok()?);
        if now_s > expiry {
            return None;
        }
        String::from_utf8(state.to_vec()).ok()
    }
}

impl Binding<'_> {
    fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for part in [self.principal.name(), self.upstream, self.method, self.target] {
            text(&mut hash, part);
        }
        let arguments = self.arguments.and_then(|raw| serde_json::from_str(raw.get()).ok());
        canonical(&mut hash, &arguments.unwrap_or_else(|| serde_json::json!({})));
        hash.finalize().into()
    }
}

fn text(hash: &mut Sha256, text: &str) {
    hash.update((text.len() as u64).to_be_bytes());
    hash.update(text);
}

/// Feeds a value so that the order of keys and white space do not matter.
fn canonical(hash: &mut Sha256, value: &serde_json::Value) {
    match value {
        serde_json::Value::Object(map) => {
            hash.update(b"{");
            hash.update((map.len() as u64).to_be_bytes());
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            for (key, value) in entries {
                text(hash, key);
                canonical(hash, value);
            }
        }
        serde_json::Value::Array(items) => {
            hash.update(b"[");
            hash.update((items.len() as u64).to_be_bytes());
            items.iter().for_each(|item| canonical(hash, item));
        }
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::String(_) => {
            hash.update(b"=");
            text(hash, &value.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_protocol::raw;

    const NOW: u64 = 1_800_000_000;

    fn with<T>(
        principal: &str,
        arguments: &str,
        use_it: impl FnOnce(&Sealer, &Binding<'_>) -> T,
    ) -> T {
        let (principal, arguments) = (Principal::named(principal), raw(arguments).unwrap());
        let binding = Binding {
            principal: &principal,
            upstream: "u",
            method: "tools/call",
            target: "t",
            arguments: Some(&arguments),
        };
        use_it(&Sealer::new(&[7; 32], Duration::ZERO), &binding)
    }

    fn sealed() -> String {
        with("me", r#"{"a":1,"b":[true]}"#, |sealer, binding| {
            sealer.seal("round 1", binding, NOW).unwrap()
        })
    }

    fn opened(sealed: &str, principal: &str, arguments: &str, now: u64) -> Option<String> {
        with(principal, arguments, |sealer, binding| sealer.open(sealed, binding, now))
    }

    #[test]
    fn comes_back_for_the_same_request() {
        let sealed = sealed();
        assert!(!sealed.contains("round"));
        assert_eq!(opened(&sealed, "me", r#"{"a":1,"b":[true]}"#, NOW).as_deref(), Some("round 1"));
        assert_eq!(
            opened(&sealed, "me", r#"{ "b":[true], "a":1 }"#, NOW + LIFETIME.as_secs()).as_deref(),
            Some("round 1")
        );
    }

    #[test]
    fn not_for_another_principal_or_other_arguments() {
        assert_eq!(opened(&sealed(), "you", r#"{"a":1,"b":[true]}"#, NOW), None);
        assert_eq!(opened(&sealed(), "me", r#"{"a":2,"b":[true]}"#, NOW), None);
        assert_eq!(opened(&sealed(), "me", "{}", NOW), None);
    }

    #[test]
    fn not_for_another_upstream_method_or_target() {
        with("me", "{}", |sealer, binding| {
            let sealed = sealer.seal("s", binding, NOW).unwrap();
            for other in [
                Binding { upstream: "v", ..*binding },
                Binding { method: "prompts/get", ..*binding },
                Binding { target: "other", ..*binding },
            ] {
                assert_eq!(sealer.open(&sealed, &other, NOW), None);
            }
            assert_eq!(
                sealer.open(&sealed, &Binding { arguments: None, ..*binding }, NOW).as_deref(),
                Some("s")
            );
            assert_eq!(Sealer::new(&[8; 32], Duration::ZERO).open(&sealed, binding, NOW), None);
        });
    }

    #[test]
    fn not_when_expired() {
        assert_eq!(
            opened(&sealed(), "me", r#"{"a":1,"b":[true]}"#, NOW + LIFETIME.as_secs() + 1),
            None
        );
    }

    #[test]
    fn as_long_as_a_task_may_wait() {
        let day = Duration::from_secs(86_400);
        with("me", "{}", |_, binding| {
            let sealer = Sealer::new(&[7; 32], day);
            let sealed = sealer.seal("s", binding, NOW).unwrap();
            assert_eq!(sealer.open(&sealed, binding, NOW + day.as_secs()).as_deref(), Some("s"));
            assert_eq!(sealer.open(&sealed, binding, NOW + day.as_secs() + 1), None);
        });
    }

    #[test]
    fn not_when_tampered_with() {
        let sealed = sealed();
        for at in 0..sealed.len() {
            let mut bytes = sealed.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let tampered = String::from_utf8(bytes).unwrap();
            assert_eq!(opened(&tampered, "me", r#"{"a":1,"b":[true]}"#, NOW), None, "byte {at}");
        }
        for text in ["", "x", "tampered-state", &sealed[..sealed.len() - 1]] {
            assert_eq!(opened(text, "me", r#"{"a":1,"b":[true]}"#, NOW), None);
        }
    }
}

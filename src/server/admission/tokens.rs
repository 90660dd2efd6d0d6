//! Bearer tokens that the operator gave out. Only their digests are kept, and all of them are
//! compared, each in constant time.

use super::AuthError;
use crate::config::{AuthConfig, NamedToken};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The digest of a token.
pub(super) type TokenDigest = [u8; 32];

const LONGEST_NAME: usize = 64;
/// Names that stand for somebody else.
const TAKEN: [&str; 2] = ["token", "anonymous"];

/// The principals of the tokens, by digest.
#[derive(Debug, Default)]
pub(super) struct Tokens<P>(Vec<(TokenDigest, P)>);

pub(super) fn digest(token: &str) -> TokenDigest {
    Sha256::digest(token).into()
}

impl<P> Tokens<P> {
    /// Reads the tokens; `principal` makes one of a name.
    pub(super) fn new(auth: &AuthConfig, principal: impl Fn(&str) -> P) -> Result<Self, AuthError> {
        let own = auth.token.as_ref().map(|token| (digest(token.expose()), principal("token")));
        let mut tokens: Vec<(TokenDigest, P)> = own.into_iter().collect();
        for (at, entry) in auth.tokens.iter().enumerate() {
            check_name(&entry.name)?;
            if auth.tokens[..at].iter().any(|other| other.name == entry.name) {
                return Err(AuthError::TokenName(entry.name.clone(), "it stands there twice"));
            }
            let digest = digest_of(entry)?;
            if tokens.iter().any(|(other, _)| *other == digest) {
                return Err(AuthError::TokenTwice(entry.name.clone()));
            }
            tokens.push((digest, principal(&entry.name)));
        }
        Ok(Self(tokens))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All who have one.
    pub(super) fn principals(&self) -> impl Iterator<Item = &P> {
        self.0.iter().map(|(_, principal)| principal)
    }

    /// The digest of the token of the first such principal.
    pub(super) fn digest_of(&self, is_it: impl Fn(&P) -> bool) -> Option<TokenDigest> {
        self.0.iter().find(|(_, principal)| is_it(principal)).map(|(digest, _)| *digest)
    }

    /// Whose token it is. Takes as long for every token.
    pub(super) fn find(&self, token: &TokenDigest) -> Option<&P> {
        let mut found = None;
        for (digest, principal) in &self.0 {
            if bool::from(digest.ct_eq(token)) {
                found = Some(principal);
            }
        }
        found
    }
}

fn check_name(name: &str) -> Result<(), AuthError> {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'*');
    let why = if name.is_empty() || name.len() > LONGEST_NAME || !is_plain {
        "it must be 1 to 64 letters, digits and signs, without spaces and `*`"
    } else if TAKEN.contains(&name) || name.starts_with("jwt:") {
        "`token`, `anonymous` and `jwt:…` stand for other principals"
    } else {
        return Ok(());
    };
    Err(AuthError::TokenName(name.chars().take(LONGEST_NAME).collect(), why))
}

fn digest_of(entry: &NamedToken) -> Result<TokenDigest, AuthError> {
    let wrong = |why| Err(AuthError::Token(entry.name.clone(), why));
    match (&entry.token, &entry.sha256) {
        (Some(token), None) if sendable(token.expose()) => Ok(digest(token.expose())),
        (Some(_), None) => wrong("must be letters, digits and signs without spaces, at least one"),
        (None, Some(hex)) => match unhex(hex.expose()) {
            Some(digest) => Ok(digest),
            None => wrong("has a `sha256` that is not 64 hexadecimal digits"),
        },
        _ => wrong("needs either `token` or `sha256`"),
    }
}

fn sendable(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic())
}

fn unhex(text: &str) -> Option<TokenDigest> {
    let mut digest = [0; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, token: Option<&str>, sha256: Option<&str>) -> NamedToken {
        NamedToken {
            name: name.to_owned(),
            token: token.map(Into::into),
            sha256: sha256.map(Into::into),
        }
    }

    fn tokens(entries: Vec<NamedToken>) -> Result<Tokens<String>, AuthError> {
        let auth =
            AuthConfig { token: Some("first".into()), tokens: entries, ..AuthConfig::default() };
        Tokens::new(&auth, ToOwned::to_owned)
    }

    #[test]
    fn each_token_stands_for_its_principal() {
        let hashed = "2BB80D537B1DA3E38BD30361AA855686BDE0EACD7162FEF6A25FE97BF527A25B";
        let tokens =
            tokens(vec![named("ci", Some("second"), None), named("ops", None, Some(hashed))])
                .expect("right");
        for (token, name) in
            [("first", Some("token")), ("second", Some("ci")), ("secret", Some("ops")), ("x", None)]
        {
            assert_eq!(tokens.find(&digest(token)).map(String::as_str), name, "{token}");
        }
    }

    #[test]
    fn mistakes_are_named_and_no_token_is_shown() {
        let short = "abc123";
        for entries in [
            vec![named("", Some("hunter2"), None)],
            vec![named("token", Some("hunter2"), None)],
            vec![named("jwt:me", Some("hunter2"), None)],
            vec![named("a*", Some("hunter2"), None)],
            vec![named("a", Some("hunter2"), None), named("a", Some("hunter3"), None)],
            vec![named("a", Some("hunter2"), None), named("b", Some("hunter2"), None)],
            vec![named("a", Some("hunter2"), Some("hunter2"))],
            vec![named("a", Some("hunter2 hunter2"), None)],
            vec![named("a", None, Some(short))],
            vec![named("a", None, None)],
        ] {
            let error = tokens(entries).expect_err("wrong").to_string();
            assert!(!error.contains("hunter") && !error.contains(short), "{error}");
            assert!(error.contains("auth.tokens"), "{error}");
        }
    }
}

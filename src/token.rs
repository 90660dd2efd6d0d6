//! The token that clients send: given by the operator, or made once and kept in the data dir.
//! Beside it the key with which the server seals state that passes through clients.

use crate::{
    config::{self, TokenFrom, check_token},
    data_dir::DataDir,
    failure::Failure,
};
use mcp_client::Secret;
use std::{fmt::Write as _, path::PathBuf};

/// The name of its file in the data dir.
pub(crate) const TOKEN: &str = "token";
const STATE_KEY: &str = "state.key";

/// The token in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// The token itself.
    pub(crate) secret: Secret,
    /// The file that holds it, if it is not given in the configuration.
    pub(crate) file: Option<PathBuf>,
    /// It was made by us, so its owner has to be shown it.
    pub(crate) is_ours: bool,
}

/// Finds the token, and makes one if none is given. `None` when no token is asked for.
pub(crate) fn find(
    from: &TokenFrom,
    given: Option<&Secret>,
    dir: &mut DataDir,
) -> Result<Option<Token>, Failure> {
    let token = match (from, given) {
        (TokenFrom::None, _) => return Ok(None),
        (TokenFrom::Given(_), Some(secret)) => {
            Token { secret: secret.clone(), file: None, is_ours: false }
        }
        (TokenFrom::File(path), _) => {
            let text = config::read(path, "token file")?;
            let secret = Secret::from(text.trim());
            check_token(&secret).map_err(|why| {
                Failure::usage(format!(
                    "the token file {} does not fit: {}",
                    path.display(),
                    why.text()
                ))
            })?;
            Token { secret, file: Some(path.clone()), is_ours: false }
        }
        (TokenFrom::DataDir | TokenFrom::Given(_), _) => kept(dir)?,
    };
    Ok(Some(token))
}

fn kept(dir: &mut DataDir) -> Result<Token, Failure> {
    let bytes = dir.read_or_make(TOKEN, fresh()?.expose().as_bytes())?;
    let file = dir.file(TOKEN);
    let secret = Secret::from(String::from_utf8_lossy(&bytes).trim());
    check_token(&secret).map_err(|_| {
        Failure::run(format!(
            "{} holds no token; run `mcp-orchestrator token rotate` to make a new one",
            file.display()
        ))
    })?;
    Ok(Token { secret, file: Some(file), is_ours: true })
}

/// Puts a new token in place of the one in the data dir.
pub(crate) fn rotate(from: &TokenFrom, dir: &DataDir) -> Result<Token, Failure> {
    match from {
        TokenFrom::DataDir => {
            let secret = fresh()?;
            dir.replace(TOKEN, secret.expose().as_bytes())?;
            Ok(Token { secret, file: Some(dir.file(TOKEN)), is_ours: true })
        }
        TokenFrom::Given(place) => {
            Err(Failure::usage(format!("the token is given by {place}; change it there")))
        }
        TokenFrom::File(path) => Err(Failure::usage(format!(
            "the token is kept in {}, which is yours; change it there",
            path.display()
        ))),
        TokenFrom::None => Err(Failure::usage("no token is asked for, so there is none to rotate")),
    }
}

/// The key that seals state, made at the first start.
pub(crate) fn state_key(dir: &mut DataDir) -> Result<[u8; 32], Failure> {
    let bytes = dir.read_or_make(STATE_KEY, &random()?)?;
    bytes.try_into().map_err(|_| {
        Failure::run(format!(
            "{} is damaged; remove it, and a new one is made",
            dir.file(STATE_KEY).display()
        ))
    })
}

/// The command that tells a client where we are.
pub(crate) fn client_command(url: &str, token: &str) -> String {
    format!(
        "claude mcp add --transport http orchestrator {url} --header \"Authorization: Bearer {token}\""
    )
}

fn fresh() -> Result<Secret, Failure> {
    let mut text = String::with_capacity(64);
    for byte in random()? {
        // Writing to a String cannot fail.
        let _written = write!(text, "{byte:02x}");
    }
    Ok(Secret::from(text))
}

fn random() -> Result<[u8; 32], Failure> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::run(format!("the system gives no random bytes: {error}")))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn data_dir() -> (tempfile::TempDir, DataDir) {
        let scratch = tempfile::tempdir().expect("a directory");
        let dir = DataDir::open(Some(&scratch.path().join("data"))).expect("made");
        (scratch, dir)
    }

    #[test]
    fn a_token_is_made_once_and_stays_until_it_is_rotated() {
        let (_scratch, mut dir) = data_dir();
        let first = find(&TokenFrom::DataDir, None, &mut dir).expect("made").expect("a token");
        assert_eq!(first.secret.expose().len(), 64);
        let second = find(&TokenFrom::DataDir, None, &mut dir).expect("read").expect("a token");
        assert_eq!(first, second);
        let rotated = rotate(&TokenFrom::DataDir, &dir).expect("rotated");
        assert_ne!(rotated.secret, first.secret);
        let third = find(&TokenFrom::DataDir, None, &mut dir).expect("read").expect("a token");
        assert_eq!(rotated, third);
    }

    #[test]
    fn a_token_of_the_operator_is_used_and_never_rotated() {
        let (scratch, mut dir) = data_dir();
        let path = scratch.path().join("mine");
        fs::write(&path, "hunter2\n").expect("written");
        let from = TokenFrom::File(path.clone());
        let token = find(&from, None, &mut dir).expect("read").expect("a token");
        assert_eq!((token.secret.expose(), token.is_ours), ("hunter2", false));
        assert!(rotate(&from, &dir).is_err());
        assert!(!dir.file(TOKEN).exists(), "none is made beside it");
        for bad in ["", "two words", "\n"] {
            fs::write(&path, bad).expect("written");
            assert!(find(&from, None, &mut dir).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_state_key_stays() {
        let (_scratch, mut dir) = data_dir();
        let key = state_key(&mut dir).expect("made");
        assert_eq!(state_key(&mut dir).expect("read"), key);
        dir.replace(STATE_KEY, b"short").expect("written");
        assert!(state_key(&mut dir).is_err());
    }
}

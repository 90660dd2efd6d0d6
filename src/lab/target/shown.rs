//! Commands and URLs as they are shown: without what may be secret. What is hidden for nothing harms
//! nobody, so any doubt hides.

use reqwest::Url;

/// What stands for a secret wherever a command is shown.
const HIDDEN: &str = "***";
/// Words that speak of a secret wherever they are part of a name.
const SPEAK: [&str; 7] =
    ["token", "secret", "passw", "apikey", "authorization", "credential", "bearer"];
/// Words that do so only where they are a whole part of a name: `GITHUB_PAT`, not `path`.
const SPEAK_ALONE: [&str; 7] = ["key", "keys", "pat", "auth", "pass", "pwd", "cookie"];

/// A command with what looks like a secret left out.
pub(super) fn masked(words: &[String]) -> Vec<String> {
    let mut shown: Vec<String> = Vec::with_capacity(words.len());
    let mut hide_next = false;
    for word in words {
        // `--header 'Authorization: …'` says itself what it is.
        shown.push(if hide_next { HIDDEN.to_owned() } else { one(word) });
        hide_next = !hide_next && awaits_secret(word);
    }
    shown
}

/// A flag that speaks of a secret, which is the next word.
fn awaits_secret(word: &str) -> bool {
    word.starts_with('-') && !word.contains(['=', ':', ' ']) && speaks(word)
}

/// A word, which can be a command of its own as in `sh -c '…'`.
fn one(word: &str) -> String {
    let hidden = |key: &str| format!("{key}={HIDDEN}");
    // A URL, also behind a flag: `--upstream=https://…`.
    if let Some((before, rest)) = word.split_once("://")
        && !word.contains(char::is_whitespace)
    {
        let (key, scheme) = match before.rsplit_once('=') {
            Some((key, _)) if speaks(key) => return hidden(key),
            Some((key, scheme)) => (format!("{key}="), scheme),
            None => (String::new(), before),
        };
        return format!("{key}{}", without_secrets(scheme, rest));
    }
    if let Some((key, _)) = word.split_once(['=', ':']).filter(|(key, _)| !key.contains(' ')) {
        let value = &word[key.len() + 1..];
        return match speaks(key) {
            true => hidden(key),
            false => format!("{}{}", &word[..=key.len()], one(value)),
        };
    }
    if !word.contains(char::is_whitespace) {
        return word.to_owned();
    }
    match shlex::split(word) {
        Some(parts) => masked(&parts).join(" "),
        // It cannot be told where a secret ends.
        None => HIDDEN.to_owned(),
    }
}

/// Whether a flag or a name speaks of a secret.
fn speaks(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let mut parts = name.split(|letter: char| !letter.is_ascii_alphanumeric());
    let joined: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    SPEAK.iter().any(|word| joined.contains(word)) || parts.any(|part| SPEAK_ALONE.contains(&part))
}

/// A URL that may hold `{port}`, which no parser takes.
fn without_secrets(scheme: &str, rest: &str) -> String {
    let place = rest.split(['?', '#']).next().unwrap_or_default();
    let (host, path) = place.split_at(place.find('/').unwrap_or(place.len()));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

/// A URL without what may be secret.
pub(super) fn shown(mut url: Url) -> String {
    // Both fail only for URLs without a host, and those are refused.
    let _user = url.set_username("");
    let _password = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_without_its_secrets() {
        for (command, shown) in [
            ("s --token hunter2 plain", "s --token *** plain"),
            ("s --api-key=hunter2 API_TOKEN=hunter2", "s --api-key=*** API_TOKEN=***"),
            ("s https://me:hunter2@host/mcp?x=hunter2#y", "s https://host/mcp"),
            ("s --at=https://hunter2@host/a@b", "s --at=https://host/a@b"),
            ("s --token=https://host/hunter2", "s --token=***"),
            ("s '--header=Authorization: Bearer hunter2'", "s --header=Authorization=***"),
            ("s --header 'X-Api-Key: hunter2' -v", "s --header X-Api-Key=*** -v"),
            ("sh -c 'srv --token hunter2 --port {port}'", "sh -c srv --token *** --port {port}"),
            ("sh -c 'A_TOKEN=hunter2 exec srv'", "sh -c A_TOKEN=***"),
            ("s --key hunter2 --pat hunter2", "s --key *** --pat ***"),
            ("s --bearer hunter2 --auth hunter2", "s --bearer *** --auth ***"),
            ("env GITHUB_PAT=hunter2 s --path a/b", "env GITHUB_PAT=*** s --path a/b"),
            ("s --listen 127.0.0.1:{port} --no-cache", "s --listen 127.0.0.1:{port} --no-cache"),
            ("s http://127.0.0.1:{port}/mcp", "s http://127.0.0.1:{port}/mcp"),
        ] {
            let words = shlex::split(command).expect("words");
            assert_eq!(masked(&words).join(" "), shown, "{command}");
        }
    }
}

//! What a good token says: whose it is, and until when.

use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::{
    fmt::Write as _,
    time::{Duration, SystemTime},
};

/// Longest subject that is taken as it is, in bytes.
const LONGEST: usize = 128;
/// Letters that are kept of a subject that is not.
const KEPT: usize = 48;
/// What the names of all principals begin with that are known by such a token.
pub(super) const PREFIX: &str = "jwt:";
const SECONDS_OF_A_CENTURY: f64 = 3.2e9;

#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    sub: String,
    /// It may have a fraction.
    exp: f64,
}

impl Claims {
    pub(super) fn has_subject(&self) -> bool {
        !self.sub.is_empty()
    }

    /// When the token ends, at most a century from 1970 on top.
    pub(super) fn expires(&self) -> SystemTime {
        let seconds = self.exp.clamp(0.0, 2.0 * SECONDS_OF_A_CENTURY);
        SystemTime::UNIX_EPOCH + Duration::from_secs_f64(seconds)
    }

    /// The principal's name. Two subjects never get the same: one that is too long, or has
    /// letters that do not belong into a log line, is cut and told apart by its digest.
    pub(super) fn principal(&self) -> String {
        let is_plain = |letter: char| letter.is_ascii_graphic() && letter != '~';
        if self.sub.len() <= LONGEST && self.sub.chars().all(is_plain) {
            return format!("{PREFIX}{}", self.sub);
        }
        let kept: String = self.sub.chars().filter(|letter| is_plain(*letter)).take(KEPT).collect();
        let digest = Sha256::digest(&self.sub);
        let mut name = format!("{PREFIX}{kept}~");
        for byte in digest.iter().take(16) {
            // Writing to a String cannot fail.
            let _written = write!(name, "{byte:02x}");
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(sub: &str) -> String {
        Claims { sub: sub.to_owned(), exp: 0.0 }.principal()
    }

    #[test]
    fn names_are_short_and_clean_and_never_the_same() {
        assert_eq!(name("auth0|5f7c8ec7"), "jwt:auth0|5f7c8ec7");
        let long = "x".repeat(10_000);
        let odd = ["a b", "a\nb", "a\u{202e}b", "ab~", "ä", &long, &format!("{long}y")];
        let mut names: Vec<String> = odd.iter().map(|sub| name(sub)).collect();
        for name in &names {
            assert!(name.len() < 200 && name.chars().all(|letter| letter.is_ascii_graphic()));
        }
        // A subject cannot take the name that was made for another.
        names.push(name(names[0].trim_start_matches("jwt:")));
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count, "{names:?}");
    }
}

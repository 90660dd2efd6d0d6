//! Public names of upstream tools and prompts: prefix, collisions, what agents accept.
//!
//! Pure: the same candidates in the same order get the same names.

use sha2::{Digest, Sha256};
use std::{collections::HashMap, fmt::Write};

/// Longest name served. Agents add a prefix of their own and accept little more.
const LONGEST: usize = 64;
/// Hex digits of the hash that keeps shortened names apart.
const HASH_DIGITS: usize = 8;
/// Who keeps a name that is reserved.
const BUILTIN: &str = "builtin";

/// A tool or prompt that wants a name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate<'a> {
    /// The upstream that offers it.
    pub(super) upstream: &'a str,
    /// What that upstream calls it.
    pub(super) name: &'a str,
    /// Whether it wants the upstream's prefix.
    pub(super) prefix: bool,
}

/// What an operator should hear about a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Note {
    /// The bare name was taken.
    Conflict {
        /// The name both wanted.
        name: String,
        /// Who serves it.
        kept_by: String,
        /// What the loser is served as.
        renamed_to: String,
    },
    /// The name was too long or held characters that agents refuse.
    Shortened {
        /// The name it would have had.
        name: String,
        /// The name it has.
        to: String,
    },
}

/// Gives every candidate a public name; earlier candidates win, `reserved` wins over all.
pub(super) fn assign(
    candidates: &[Candidate<'_>],
    reserved: &[String],
) -> (Vec<String>, Vec<Note>) {
    let mut taken: HashMap<String, String> =
        reserved.iter().map(|name| (name.clone(), BUILTIN.to_owned())).collect();
    let mut notes = Vec::new();
    let names = candidates
        .iter()
        .map(|candidate| {
            let name = assign_one(candidate, &taken, &mut notes);
            taken.insert(name.clone(), candidate.upstream.to_owned());
            name
        })
        .collect();
    (names, notes)
}

fn assign_one(
    candidate: &Candidate<'_>,
    taken: &HashMap<String, String>,
    notes: &mut Vec<Note>,
) -> String {
    let prefixed = format!("{}__{}", candidate.upstream, candidate.name);
    let wanted = if candidate.prefix { &prefixed } else { candidate.name };
    let fitted = fit(wanted);
    if let Some(kept_by) = taken.get(&fitted) {
        let renamed_to = free_name(&prefixed, taken);
        notes.push(Note::Conflict {
            name: fitted,
            kept_by: kept_by.clone(),
            renamed_to: renamed_to.clone(),
        });
        return renamed_to;
    }
    if fitted != wanted {
        notes.push(Note::Shortened { name: wanted.to_owned(), to: fitted.clone() });
    }
    fitted
}

/// The prefixed name, or the first of its hashed forms that nobody has.
fn free_name(prefixed: &str, taken: &HashMap<String, String>) -> String {
    let hashed = (0_u32..).map(|round| with_hash(prefixed, &format!("{prefixed}\0{round}")));
    std::iter::once(fit(prefixed))
        .chain(hashed)
        .find(|name| !taken.contains_key(name))
        .unwrap_or_default()
}

/// The name itself if agents accept it, else cleaned, shortened, and kept apart by a hash.
fn fit(name: &str) -> String {
    let accepted = !name.is_empty() && name.len() <= LONGEST && name.chars().all(is_accepted);
    if accepted { name.to_owned() } else { with_hash(name, name) }
}

fn with_hash(name: &str, hashed: &str) -> String {
    let mut out: String = name
        .chars()
        .take(LONGEST - HASH_DIGITS - 1)
        .map(|letter| if is_accepted(letter) { letter } else { '_' })
        .collect();
    out.push('_');
    for byte in &Sha256::digest(hashed.as_bytes())[..HASH_DIGITS / 2] {
        // Writing to a String cannot fail.
        let _infallible = write!(out, "{byte:02x}");
    }
    out
}

fn is_accepted(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_' || letter == '-'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate<'a>(upstream: &'a str, name: &'a str, prefix: bool) -> Candidate<'a> {
        Candidate { upstream, name, prefix }
    }

    #[test]
    fn prefixes_by_default() {
        let (names, notes) = assign(&[candidate("files", "read", true)], &[]);
        assert_eq!(names, ["files__read"]);
        assert!(notes.is_empty());
    }

    #[test]
    fn builtins_win_then_the_order_of_the_configuration() {
        let candidates = [
            candidate("a", "echo", false),
            candidate("a", "get", false),
            candidate("b", "get", false),
        ];
        let (names, notes) = assign(&candidates, &["echo".to_owned()]);
        assert_eq!(names, ["a__echo", "get", "b__get"]);
        let conflict = |name: &str, kept_by: &str, renamed_to: &str| Note::Conflict {
            name: name.to_owned(),
            kept_by: kept_by.to_owned(),
            renamed_to: renamed_to.to_owned(),
        };
        assert_eq!(notes, [conflict("echo", "builtin", "a__echo"), conflict("get", "a", "b__get")]);
    }

    #[test]
    fn two_losers_never_share_a_name() {
        let candidates =
            [candidate("x", "a__b", false), candidate("a", "b", true), candidate("a", "b", true)];
        let (names, _notes) = assign(&candidates, &[]);
        assert_eq!(names[0], "a__b");
        assert_ne!(names[1], names[0]);
        assert_ne!(names[2], names[0]);
        assert_ne!(names[2], names[1]);
    }

    #[test]
    fn long_and_odd_names_are_shortened_the_same_way_every_time() {
        let long = "l".repeat(80);
        let candidates = [candidate("u", &long, true), candidate("u", "a/b.c", true)];
        let (names, notes) = assign(&candidates, &[]);
        assert_eq!(names, assign(&candidates, &[]).0);
        assert!(names.iter().all(|name| name.len() <= 64 && name.chars().all(is_accepted)));
        assert!(names[1].starts_with("u__a_b_c_"));
        assert_eq!(notes.len(), 2);
    }

    #[test]
    fn names_that_differ_only_where_they_are_cut_stay_apart() {
        let (one, two) = (format!("{}1", "l".repeat(80)), format!("{}2", "l".repeat(80)));
        let (names, _notes) =
            assign(&[candidate("u", &one, false), candidate("u", &two, false)], &[]);
        assert_ne!(names[0], names[1]);
    }
}

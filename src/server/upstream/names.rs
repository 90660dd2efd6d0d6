//! Public names of upstream tools and prompts: prefix, collisions, what agents accept.
//!
//! Pure: the same candidates in the same order get the same names.

use sha2::{Digest, Sha256};
use std::{collections::HashMap, fmt::Write};

/// Longest name served. Agents add a prefix of their own and accept little more.
const LONGEST: usize = 64;
/// Stands between an upstream's name and that of its tool.
const SEPARATOR: &str = "__";
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
    /// The name it was given before, if it was.
    pub(super) given: Option<&'a str>,
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

/// Gives every candidate a public name. Who was given one keeps it; of the others earlier ones
/// win. What is taken already, and by whom, wins over all.
pub(super) fn assign(
    candidates: &[Candidate<'_>],
    mut taken: HashMap<String, String>,
) -> (Vec<String>, Vec<Note>) {
    let mut notes = Vec::new();
    let kept: Vec<Option<String>> =
        candidates.iter().map(|candidate| keep(candidate, &mut taken)).collect();
    let names = candidates
        .iter()
        .zip(kept)
        .map(|(candidate, kept)| {
            let name = kept.unwrap_or_else(|| choose(candidate, &taken));
            notes.extend(note(candidate, &name, &taken));
            taken.entry(name.clone()).or_insert_with(|| candidate.upstream.to_owned());
            name
        })
        .collect();
    (names, notes)
}

/// The names of our own tools, as taken ones.
pub(super) fn reserved(names: &[String]) -> HashMap<String, String> {
    names.iter().map(|name| (name.clone(), BUILTIN.to_owned())).collect()
}

/// The name it was given before, if that is free.
fn keep(candidate: &Candidate<'_>, taken: &mut HashMap<String, String>) -> Option<String> {
    let given = candidate.given.filter(|given| !taken.contains_key(*given))?;
    taken.insert(given.to_owned(), candidate.upstream.to_owned());
    Some(given.to_owned())
}

fn choose(candidate: &Candidate<'_>, taken: &HashMap<String, String>) -> String {
    let fitted = fit(&wanted(candidate));
    if taken.contains_key(&fitted) { free_name(&prefixed(candidate), taken) } else { fitted }
}

/// What there is to say of a name that is not the one it wanted.
fn note(candidate: &Candidate<'_>, name: &str, taken: &HashMap<String, String>) -> Option<Note> {
    let wanted = wanted(candidate);
    let fitted = fit(&wanted);
    if name != fitted {
        let (kept_by, renamed_to) = (taken.get(&fitted).cloned()?, name.to_owned());
        return Some(Note::Conflict { name: fitted, kept_by, renamed_to });
    }
    (fitted != wanted).then_some(Note::Shortened { name: wanted, to: fitted })
}

fn wanted(candidate: &Candidate<'_>) -> String {
    if candidate.prefix { prefixed(candidate) } else { candidate.name.to_owned() }
}

fn prefixed(candidate: &Candidate<'_>) -> String {
    format!("{}{SEPARATOR}{}", candidate.upstream, candidate.name)
}

/// Whether a name has the prefix of that upstream.
pub(super) fn has_prefix(name: &str, upstream: &str) -> bool {
    name.strip_prefix(upstream).is_some_and(|rest| rest.starts_with(SEPARATOR))
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
        Candidate { upstream, name, prefix, given: None }
    }

    #[test]
    fn prefixes_by_default() {
        let (names, notes) = assign(&[candidate("files", "read", true)], reserved(&[]));
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
        let (names, notes) = assign(&candidates, reserved(&["echo".to_owned()]));
        assert_eq!(names, ["a__echo", "get", "b__get"]);
        let conflict = |name: &str, kept_by: &str, renamed_to: &str| Note::Conflict {
            name: name.to_owned(),
            kept_by: kept_by.to_owned(),
            renamed_to: renamed_to.to_owned(),
        };
        assert_eq!(notes, [conflict("echo", "builtin", "a__echo"), conflict("get", "a", "b__get")]);
    }

    #[test]
    fn who_has_a_name_keeps_it_unless_it_is_taken() {
        let given =
            |upstream, given| Candidate { given: Some(given), ..candidate(upstream, "get", false) };
        let candidates = [candidate("a", "get", false), given("b", "get"), given("c", "echo")];
        let (names, notes) = assign(&candidates, reserved(&["echo".to_owned()]));
        assert_eq!(names, ["a__get", "get", "c__get"]);
        assert!(matches!(&notes[0], Note::Conflict { kept_by, .. } if kept_by == "b"));
    }

    #[test]
    fn two_losers_never_share_a_name() {
        let candidates =
            [candidate("x", "a__b", false), candidate("a", "b", true), candidate("a", "b", true)];
        let (names, _notes) = assign(&candidates, reserved(&[]));
        assert_eq!(names[0], "a__b");
        assert_ne!(names[1], names[0]);
        assert_ne!(names[2], names[0]);
        assert_ne!(names[2], names[1]);
    }

    #[test]
    fn long_and_odd_names_are_shortened_the_same_way_every_time() {
        let long = "l".repeat(80);
        let candidates = [candidate("u", &long, true), candidate("u", "a/b.c", true)];
        let (names, notes) = assign(&candidates, reserved(&[]));
        assert_eq!(names, assign(&candidates, reserved(&[])).0);
        assert!(names.iter().all(|name| name.len() <= 64 && name.chars().all(is_accepted)));
        assert!(names[1].starts_with("u__a_b_c_"));
        assert_eq!(notes.len(), 2);
    }

    #[test]
    fn names_that_differ_only_where_they_are_cut_stay_apart() {
        let (one, two) = (format!("{}1", "l".repeat(80)), format!("{}2", "l".repeat(80)));
        let (names, _notes) =
            assign(&[candidate("u", &one, false), candidate("u", &two, false)], reserved(&[]));
        assert_ne!(names[0], names[1]);
    }
}

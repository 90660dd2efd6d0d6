//! Words in braces, such as `{npm}`, and what stands in their place.

use super::TargetsError;
use std::collections::BTreeMap;

/// The lab fills it in itself, when it has a port.
const LEFT_ALONE: &str = "port";
/// Most words inside one another.
const DEEPEST: usize = 8;

/// What stands in the place of words; it may hold words itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Words(BTreeMap<String, String>);

impl Words {
    pub(super) fn new(words: &BTreeMap<String, String>) -> Self {
        Self(words.clone())
    }

    pub(super) fn set(&mut self, word: &str, text: &str) {
        self.0.insert(word.to_owned(), text.to_owned());
    }

    /// A text with every word replaced. A brace that holds no word stays.
    pub(super) fn fill(&self, text: &str) -> Result<String, TargetsError> {
        self.filled(text, DEEPEST)
    }

    fn filled(&self, text: &str, deepest: usize) -> Result<String, TargetsError> {
        let (mut filled, mut rest) = (String::new(), text);
        while let Some(open) = rest.find('{') {
            filled.push_str(&rest[..open]);
            rest = &rest[open..];
            let word = rest[1..].split('}').next().filter(|word| is_word(word));
            let Some(word) = word.filter(|word| *word != LEFT_ALONE) else {
                filled.push('{');
                rest = &rest[1..];
                continue;
            };
            let text = self.0.get(word).ok_or_else(|| TargetsError::Unknown(word.to_owned()))?;
            if deepest == 0 {
                return Err(TargetsError::Wrong(format!("{{{word}}} is made of itself")));
            }
            filled.push_str(&self.filled(text, deepest - 1)?);
            rest = &rest[word.len() + 2..];
        }
        filled.push_str(rest);
        Ok(filled)
    }
}

fn is_word(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(pairs: &[(&str, &str)]) -> Words {
        let owned = |(word, text): &(&str, &str)| ((*word).to_owned(), (*text).to_owned());
        Words::new(&pairs.iter().map(owned).collect())
    }

    #[test]
    fn words_may_be_made_of_others_and_the_port_is_left_alone() {
        let words = words(&[("npm", "/opt/npm"), ("bin", "{npm}/bin")]);
        let filled = words.fill("{bin}/proxy --port {port} '{\"a\": {}}'").expect("known");
        assert_eq!(filled, "/opt/npm/bin/proxy --port {port} '{\"a\": {}}'");
    }

    #[test]
    fn what_is_not_known_or_never_ends_is_an_error() {
        let unknown = words(&[]).fill("{nmp}/x");
        assert!(matches!(unknown, Err(TargetsError::Unknown(word)) if word == "nmp"));
        assert!(words(&[("a", "{b}x"), ("b", "{a}")]).fill("{a}").is_err());
    }
}

//! Chance that comes out the same again.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Mutex,
};

/// From 0 to 99, the same for the same seed and subject.
pub fn dice(seed: u64, subject: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    (seed, subject).hash(&mut hasher);
    hasher.finish() % 100
}

/// What is thrown for the `key-NUMBER` in a text; nothing for a text without one, and for a key that
/// was thrown for before.
pub fn once_for_each_key(seed: u64) -> impl Fn(&str) -> Option<u64> + Send + Sync {
    let thrown = Mutex::new(HashSet::new());
    move |text| {
        let key = text.split("key-").nth(1)?;
        let digits: String = key.chars().take_while(char::is_ascii_digit).collect();
        thrown.lock().expect("no panic").insert(digits.clone()).then(|| dice(seed, &digits))
    }
}

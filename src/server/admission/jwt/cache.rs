//! Tokens that were found good, by digest, so that a signature is checked once and not with
//! every request. Bounded: what was not asked for of late is forgotten.

use super::TokenDigest;
use crate::call::Principal;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

/// Most tokens in one half.
const MOST: usize = 5_000;

#[derive(Clone)]
struct Known {
    principal: Principal,
    /// The key set that it was checked with.
    generation: u64,
    until: SystemTime,
}

/// The tokens asked for of late, and those of the time before.
#[derive(Default)]
struct Halves {
    young: HashMap<TokenDigest, Known>,
    old: HashMap<TokenDigest, Known>,
}

#[derive(Default)]
pub(super) struct Cache(Mutex<Halves>);

impl Cache {
    /// Who a token stands for, if it was checked with these keys and has not expired.
    pub(super) fn find(
        &self,
        digest: &TokenDigest,
        generation: u64,
        now: SystemTime,
    ) -> Option<Principal> {
        let mut halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_good = |known: &&Known| known.generation == generation && now < known.until;
        if let Some(known) = halves.young.get(digest) {
            return Some(known).filter(is_good).map(|known| known.principal.clone());
        }
        let known = halves.old.remove(digest)?;
        let principal = Some(&known).filter(is_good).map(|known| known.principal.clone())?;
        halves.put(*digest, known);
        Some(principal)
    }

    pub(super) fn keep(
        &self,
        digest: TokenDigest,
        principal: &Principal,
        generation: u64,
        until: SystemTime,
    ) {
        let known = Known { principal: principal.clone(), generation, until };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).put(digest, known);
    }
}

impl Halves {
    fn put(&mut self, digest: TokenDigest, known: Known) {
        if self.young.len() >= MOST {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(digest, known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn digest(number: usize) -> TokenDigest {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_be_bytes());
        digest
    }

    #[test]
    fn a_token_is_known_until_it_expires_or_the_keys_change() {
        let (cache, now) = (Cache::default(), SystemTime::UNIX_EPOCH);
        let principal = Principal::named("jwt:me");
        cache.keep(digest(1), &principal, 1, now + Duration::from_secs(10));
        assert_eq!(cache.find(&digest(1), 1, now), Some(principal));
        assert_eq!(cache.find(&digest(1), 2, now), None, "other keys");
        assert_eq!(cache.find(&digest(1), 1, now + Duration::from_secs(10)), None, "expired");
        assert_eq!(cache.find(&digest(2), 1, now), None);
    }

    #[test]
    fn many_tokens_take_bounded_room_and_those_in_use_stay() {
        let (cache, now) = (Cache::default(), SystemTime::UNIX_EPOCH);
        let principal = Principal::named("jwt:me");
        for number in 0..10 * MOST {
            cache.keep(digest(number), &principal, 1, now + Duration::from_secs(10));
            assert!(cache.find(&digest(0), 1, now).is_some(), "in use: {number}");
        }
        let halves = cache.0.lock().expect("not poisoned");
        assert!(halves.young.len() <= MOST && halves.old.len() <= MOST);
    }
}

//! Who may look at the page: whoever shows a token, or comes by the link that was given out, gets
//! a cookie that stands for that token while it is good. Keys, cookies and tokens are kept as
//! digests, in memory alone: a restart ends them, and so does a token that is taken away.

use super::tokens::{TokenDigest, digest};
use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use subtle::ConstantTimeEq;
use tokio::time::Instant;
use uuid::Uuid;

/// Most cookies at once; a new one makes the oldest worthless.
const MOST: usize = 64;
/// How long a cookie is good for.
pub(crate) const GOOD_FOR: Duration = Duration::from_secs(12 * 3600);

/// What a visitor came in with: the digest of its token, or nothing where none is asked for.
pub(crate) type Pass = Option<TokenDigest>;

#[derive(Default)]
struct Inner {
    /// The key of the link that nobody has used yet.
    key: Option<TokenDigest>,
    cookies: VecDeque<(TokenDigest, Instant, Pass)>,
}

/// Who may look at the page.
#[derive(Default)]
pub(crate) struct Visitors(Mutex<Inner>);

impl Visitors {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A key that lets one visitor in, once. The key before it is worthless.
    pub(crate) fn new_key(&self) -> String {
        let key = secret();
        self.lock().key = Some(digest(&key));
        key
    }

    /// Takes a key; whether it was good.
    pub(crate) fn take(&self, key: &str) -> bool {
        let mut inner = self.lock();
        let is_good = inner.key.is_some_and(|good| bool::from(good.ct_eq(&digest(key))));
        if is_good {
            inner.key = None;
        }
        is_good
    }

    /// A cookie for whoever came in with that.
    pub(crate) fn welcome(&self, pass: Pass) -> String {
        let cookie = secret();
        let mut inner = self.lock();
        if inner.cookies.len() == MOST {
            inner.cookies.pop_front();
        }
        let until = Instant::now() + GOOD_FOR;
        inner.cookies.push_back((digest(&cookie), until, pass));
        cookie
    }

    /// What the owner of a cookie came in with, while it is good.
    pub(crate) fn pass(&self, cookie: &str) -> Option<Pass> {
        let (shown, now) = (digest(cookie), Instant::now());
        let mut inner = self.lock();
        inner.cookies.retain(|(_, until, _)| *until > now);
        let found = inner.cookies.iter().find(|(good, ..)| bool::from(good.ct_eq(&shown)));
        found.map(|(.., pass)| *pass)
    }
}

/// 244 bits that nobody can guess.
fn secret() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_key_is_good_once_and_a_cookie_for_half_a_day() {
        let visitors = Visitors::default();
        let (old, key) = (visitors.new_key(), visitors.new_key());
        assert!(!visitors.take(&old) && !visitors.take("") && visitors.take(&key));
        assert!(!visitors.take(&key), "it was used");
        let pass = Some(digest("a token"));
        let cookie = visitors.welcome(pass);
        assert_eq!(visitors.pass(&cookie), Some(pass));
        assert_eq!(visitors.pass(&key), None);
        tokio::time::advance(GOOD_FOR).await;
        assert_eq!(visitors.pass(&cookie), None);
    }

    #[tokio::test]
    async fn cookies_are_bounded() {
        let visitors = Visitors::default();
        let first = visitors.welcome(None);
        for _ in 0..MOST {
            visitors.welcome(None);
        }
        assert_eq!(visitors.pass(&first), None);
        assert_eq!(visitors.lock().cookies.len(), MOST);
    }
}

//! The resources that downstream clients want to hear of, at one upstream in one era.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::watch;

/// Most resources subscribed to at one upstream in one era.
const MOST_URIS: usize = 10_000;

/// Who wants to hear of a resource.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Subscriber {
    /// A legacy session.
    Session(Arc<str>),
    /// A modern `subscriptions/listen`.
    Listen(u64),
}

/// Subscribers by URI.
#[derive(Default)]
pub(super) struct Wanted {
    uris: Mutex<BTreeMap<Arc<str>, HashSet<Subscriber>>>,
    version: watch::Sender<u64>,
    in_force: watch::Sender<u64>,
}

/// The bound is reached.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooMany;

impl Wanted {
    /// Adds a subscriber; whether it is the first of this resource.
    pub(super) fn add(&self, uri: &str, subscriber: Subscriber) -> Result<bool, TooMany> {
        let first = {
            let mut uris = self.uris.lock().unwrap_or_else(PoisonError::into_inner);
            if uris.len() >= MOST_URIS && !uris.contains_key(uri) {
                return Err(TooMany);
            }
            let subscribers = uris.entry(uri.into()).or_default();
            subscribers.insert(subscriber);
            subscribers.len() == 1
        };
        if first {
            self.changed();
        }
        Ok(first)
    }

    /// Takes a subscriber of one resource out; whether that leaves none.
    pub(super) fn remove(&self, uri: &str, subscriber: &Subscriber) -> bool {
        self.take_out(subscriber, |candidate| candidate == uri).pop().is_some()
    }

    /// Takes a subscriber out everywhere; the resources that nobody wants any more.
    pub(super) fn remove_all(&self, subscriber: &Subscriber) -> Vec<Arc<str>> {
        self.take_out(subscriber, |_| true)
    }

    /// Wants all that is wanted there.
    pub(super) fn take_over(&self, before: &Self) {
        let uris = before.uris.lock().unwrap_or_else(PoisonError::into_inner).clone();
        *self.uris.lock().unwrap_or_else(PoisonError::into_inner) = uris;
        self.changed();
    }

    /// Wants also all that is wanted there.
    pub(super) fn absorb(&self, other: &Self) {
        let theirs =
            std::mem::take(&mut *other.uris.lock().unwrap_or_else(PoisonError::into_inner));
        if theirs.is_empty() {
            return;
        }
        {
            let mut uris = self.uris.lock().unwrap_or_else(PoisonError::into_inner);
            for (uri, subscribers) in theirs {
                uris.entry(uri).or_default().extend(subscribers);
            }
        }
        self.changed();
    }

    /// All resources wanted.
    pub(super) fn uris(&self) -> Vec<Arc<str>> {
        self.uris.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// All resources that a subscriber wants.
    pub(super) fn uris_of(&self, subscriber: &Subscriber) -> Vec<Arc<str>> {
        let uris = self.uris.lock().unwrap_or_else(PoisonError::into_inner);
        uris.iter()
            .filter(|(_, who)| who.contains(subscriber))
            .map(|(uri, _)| uri.clone())
            .collect()
    }

    /// Tells when the set of resources changes.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// What was wanted as of `version` is in force at the upstream, or never will be.
    pub(super) fn in_force(&self, version: u64) {
        self.in_force.send_modify(|known| *known = version.max(*known));
    }

    /// Waits until what is wanted now is in force.
    pub(super) async fn until_in_force(&self) {
        let version = *self.version.borrow();
        let mut in_force = self.in_force.subscribe();
        // Fails only when the sender is gone, and it lives here.
        let _known = in_force.wait_for(|known| *known >= version).await;
    }

    fn take_out(&self, subscriber: &Subscriber, of: impl Fn(&str) -> bool) -> Vec<Arc<str>> {
        let mut free = Vec::new();
        {
            let mut uris = self.uris.lock().unwrap_or_else(PoisonError::into_inner);
            uris.retain(|uri, subscribers| {
                let last = of(uri) && subscribers.remove(subscriber) && subscribers.is_empty();
                if last {
                    free.push(uri.clone());
                }
                !last
            });
        }
        if !free.is_empty() {
            self.changed();
        }
        free
    }

    fn changed(&self) {
        self.version.send_modify(|version| *version += 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_comes_and_the_last_goes() {
        let wanted = Wanted::default();
        let (session, listen) = (Subscriber::Session("s".into()), Subscriber::Listen(1));
        assert_eq!(wanted.add("x://1", session.clone()), Ok(true));
        assert_eq!(wanted.add("x://1", listen.clone()), Ok(false));
        assert_eq!(wanted.add("x://2", listen.clone()), Ok(true));
        assert!(!wanted.remove("x://1", &session));
        assert!(!wanted.remove("x://1", &session));
        assert_eq!(wanted.remove_all(&listen), ["x://1".into(), "x://2".into()] as [Arc<str>; 2]);
        assert!(wanted.uris().is_empty());
    }

    #[test]
    fn what_is_wanted_moves_to_where_it_can_be_had() {
        let (here, there) = (Wanted::default(), Wanted::default());
        assert_eq!(here.add("x://1", Subscriber::Listen(1)), Ok(true));
        assert_eq!(there.add("x://1", Subscriber::Listen(2)), Ok(true));
        assert_eq!(there.add("x://2", Subscriber::Listen(2)), Ok(true));
        here.absorb(&there);
        assert!(there.uris().is_empty());
        assert_eq!(here.uris(), ["x://1".into(), "x://2".into()] as [Arc<str>; 2]);
        assert!(!here.remove("x://1", &Subscriber::Listen(1)), "the other one still wants it");
    }

    #[test]
    fn bounded() {
        let wanted = Wanted::default();
        for at in 0..MOST_URIS {
            assert!(wanted.add(&at.to_string(), Subscriber::Listen(1)).is_ok());
        }
        assert_eq!(wanted.add("one more", Subscriber::Listen(1)), Err(TooMany));
        assert_eq!(wanted.add("1", Subscriber::Listen(2)), Ok(false));
    }
}

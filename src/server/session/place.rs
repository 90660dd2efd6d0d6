//! How many streams are open, of all clients.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// The places that streams take.
#[derive(Debug, Clone, Default)]
pub(crate) struct StreamPlaces(Arc<AtomicUsize>);

/// An open stream's place; free again when dropped.
#[derive(Debug)]
pub(crate) struct StreamPlace(Arc<AtomicUsize>);

impl Drop for StreamPlace {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl StreamPlaces {
    /// A place for the stream of a call that has begun: it must be able to say how it ends.
    pub(crate) fn take(&self) -> StreamPlace {
        self.0.fetch_add(1, Ordering::Relaxed);
        StreamPlace(Arc::clone(&self.0))
    }

    /// A place, unless `most` are taken.
    pub(crate) fn take_below(&self, most: usize) -> Option<StreamPlace> {
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| {
            (open < most).then_some(open + 1)
        });
        taken.ok().map(|_| StreamPlace(Arc::clone(&self.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_always_finds_a_place_and_others_only_below_the_bound() {
        let places = StreamPlaces::default();
        let first = places.take_below(2).expect("room");
        let call = places.take();
        assert!(places.take_below(2).is_none());
        let _beyond = places.take();
        drop(first);
        assert!(places.take_below(2).is_none());
        drop(call);
        assert!(places.take_below(2).is_some());
    }
}

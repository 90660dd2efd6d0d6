//! The limits in force. They are read anew at each use, so that a reload changes them for all
//! that comes after it.

use super::Limits;
use arc_swap::{ArcSwap, Guard};
use std::sync::Arc;

/// The limits in force, shared by all who look at them.
#[derive(Clone)]
pub(crate) struct LiveLimits(Arc<ArcSwap<Limits>>);

impl LiveLimits {
    pub(crate) fn new(limits: Limits) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(limits)))
    }

    /// As they are now. Not to be held over an `await`.
    pub(crate) fn now(&self) -> Guard<Arc<Limits>> {
        self.0.load()
    }

    /// Puts others in force.
    pub(crate) fn set(&self, limits: Limits) {
        self.0.store(Arc::new(limits));
    }
}

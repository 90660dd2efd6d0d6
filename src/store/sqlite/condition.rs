//! Whether the store works, and who is told of it.

use super::failure::Result;
use crate::{Health, StoreError};
use mcp_telemetry::{Event, StoreEvent, StoreOperation, Telemetry};
use std::{
    sync::{Mutex, PoisonError, atomic::AtomicU64},
    time::Duration,
};

/// Whether writing works, and what was lost.
#[derive(Debug)]
pub(super) struct Condition {
    telemetry: Telemetry,
    failing: Mutex<Option<StoreError>>,
    /// Stored events dropped before they expired.
    pub(super) events_dropped: AtomicU64,
}

impl Condition {
    pub(super) fn new(telemetry: &Telemetry) -> Self {
        Self {
            telemetry: telemetry.clone(),
            failing: Mutex::default(),
            events_dropped: AtomicU64::new(0),
        }
    }

    pub(super) fn health(&self) -> Health {
        let failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        failing.clone().map_or(Health::Ok, Health::Degraded)
    }

    pub(super) fn done(&self, operation: StoreOperation, elapsed: Duration) {
        self.telemetry.emit(&Event::Store(StoreEvent::Done { operation, elapsed }));
    }

    /// Says what was found out.
    pub(super) fn tell(&self, event: StoreEvent<'_>) {
        self.telemetry.emit(&Event::Store(event));
    }

    /// Counts a failure that says nothing about writing in general.
    pub(super) fn failed(&self, operation: StoreOperation, error: &StoreError) {
        let error = error.to_string();
        self.telemetry.emit(&Event::Store(StoreEvent::Failed { operation, error: &error }));
    }

    /// Writing failed: the store is degraded until it works.
    pub(super) fn degraded(&self, operation: StoreOperation, error: &StoreError) {
        self.failed(operation, error);
        *self.failing.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
    }

    /// Writing worked.
    pub(super) fn works(&self) {
        let failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner).take();
        if failing.is_some() {
            self.telemetry.emit(&Event::Store(StoreEvent::Recovered));
        }
    }

    /// Counts what a read or a wait came to.
    pub(super) fn account<T>(&self, operation: StoreOperation, result: Result<T>) -> Result<T> {
        result.inspect_err(|error| self.failed(operation, error))
    }
}

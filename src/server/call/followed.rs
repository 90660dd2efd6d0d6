//! The sampled calls in flight on one log, so that their traces tell when their client goes away and
//! when it is back. A log of calls that are not sampled costs nothing for it.

use super::EventLog;
use mcp_telemetry::{CallTrace, ClientAway, Telemetry};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most calls of one log whose traces are told.
const MOST: usize = 64;

/// Who is told.
#[derive(Debug, Default)]
pub(crate) struct Followed(Mutex<Option<Box<Inner>>>);

#[derive(Debug, Default)]
struct Inner {
    calls: Vec<CallTrace>,
    away: Option<ClientAway>,
    /// Whether the client went before any call was followed: the next one is told so.
    is_gone: bool,
}

/// A call that is followed until this is dropped.
pub(crate) struct Following {
    log: Arc<EventLog>,
    call: CallTrace,
}

impl Following {
    /// Follows a call that says what it says on that log.
    pub(crate) fn new(log: &Arc<EventLog>, call: CallTrace, telemetry: &Telemetry) -> Self {
        let mut followed = log.followed.lock();
        let inner = followed.get_or_insert_default();
        if inner.calls.len() < MOST {
            inner.calls.push(call.clone());
        }
        if std::mem::take(&mut inner.is_gone) {
            inner.away = Some(telemetry.client_lost(inner.calls.clone()));
        }
        drop(followed);
        Self { log: Arc::clone(log), call }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        if let Some(inner) = self.log.followed.lock().as_mut() {
            inner.calls.retain(|call| *call != self.call);
        }
    }
}

impl Followed {
    fn lock(&self) -> MutexGuard<'_, Option<Box<Inner>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its client is gone, with the answer to a call that may not have come so far as to be followed.
    pub(crate) fn caller_lost(&self, telemetry: &Telemetry) {
        self.client_lost(telemetry);
        let mut followed = self.lock();
        let inner = followed.get_or_insert_default();
        inner.is_gone = inner.away.is_none();
    }

    /// Its client is gone.
    pub(crate) fn client_lost(&self, telemetry: &Telemetry) {
        if let Some(inner) = self.lock().as_mut()
            && !inner.calls.is_empty()
            && inner.away.is_none()
        {
            inner.away = Some(telemetry.client_lost(inner.calls.clone()));
        }
    }

    /// Its client is there again, maybe after the end of its calls.
    pub(crate) fn client_returned(&self) {
        let away = self.lock().as_mut().and_then(|inner| inner.away.take());
        if let Some(away) = away {
            away.returned();
        }
    }
}

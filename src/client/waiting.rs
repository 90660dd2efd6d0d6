//! The calls on one connection that wait for their answer, where all answers come one way.

use crate::{ClientError, Departure, Ending, Sink, fate::closed, prepare::Outgoing};
use mcp_protocol::Payload;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::oneshot;

/// What a waiting call is told.
pub(crate) type Outcome = Result<Payload, ClientError>;

/// One call that waits.
pub(crate) struct Entry {
    /// Where its end goes.
    pub(crate) answer: oneshot::Sender<Outcome>,
    /// Takes what belongs to it alone.
    pub(crate) sink: Option<Arc<dyn Sink>>,
    /// Whether it asked for progress.
    pub(crate) progress: bool,
    /// Whether it is a `subscriptions/listen`.
    pub(crate) listen: bool,
    /// Whether the writer took it up.
    pub(crate) sent: bool,
    /// Told when it does.
    departure: Departure,
}

impl Entry {
    /// A call that is not sent yet.
    pub(crate) fn of(call: &Outgoing, answer: oneshot::Sender<Outcome>) -> Self {
        Self {
            answer,
            sink: call.sink.clone(),
            progress: call.progress,
            listen: call.method == "subscriptions/listen",
            sent: false,
            departure: call.departure.clone(),
        }
    }
}

/// All calls that wait, until the connection ends.
pub(crate) struct Waiting {
    calls: Mutex<Option<HashMap<u64, Entry>>>,
}

impl Default for Waiting {
    fn default() -> Self {
        Self { calls: Mutex::new(Some(HashMap::new())) }
    }
}

impl Waiting {
    /// Adds a call; false when the connection has ended.
    pub(crate) fn add(&self, id: u64, entry: Entry) -> bool {
        self.lock().as_mut().map(|calls| calls.insert(id, entry)).is_some()
    }

    /// Notes that the call is about to be written; false when nobody waits for it any more.
    pub(crate) fn mark_sent(&self, id: u64) -> bool {
        match self.lock().as_mut().and_then(|calls| calls.get_mut(&id)) {
            Some(entry) => {
                entry.sent = true;
                entry.departure.leaves();
                true
            }
            None => false,
        }
    }

    /// Ends one call; false when nobody waits for it.
    pub(crate) fn end(&self, id: u64, outcome: Outcome) -> bool {
        self.remove(id).is_some_and(|entry| entry.answer.send(outcome).is_ok())
    }

    /// Whether anybody waits for it.
    pub(crate) fn has(&self, id: u64) -> bool {
        self.lock().as_ref().is_some_and(|calls| calls.contains_key(&id))
    }

    /// The calls that were taken up by the writer.
    pub(crate) fn sent(&self) -> Vec<u64> {
        let calls = self.lock();
        let sent = calls.iter().flatten().filter(|(_, entry)| entry.sent);
        sent.map(|(id, _)| *id).collect()
    }

    /// Takes a call out.
    pub(crate) fn remove(&self, id: u64) -> Option<Entry> {
        self.lock().as_mut().and_then(|calls| calls.remove(&id))
    }

    /// Ends every call, and lets none in any more.
    pub(crate) fn end_all(&self, ending: &Ending) {
        let calls = self.lock().take().unwrap_or_default();
        for entry in calls.into_values() {
            let _nobody_waits = entry.answer.send(Err(closed(entry.sent, ending.clone())));
        }
    }

    /// The sink for progress of a call: outer `None` when no such call asked for it.
    pub(crate) fn progress_sink(&self, id: u64) -> Option<Option<Arc<dyn Sink>>> {
        self.find(id, |entry| entry.progress)
    }

    /// The sink for notifications of a `subscriptions/listen`.
    pub(crate) fn listen_sink(&self, id: u64) -> Option<Option<Arc<dyn Sink>>> {
        self.find(id, |entry| entry.listen)
    }

    fn find(&self, id: u64, wanted: impl Fn(&Entry) -> bool) -> Option<Option<Arc<dyn Sink>>> {
        let calls = self.lock();
        calls.as_ref()?.get(&id).filter(|entry| wanted(entry)).map(|entry| entry.sink.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Option<HashMap<u64, Entry>>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

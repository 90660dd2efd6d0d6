//! The thread that reads for whoever waits. A few questions may wait; more are refused.

use super::{
    failure::{Place, Result},
    read::SqliteReader,
    spawn,
};
use crate::StoreError;
use std::sync::{Mutex, PoisonError, mpsc};
use tokio::sync::oneshot;

/// Most questions that wait.
const MOST: usize = 256;

type Question = Box<dyn FnOnce(&SqliteReader) + Send>;

/// The way to the reading thread, which ends when this is stopped or dropped.
#[derive(Debug)]
pub(super) struct Reading(Mutex<Option<mpsc::SyncSender<Question>>>);

impl Reading {
    pub(super) fn start(reader: SqliteReader, place: &Place) -> Result<Self> {
        let (ask, questions) = mpsc::sync_channel::<Question>(MOST);
        spawn("store-read", place, move || {
            for question in questions {
                question(&reader);
            }
        })?;
        Ok(Self(Mutex::new(Some(ask))))
    }

    pub(super) fn ask<T: Send + 'static>(
        &self,
        read: impl FnOnce(&SqliteReader) -> Result<T> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T>>> {
        let (answer, told) = oneshot::channel();
        let question: Question = Box::new(move |reader| {
            if !answer.is_closed() {
                // Whoever asked may go while this reads: then nobody needs to know.
                drop(answer.send(read(reader)));
            }
        });
        let way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = way.as_ref().ok_or(StoreError::Closed)?.try_send(question);
        asked.map_err(|error| match error {
            mpsc::TrySendError::Full(_) => StoreError::Overloaded,
            mpsc::TrySendError::Disconnected(_) => StoreError::Closed,
        })?;
        Ok(told)
    }

    pub(super) fn stop(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

//! The tasks beside the keeper: notifications on their way out, lists that change, figures from
//! time to time.

use super::{
    calls::later,
    config::QueueRule,
    event::{ClientEvent, State},
    lists,
    shared::Shared,
};
use crate::{ClientError, Ending, Ran, Trouble, Unfinished, fate::closed};
use mcp_protocol::RawValue;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout, timeout_at},
};

/// Longest time to hand a notification over.
const HAND_OVER: Duration = Duration::from_secs(30);
/// Lists that changed are read again at most so often.
const READ_AGAIN: Duration = Duration::from_millis(500);

/// One notification.
struct Note {
    method: String,
    params: Option<Box<RawValue>>,
    put: Instant,
}

/// The way out for notifications: in order, waiting while the server is away.
#[derive(Clone)]
pub(super) struct Outbox {
    notes: mpsc::Sender<Note>,
    bytes: Arc<AtomicUsize>,
}

impl Outbox {
    /// Starts the task that sends them.
    pub(super) fn start(shared: &Arc<Shared>) -> Self {
        let rule = shared.config.queue.unwrap_or_default();
        let (notes, mut waiting) = mpsc::channel(rule.messages.max(1));
        let bytes = Arc::new(AtomicUsize::new(0));
        let all = Arc::clone(shared);
        let held = Arc::clone(&bytes);
        shared.tasks.spawn(async move {
            let mut sending = None;
            tokio::select! {
                () = send_all(&all, &mut waiting, &held, &mut sending) => {}
                () = all.closing.cancelled() => {}
            }
            waiting.close();
            let begun = sending.map(|method| (method, true));
            let rest = std::iter::from_fn(|| waiting.try_recv().ok());
            for (method, sent) in begun.into_iter().chain(rest.map(|note| (note.method, false))) {
                drop_note(&all, method, closed(sent, Ending::ByUs));
            }
        });
        Self { notes, bytes }
    }

    /// Puts one in, or says why not.
    pub(super) fn put(
        &self,
        shared: &Shared,
        method: String,
        params: Option<Box<RawValue>>,
    ) -> Result<(), ClientError> {
        let place = shared.place.borrow().clone();
        let rule = shared.config.queue.unwrap_or_default();
        if place.state == State::Disconnected {
            return Err(closed(false, Ending::ByUs));
        }
        if place.live.is_none() && shared.config.queue.is_none() {
            let why = place.why.map(Box::new);
            let waited = Duration::ZERO;
            return Err(ClientError::Unfinished(Unfinished::Away { waited, why }));
        }
        let size = params.as_ref().map_or(0, |params| params.get().len());
        self.check(size, rule)?;
        let note = Note { method, params, put: Instant::now() };
        let full = Unfinished::QueueFull { messages: rule.messages };
        self.bytes.fetch_add(size, Ordering::Relaxed);
        self.notes.try_send(note).map_err(|error| {
            self.bytes.fetch_sub(size, Ordering::Relaxed);
            match error {
                mpsc::error::TrySendError::Full(_) => ClientError::Unfinished(full),
                mpsc::error::TrySendError::Closed(_) => closed(false, Ending::ByUs),
            }
        })
    }

    fn check(&self, size: usize, rule: QueueRule) -> Result<(), ClientError> {
        let refused = if size > rule.message_bytes {
            Unfinished::TooLargeToWait { bytes: size, most: rule.message_bytes }
        } else if self.bytes.load(Ordering::Relaxed).saturating_add(size) > rule.bytes {
            Unfinished::QueueFull { messages: rule.messages - self.notes.capacity() }
        } else {
            return Ok(());
        };
        Err(ClientError::Unfinished(refused))
    }
}

/// Sends them; `sending` is the method of the one that is being sent.
async fn send_all(
    shared: &Arc<Shared>,
    notes: &mut mpsc::Receiver<Note>,
    bytes: &AtomicUsize,
    sending: &mut Option<String>,
) {
    while let Some(note) = notes.recv().await {
        *sending = Some(note.method.clone());
        let size = note.params.as_ref().map_or(0, |params| params.get().len());
        let sent = send(shared, &note, size).await;
        bytes.fetch_sub(size, Ordering::Relaxed);
        *sending = None;
        if let Err(why) = sent {
            drop_note(shared, note.method, why);
        }
    }
}

fn drop_note(shared: &Shared, method: String, why: ClientError) {
    shared.ledger().dropped += 1;
    shared.tell(ClientEvent::Dropped { method, why });
}

/// Sends one, and once more when it provably did not arrive.
async fn send(shared: &Arc<Shared>, note: &Note, size: usize) -> Result<(), ClientError> {
    let longest = shared.config.queue.map(|rule| rule.longest).unwrap_or_default();
    let until = later(note.put, longest.max(HAND_OVER));
    let mut after = 0;
    loop {
        let mut place = shared.place.subscribe();
        let arrived = place.wait_for(|place| {
            place.live.as_ref().is_some_and(|live| live.epoch > after)
                || place.state == State::Failed
        });
        let waited = note.put.elapsed();
        let live = match timeout_at(until, arrived).await {
            Ok(Ok(place)) => place.live.clone(),
            Ok(Err(_)) | Err(_) => None,
        };
        let Some(live) = live else {
            let why = shared.place.borrow().why.clone().map(Box::new);
            return Err(ClientError::Unfinished(Unfinished::Away { waited, why }));
        };
        shared.ledger().sent(size);
        let sending = live.connection.notify(&note.method, note.params.as_deref());
        let sent = timeout(HAND_OVER, sending).await;
        let error = match sent {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error,
            Err(_) => {
                let after = HAND_OVER;
                return Err(ClientError::Unfinished(Unfinished::NoAnswer { after }));
            }
        };
        let Some(trouble) = error.trouble() else { return Err(error) };
        shared.report(live.epoch, trouble == Trouble::Lost);
        if error.ran() == Ran::Unknown {
            return Err(error);
        }
        after = live.epoch;
    }
}

/// Starts what is to be told from time to time.
pub(super) fn watch(shared: &Arc<Shared>) {
    let all = Arc::clone(shared);
    shared.tasks.spawn(async move {
        tokio::select! {
            () = read_lists(&all), if all.config.lists => {}
            () = all.closing.cancelled() => {}
        }
    });
    let Some(every) = shared.config.monitoring else { return };
    let all = Arc::clone(shared);
    shared.tasks.spawn(async move {
        tokio::select! {
            () = tell_stats(&all, every) => {}
            () = all.closing.cancelled() => {}
        }
    });
}

async fn tell_stats(shared: &Shared, every: Duration) {
    loop {
        sleep(every).await;
        shared.tell(ClientEvent::Stats(Box::new(shared.stats())));
    }
}

async fn read_lists(shared: &Shared) {
    loop {
        shared.stale.notified().await;
        let live = shared.place.borrow().live.clone();
        if let Some(live) = live {
            let wait = shared.config.options.request_timeout;
            for change in lists::read(&live.connection, &shared.lists, wait).await {
                shared.tell(ClientEvent::ListChanged(change));
            }
        }
        sleep(READ_AGAIN).await;
    }
}

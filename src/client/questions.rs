//! Requests of the server that wait for our answer: bounded, each in its own task, dropped
//! when the server withdraws it.

use crate::{BoxFuture, Progress, Sink};
use mcp_protocol::{
    Era, Id, Method, Payload, Request, RpcError, code, encode_error, encode_result, raw_value,
};
use std::{
    collections::HashMap,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{sync::mpsc, task::AbortHandle, time::timeout};
use tokio_util::task::TaskTracker;

/// Longest time that a report takes on its way, and all that are left when the answer is there.
const REPORTING: Duration = Duration::from_secs(1);

/// Sends an encoded answer to the server.
pub(crate) type Reply = Box<dyn Fn(String) -> BoxFuture<'static, ()> + Send + Sync>;

/// The server's requests that are being answered.
pub(crate) struct Questions {
    running: Mutex<HashMap<u64, (Id, Option<AbortHandle>)>>,
    next: AtomicU64,
    limit: usize,
    tasks: TaskTracker,
    reply: Reply,
}

/// Gives a question's place back, also when its task is aborted or panics.
struct Place {
    questions: Arc<Questions>,
    number: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.questions.lock().remove(&self.number);
    }
}

impl Questions {
    /// No questions yet. Beyond `limit` at once they are refused, beyond twice that ignored.
    pub(crate) fn new(limit: usize, tasks: TaskTracker, reply: Reply) -> Arc<Self> {
        let (running, next) = (Mutex::default(), AtomicU64::new(0));
        Arc::new(Self { running, next, limit, tasks, reply })
    }

    /// Starts to answer a request. Answers `ping` itself.
    pub(crate) fn ask(self: &Arc<Self>, request: Request, era: Era, sink: &Arc<dyn Sink>) {
        let Some((number, crowded)) = self.enter(&request.id) else { return };
        let (place, sink) = (Place { questions: Arc::clone(self), number }, Arc::clone(sink));
        let task = async move {
            let id = request.id.clone();
            let (progress, reports) = Progress::on(&request);
            let answer = answer(request, progress, (era, crowded), sink);
            let payload = place.questions.reporting(answer, reports).await;
            let text = match payload {
                Ok(result) => encode_result(&id, &result),
                Err(error) => encode_error(Some(&id), &error),
            };
            (place.questions.reply)(text).await;
        };
        // Not under the lock: a runtime that is ending drops the task right here.
        let handle = self.tasks.spawn(task).abort_handle();
        if let Some((_, place)) = self.lock().get_mut(&number) {
            *place = Some(handle);
        }
    }

    /// Waits for an answer, and sends what is reported before it: none of it keeps the answer waiting
    /// for longer than [`REPORTING`].
    async fn reporting(
        &self,
        answer: impl Future<Output = Payload>,
        mut reports: mpsc::Receiver<String>,
    ) -> Payload {
        let mut answer = pin!(answer);
        let payload = loop {
            tokio::select! {
                biased;
                payload = &mut answer => break payload,
                Some(report) = reports.recv() => {
                    let _late = timeout(REPORTING, (self.reply)(report)).await;
                }
            }
        };
        let rest = async {
            while let Ok(report) = reports.try_recv() {
                (self.reply)(report).await;
            }
        };
        let _late = timeout(REPORTING, rest).await;
        payload
    }

    /// A number for one more question, and whether there are too many; `None` to ignore it.
    fn enter(&self, id: &Id) -> Option<(u64, bool)> {
        let mut running = self.lock();
        let before = running.len();
        if before >= self.limit.saturating_mul(2) {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        running.insert(number, (id.clone(), None));
        Some((number, before >= self.limit))
    }

    /// Drops the question that the server does not want answered any more.
    pub(crate) fn withdraw(&self, id: &Id) {
        let handle = {
            let running = self.lock();
            running.values().find(|(asked, _)| asked == id).and_then(|(_, handle)| handle.clone())
        };
        if let Some(handle) = handle {
            handle.abort();
        }
    }

    /// Drops all of them.
    pub(crate) fn withdraw_all(&self) {
        let handles: Vec<_> =
            self.lock().values().filter_map(|(_, handle)| handle.clone()).collect();
        handles.iter().for_each(AbortHandle::abort);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, (Id, Option<AbortHandle>)>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn answer(
    request: Request,
    progress: Option<Progress>,
    (era, crowded): (Era, bool),
    sink: Arc<dyn Sink>,
) -> Payload {
    if era == Era::Modern {
        return Err(RpcError::method_not_found(&request.name));
    }
    if request.method == Method::Ping {
        return Ok(raw_value(&serde_json::json!({})));
    }
    if crowded {
        return Err(RpcError::new(code::INTERNAL, "Too many requests wait for an answer already"));
    }
    sink.request(request, progress).await
}

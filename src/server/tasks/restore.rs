//! Takes over what an earlier process left: what has ended is told as before, what waits for its
//! client waits on, and of what ran nobody knows how far it came.

use super::{Shared, Tasks, kept::Kept, now};
use crate::call::code;
use mcp_protocol::RpcError;
use mcp_store::{TaskRunner, TaskState, WorkChange};
use mcp_telemetry::Event;
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;

/// How often it is looked for tasks whose time is over.
const SWEEP: Duration = Duration::from_secs(1);

impl Tasks {
    /// Begins with what the store kept; nobody is let in before.
    pub(crate) async fn restore(&self) {
        let shared = &self.0;
        let work = match shared.store.load_work(now()).await {
            Ok(work) => work,
            Err(error) => {
                let detail = format!("tasks of the process before were not read: {error}");
                return shared.telemetry.emit(&Event::ConfigWarning { text: &detail });
            }
        };
        let tasks = work.tasks.into_iter().filter(|task| task.runner == TaskRunner::Upstream);
        for task in tasks {
            let id = Arc::clone(&task.id);
            let Some(kept) = Kept::stored(task) else {
                // What cannot be read is nobody's.
                shared.forget(vec![id]).await;
                continue;
            };
            let (id, ran) = (Arc::clone(&kept.record.id), kept.record.state == TaskState::Running);
            shared.state().insert(kept);
            if ran {
                shared.settle(&id, |kept| kept.fail(&lost(), now())).await;
            }
        }
    }

    /// Forgets tasks whose time is over, for as long as it is polled.
    pub(crate) async fn sweep(self) {
        loop {
            let gone = self.0.state().expire(now());
            self.0.forget(gone).await;
            sleep(SWEEP).await;
        }
    }
}

impl Shared {
    async fn forget(&self, tasks: Vec<Arc<str>>) {
        let writes = tasks.into_iter().map(|id| self.write(WorkChange::TaskGone(id)));
        // One that stays in the store is found again at the next start, and forgotten then.
        let _written = futures_util::future::join_all(writes).await;
    }
}

fn lost() -> RpcError {
    let text = "We were restarted while it ran, and its answer was lost. The call may or may not have run: check its effect before trying again.";
    let data = json!({ "code": "outcome_unknown", "ran": "unknown" });
    RpcError::new(code::OUTCOME_UNKNOWN, text).with_data(&data)
}

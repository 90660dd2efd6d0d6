//! News of tasks to clients that listen for them.

use super::{Origin, Stages};
use crate::{
    call::{Principal, code},
    session::Filter,
    tasks::Tasks,
    upstream::{Following, Located, TellTask},
};
use mcp_protocol::{RpcError, tasks_not_declared};
use mcp_telemetry::Limit;
use std::{collections::HashSet, sync::Arc};
use tokio::sync::broadcast::{Receiver, error::RecvError};

/// Tells clients how their tasks are whenever one changes, until the server stops.
pub(crate) fn announce_tasks(stages: &Arc<Stages>, tasks: &Tasks) {
    for changes in [Some(tasks.changes()), tasks.changes_of_agents()].into_iter().flatten() {
        let telling = tell(Arc::clone(stages), tasks.clone(), changes);
        stages.connections.spawn(stages.stopping.clone().run_until_cancelled_owned(telling));
    }
}

async fn tell(stages: Arc<Stages>, tasks: Tasks, mut changes: Receiver<Arc<str>>) {
    loop {
        match changes.recv().await {
            Ok(id) => {
                if let Some(params) = tasks.news(&id) {
                    stages.listeners.tell_task(&id, &params);
                }
            }
            // Who listens may ask as well, and is told to.
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

impl Stages {
    /// Leaves those tasks in a filter of which the client can hear: its own, here and at upstreams;
    /// gives those at upstreams.
    ///
    /// # Errors
    /// When it names tasks and did not declare the extension.
    pub(super) fn only_audible(
        &self,
        filter: &mut Filter,
        principal: &Principal,
        origin: &Origin,
    ) -> Result<Located, RpcError> {
        if filter.task_ids.is_empty() {
            return Ok(Located::default());
        }
        // One that is named again is told once.
        let mut named = HashSet::new();
        filter.task_ids.retain(|id| named.insert(id.clone()));
        let tasks = self.dispatch.tasks.as_ref();
        if tasks.is_some() && !origin.takes_tasks() {
            return Err(tasks_not_declared());
        }
        let Some(tasks) = tasks else {
            filter.task_ids.clear();
            return Ok(Located::default());
        };
        let located = self.dispatch.upstreams.located(principal, &filter.task_ids);
        let mut audible: HashSet<_> =
            tasks.audible(principal, &filter.task_ids).into_iter().collect();
        audible.extend(located.names().cloned());
        filter.task_ids.retain(|id| audible.contains(id));
        Ok(located)
    }

    /// Places to listen for tasks that upstreams keep.
    ///
    /// # Errors
    /// When too many are taken.
    pub(super) fn following(
        &self,
        principal: &Principal,
        located: Located,
    ) -> Result<Following, RpcError> {
        self.dispatch.upstreams.following(principal, located).ok_or_else(|| {
            self.over_limit(Limit::Streams);
            RpcError::new(
                code::OVER_CAPACITY,
                "As many subscriptions to tasks of that upstream are open as there may be. End some, \
                 name more tasks in one, or ask with tasks/get.",
            )
        })
    }

    /// Tells a new listener how the tasks are: what changed before it listened is in that.
    pub(super) fn tell_tasks(&self, tell: &TellTask, ids: &[String]) {
        let Some(tasks) = &self.dispatch.tasks else { return };
        for params in ids.iter().filter_map(|id| tasks.news(id)) {
            tell(&params);
        }
    }
}

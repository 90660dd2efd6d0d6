//! Tasks of modern upstreams (the tasks extension) on their way through us. A client knows such a
//! task under an id of ours, which says whose it is and where it is to be found: sealed, so that
//! nothing needs to be kept, it is good over a restart, and it is of no use to anybody else.

use super::{Reply, Upstreams, forward::Outgoing, one::Upstream, seal::Binding};
use crate::call::{Caller, Principal, code as own};
use mcp_protocol::{Method, Payload, RawObject, RawValue, RpcError, code, raw_string};
use std::{borrow::Cow, sync::Arc};

/// Longest id of an upstream's task, in bytes: a header repeats ours.
const LONGEST_ID: usize = 1_024;

/// Where a task of an upstream is.
pub(super) struct Whereabouts {
    pub(super) upstream: Arc<Upstream>,
    /// Its id there.
    pub(super) id: String,
}

impl Upstreams {
    /// A request about a task of an upstream; `None` when the id is not one that we gave this
    /// principal.
    pub(crate) async fn relay_task(
        &self,
        caller: &Caller,
        method: Method,
        (task, params): (&str, Option<&RawValue>),
    ) -> Option<Reply> {
        let Whereabouts { upstream, id } = self.whereabouts(&caller.principal, task)?;
        let outgoing = Outgoing {
            method,
            target: None,
            subject: "",
            params,
            replaced: vec![("taskId", raw_string(&id))],
            headers: Cow::Borrowed(&[]),
            // Asked for twice, each of the three does what it does once.
            is_repeatable: true,
        };
        let mut reply = Box::pin(upstream.forward(caller, outgoing)).await;
        reply.payload = reply.payload.map(|result| renamed(result, task));
        Some(reply)
    }

    pub(super) fn whereabouts(&self, principal: &Principal, task: &str) -> Option<Whereabouts> {
        let sealer = &self.inner.shared.sealer;
        let opened = sealer.open(task, &binding(principal), 0)?;
        // The name of an upstream has no double underscore.
        let (upstream, id) = opened.split_once("__")?;
        Some(Whereabouts { upstream: self.upstream(upstream)?, id: id.to_owned() })
    }
}

impl Upstream {
    /// Gives a task that answers a call an id of ours.
    pub(super) fn seal_task(&self, caller: &Caller, mut result: RawObject<'_>) -> Payload {
        if !(caller.takes_tasks() && self.shared.relays_tasks) {
            let sentence = format!(
                "The MCP server `{}` answered with a task, which nobody asked it for.",
                self.name
            );
            return Err(RpcError::new(own::NOT_BRIDGED, sentence));
        }
        let id = result.get_str("taskId").filter(|id| id.len() <= LONGEST_ID);
        let sealed = id.and_then(|id| {
            let whereabouts = format!("{}__{id}", self.name);
            self.shared.sealer.seal_until(&whereabouts, &binding(&caller.principal), u64::MAX)
        });
        let sealed = sealed.ok_or_else(|| {
            let sentence =
                format!("The MCP server `{}` gave its task an id that cannot be kept.", self.name);
            RpcError::new(code::INTERNAL, sentence)
        })?;
        result.set("taskId", raw_string(&sealed));
        Ok(result.to_raw())
    }
}

/// How long a task lives is for its upstream to say, so its id does not end.
fn binding(principal: &Principal) -> Binding<'_> {
    Binding { principal, upstream: "", method: "tasks", target: "", arguments: None }
}

/// A result that names the task by the client's id.
pub(super) fn renamed(result: Box<RawValue>, task: &str) -> Box<RawValue> {
    let Some(mut object) = RawObject::parse(&result) else { return result };
    if !object.contains("taskId") {
        return result;
    }
    object.set("taskId", raw_string(task));
    object.to_raw()
}

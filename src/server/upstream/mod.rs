//! The upstream MCP servers: connections, their merged catalogue, and calls to them.
//!
//! Called by `dispatch` (calls, lists, subscriptions), `session` (its end) and `serve` (start,
//! status, stop). What a call needs to reach its client comes in with its [`Caller`]; nothing
//! here knows transports or sessions.
//!
//! - [`Upstreams`] is the whole of it: `start`, then calls, then `stop`.
//! - [`Catalogue`] is what all upstreams offer together, as a client of an era sees it. It is
//!   read without waiting and never shrinks because an upstream is down.
//! - [`Reply`] is how a forwarded call ended: what to answer, and what to count.
//! - [`Change`] says which view changed, for `list_changed` and `resources/updated`.
//!
//! A modern result is given back with the `_meta` of its upstream: stamping our own
//! `serverInfo` into every modern result is the caller's, in one place.
//!
//! Dropping the future of a forwarded call cancels it upstream.

use crate::{call::Caller, config::Config};
use mcp_protocol::{Era, Payload, RawValue};
use mcp_telemetry::{Outcome, Telemetry, UpstreamState};
use std::{sync::Arc, time::{Duration, SystemTime}};
use tokio::sync::broadcast;

pub(crate) use catalogue::{Catalogue, EraList, PromptEntry, ToolEntry};
pub(crate) use error::code;
pub(crate) use subscribe::Listening;

/// How a forwarded call ended.
#[derive(Debug)]
pub(crate) struct Reply {
    /// What to answer, in the era of the caller.
    pub(crate) payload: Payload,
    /// What to count it as.
    pub(crate) outcome: Outcome,
}

/// Which view of the catalogue changed: the era is that of the clients who should hear it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// The list of tools.
    Tools(Era),
    /// The list of prompts.
    Prompts(Era),
    /// The list of resources or of templates.
    Resources(Era),
    /// The content of one resource. Only clients that subscribed to it should hear it.
    ResourceUpdated {
        /// Clients of which era.
        era: Era,
        /// Which resource.
        uri: Arc<str>,
    },
}

/// One upstream as `/api/status` and `/readyz` show it. Holds no secret.
#[derive(Debug, Clone)]
pub(crate) struct UpstreamStatus {
    /// Its configured name.
    pub(crate) name: Arc<str>,
    /// How it stands.
    pub(crate) state: UpstreamState,
    /// Since when.
    pub(crate) since: SystemTime,
    /// Why it last failed, if it ever did.
    pub(crate) last_error: Option<String>,
    /// The eras it is known to speak.
    pub(crate) eras: Vec<Era>,
    /// Tools it offers (those of its richer era).
    pub(crate) tools: usize,
}

/// All upstreams. Cheap to clone; when the last clone is dropped, everything is let go.
#[derive(Clone)]
pub(crate) struct Upstreams {}

impl Upstreams {
    /// Starts one supervisor per upstream, side by side, and returns at once. `reserved` are
    /// the names of built-in tools, `state_key` seals `requestState`.
    pub(crate) fn start(config: &Config, telemetry: Telemetry, reserved: &[String], state_key: [u8; 32]) -> Self;

    /// Waits until every upstream's catalogue is known or its first try failed, but only until
    /// `wait` after [`Upstreams::start`]: later callers do not wait again.
    pub(crate) async fn first_known(&self, wait: Duration);

    /// What all upstreams offer now, as last known.
    pub(crate) fn catalogue(&self) -> Arc<Catalogue>;

    /// Changes from now on. A receiver that lags should take every view as changed.
    pub(crate) fn changes(&self) -> broadcast::Receiver<Change>;

    /// `tools/call`. `params` as the client sent them.
    pub(crate) async fn tool(&self, caller: &Caller, entry: &ToolEntry, params: Option<&RawValue>) -> Reply;

    /// `prompts/get`.
    pub(crate) async fn prompt(&self, caller: &Caller, entry: &PromptEntry, params: Option<&RawValue>) -> Reply;

    /// `resources/read`: routed here by `params.uri`.
    pub(crate) async fn read(&self, caller: &Caller, params: Option<&RawValue>) -> Reply;

    /// `completion/complete`: routed here by `params.ref`.
    pub(crate) async fn complete(&self, caller: &Caller, params: Option<&RawValue>) -> Reply;

    /// `resources/subscribe` of a legacy session.
    pub(crate) async fn subscribe(&self, caller: &Caller, params: Option<&RawValue>) -> Reply;

    /// `resources/unsubscribe` of a legacy session.
    pub(crate) async fn unsubscribe(&self, caller: &Caller, params: Option<&RawValue>) -> Reply;

    /// The `resourceSubscriptions` of a modern `subscriptions/listen`, kept up until the
    /// returned value is dropped. Holds the URIs that some upstream could be asked for.
    pub(crate) fn listen(&self, uris: &[String]) -> Listening;

    /// `logging/setLevel` of a legacy session.
    pub(crate) async fn set_log_level(&self, caller: &Caller, params: Option<&RawValue>) -> Reply;

    /// `notifications/roots/list_changed` of a legacy session.
    pub(crate) async fn roots_changed(&self, session_id: &str);

    /// Ends what belongs to a legacy session: its own upstream sessions, its subscriptions.
    pub(crate) fn session_ended(&self, session_id: &str);

    /// Every upstream, in the order of the configuration.
    pub(crate) fn status(&self) -> Vec<UpstreamStatus>;

    /// Ends every child and closes every connection, side by side, in bounded time.
    pub(crate) async fn stop(&self);
}
// // catalogue.rs (API)
// /// Definitions in a stable order, public names in place.
// pub(crate) type EraList = Arc<[Arc<RawValue>]>;
// pub(crate) struct ToolEntry { pub(crate) name: Arc<str> /*public*/, pub(crate) original: Arc<str>, pub(crate) upstream: Arc<str>, pub(crate) label: ToolLabel, pub(crate) headers: Vec<ParamHeader> }
// pub(crate) struct PromptEntry { name, original, upstream }
// impl Catalogue {
//     pub(crate) fn tools(&self, era: Era) -> &EraList;  prompts, resources, templates likewise
//     pub(crate) fn tool(&self, era: Era, name: &str) -> Option<Arc<ToolEntry>>;  prompt likewise
// }

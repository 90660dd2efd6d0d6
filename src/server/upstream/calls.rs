//! The calls of clients, each routed to its upstream.

use super::{
    Reply, Upstreams,
    catalogue::{PromptEntry, ToolEntry},
    forward::Outgoing,
    names::has_prefix,
    one::Upstream,
    results,
};
use crate::call::{Caller, Pattern, code as own};
use mcp_protocol::{Era, Method, RawObject, RawValue, RpcError, code, raw_string, raw_value};
use mcp_telemetry::Outcome;
use serde_json::json;
use std::{borrow::Cow, sync::Arc};

impl Upstreams {
    /// `tools/call`. `params` as the client sent them.
    pub(crate) async fn tool(
        &self,
        caller: &Caller,
        entry: &ToolEntry,
        params: Option<&RawValue>,
    ) -> Reply {
        let Some(upstream) = self.upstream(&entry.upstream) else {
            return unknown_name(&entry.name);
        };
        let outgoing = Outgoing {
            method: Method::ToolsCall,
            target: Some(&entry.original),
            subject: &entry.original,
            params,
            replaced: vec![("name", raw_string(&entry.original))],
            headers: Cow::Borrowed(&entry.headers),
            is_repeatable: upstream.is_repeatable(entry),
        };
        Box::pin(upstream.forward(caller, outgoing)).await
    }

    /// Why a tool or prompt of that name may be missing, in a sentence: the upstream of which it has
    /// the prefix is not there to be asked.
    pub(crate) fn may_be_away(&self, era: Era, name: &str) -> Option<String> {
        let all = self.all();
        let upstream = all.iter().find(|upstream| has_prefix(name, &upstream.name))?;
        if upstream.lane_for(era).link().is_some() {
            return None;
        }
        let (name, standing) = (&upstream.name, upstream.standing());
        let why = standing.why();
        Some(format!("The MCP server `{name}`, which may have it, is not available ({why})."))
    }

    /// `prompts/get`.
    pub(crate) async fn prompt(
        &self,
        caller: &Caller,
        entry: &PromptEntry,
        params: Option<&RawValue>,
    ) -> Reply {
        let Some(upstream) = self.upstream(&entry.upstream) else {
            return unknown_name(&entry.name);
        };
        let outgoing = Outgoing {
            method: Method::PromptsGet,
            target: Some(&entry.original),
            subject: &entry.original,
            params,
            replaced: vec![("name", raw_string(&entry.original))],
            headers: Cow::Borrowed(&[]),
            is_repeatable: true,
        };
        Box::pin(upstream.forward(caller, outgoing)).await
    }

    /// `resources/read`: routed here by `params.uri`.
    pub(crate) async fn read(&self, caller: &Caller, params: Option<&RawValue>) -> Reply {
        let uri = match uri_of(params) {
            Ok(uri) => uri,
            Err(reply) => return reply,
        };
        let mut last = no_such_resource(caller.era, &uri);
        for upstream in self.readers(caller.era, &uri).await {
            let outgoing = Outgoing {
                method: Method::ResourcesRead,
                target: None,
                subject: &uri,
                params,
                replaced: vec![],
                headers: Cow::Borrowed(&[]),
                is_repeatable: true,
            };
            let reply = Box::pin(upstream.forward(caller, outgoing)).await;
            let is_not_found =
                reply.payload.as_ref().is_err_and(|error| results::is_not_found(caller.era, error));
            match (is_not_found, reply.outcome) {
                (true, _) if last.outcome == Outcome::ClientError => last = reply,
                (true, _) => {}
                (false, Outcome::Unavailable) => last = reply,
                (false, _) => return reply,
            }
        }
        last
    }

    /// `completion/complete`: routed here by `params.ref`.
    pub(crate) async fn complete(&self, caller: &Caller, params: Option<&RawValue>) -> Reply {
        let object = params.and_then(RawObject::parse).unwrap_or_default();
        let Some(mut reference) = object.get("ref").and_then(RawObject::parse) else {
            return Reply::callers_fault(RpcError::invalid_params("`ref` must be an object"));
        };
        let catalogue = self.catalogue();
        let (kind, name, uri) =
            (reference.get_str("type"), reference.get_str("name"), reference.get_str("uri"));
        let (upstream, original) = match (kind.as_deref(), name, uri) {
            (Some("ref/prompt"), Some(name), _) => match catalogue.prompt(caller.era, &name) {
                Some(prompt) => (prompt.upstream.clone(), Some(prompt.original.clone())),
                None => return unknown_name(&name),
            },
            (Some("ref/resource"), _, Some(uri)) => {
                match catalogue.template_owner(caller.era, &uri) {
                    Some(upstream) => (upstream, None),
                    None => return no_such_resource(caller.era, &uri),
                }
            }
            _ => {
                let reason =
                    "`ref` must be a `ref/prompt` with `name` or a `ref/resource` with `uri`";
                return Reply::callers_fault(RpcError::invalid_params(reason));
            }
        };
        let Some(upstream) = self.upstream(&upstream) else { return no_completions(caller.era) };
        if !upstream.completes(caller.era) {
            return no_completions(caller.era);
        }
        if let Some(original) = &original {
            reference.set("name", raw_string(original));
        }
        let outgoing = Outgoing {
            method: Method::CompletionComplete,
            target: original.as_deref(),
            subject: "",
            params,
            replaced: vec![("ref", reference.to_raw())],
            headers: Cow::Borrowed(&[]),
            is_repeatable: true,
        };
        Box::pin(upstream.forward(caller, outgoing)).await
    }

    /// The upstreams to ask for a resource, in turn: those that are away come last, since a call
    /// waits for them. Waits at the very first start, when there is none, for upstreams that are
    /// not known yet.
    pub(super) async fn readers(&self, era: Era, uri: &str) -> Vec<Arc<Upstream>> {
        let mut names = self.catalogue().readers(era, uri);
        if names.is_empty() {
            self.first_known(self.inner.first_wait).await;
            names = self.catalogue().readers(era, uri);
        }
        let mut upstreams: Vec<_> = names.iter().filter_map(|name| self.upstream(name)).collect();
        upstreams.sort_by_key(|upstream| upstream.lane_for(era).link().is_none());
        upstreams
    }

    /// Whether the calls of a tool are to become tasks for clients that take them.
    pub(crate) fn is_long_running(&self, tool: &ToolEntry) -> bool {
        let named = |upstream: Arc<Upstream>| {
            let config = upstream.config();
            config.long_running.iter().any(|name| Pattern::new(name).matches(&tool.original))
        };
        self.upstream(&tool.upstream).is_some_and(named)
    }

    /// The upstream of that name.
    pub(super) fn upstream(&self, name: &str) -> Option<Arc<Upstream>> {
        self.inner.upstreams.load().iter().find(|upstream| &*upstream.name == name).cloned()
    }
}

impl Upstream {
    /// Whether one of its tools may run twice for one call.
    fn is_repeatable(&self, tool: &ToolEntry) -> bool {
        let config = self.config();
        (config.trust_hints && tool.is_harmless)
            || config.safe_to_repeat.iter().any(|name| **name == *tool.original)
    }

    /// Whether it completes arguments; while it is down nobody can say that it does not.
    fn completes(&self, era: Era) -> bool {
        self.lane_for(era).link().is_none_or(|link| link.offers.completions)
    }
}

/// The URI a request names.
pub(super) fn uri_of(params: Option<&RawValue>) -> Result<String, Reply> {
    params
        .and_then(RawObject::parse)
        .and_then(|params| params.get_str("uri"))
        .ok_or_else(|| Reply::callers_fault(RpcError::invalid_params("`uri` must be a string")))
}

/// Nobody has that resource.
pub(super) fn no_such_resource(era: Era, uri: &str) -> Reply {
    let code = match era {
        Era::Legacy => code::RESOURCE_NOT_FOUND,
        Era::Modern => code::INVALID_PARAMS,
    };
    Reply::callers_fault(
        RpcError::new(code, "Resource not found").with_data(&json!({ "uri": uri })),
    )
}

/// A bound is reached.
pub(super) fn over_limit(what: &str) -> Reply {
    Reply {
        payload: Err(
            RpcError::new(own::OVER_LIMIT, what).with_data(&json!({ "code": "over_limit" }))
        ),
        outcome: Outcome::RateLimited,
    }
}

fn unknown_name(name: &str) -> Reply {
    let name: String = name.chars().take(128).collect();
    Reply::callers_fault(RpcError::invalid_params(format!("Unknown name: {name}")))
}

fn no_completions(era: Era) -> Reply {
    let completion = json!({ "values": [], "total": 0, "hasMore": false });
    Reply::ok(raw_value(&match era {
        Era::Legacy => json!({ "completion": completion }),
        Era::Modern => json!({ "resultType": "complete", "completion": completion }),
    }))
}

//! From a method to whoever answers it: ourselves, our own tools, or an upstream.

mod identity;
mod lists;

pub(crate) use identity::{Identity, capabilities, server_info};

use crate::{
    call::{Caller, Principal},
    tools::{Registry, ToolCaller, ToolInput},
    upstream::{Reply, ToolEntry, Upstreams},
};
use arc_swap::ArcSwap;
use mcp_protocol::{Era, Method, RawObject, RawValue, Request, Revision, RpcError, raw_value};
use mcp_telemetry::{Outcome, ToolLabel};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

/// Routes calls. Holds all that can answer one. What a reload changes is swapped.
pub(crate) struct Dispatch {
    pub(crate) tools: ArcSwap<Registry>,
    pub(crate) upstreams: Upstreams,
    pub(crate) identity: ArcSwap<Identity>,
    server_info: Box<RawValue>,
    first_list_wait: Duration,
}

/// The tool a call names.
pub(crate) enum NamedTool {
    /// One of our own.
    Own(String, ToolLabel),
    /// One of an upstream.
    Upstream(Arc<ToolEntry>),
    /// None.
    Unknown(String),
    /// The call should name one and does not.
    Missing,
    /// It is no `tools/call`.
    None,
}

impl NamedTool {
    /// The name for spans, if it is known; unknown names are the client's, not ours.
    pub(crate) fn known_name(&self) -> Option<&str> {
        match self {
            Self::Own(name, _) => Some(name),
            Self::Upstream(entry) => Some(&entry.name),
            Self::Unknown(_) | Self::Missing | Self::None => None,
        }
    }

    /// The label for metrics; `None` where no tool is called.
    pub(crate) fn label(&self) -> Option<ToolLabel> {
        match self {
            Self::Own(_, label) => Some(label.clone()),
            Self::Upstream(entry) => Some(entry.label.clone()),
            Self::Unknown(_) | Self::Missing => Some(ToolLabel::unknown()),
            Self::None => None,
        }
    }
}

fn own(result: &Value) -> Reply {
    Reply { payload: Ok(raw_value(result)), outcome: Outcome::Ok }
}

pub(crate) fn client_error(error: RpcError) -> Reply {
    Reply { payload: Err(error), outcome: Outcome::ClientError }
}

impl Dispatch {
    pub(crate) fn new(
        tools: Registry,
        upstreams: Upstreams,
        identity: Identity,
        first_list_wait: Duration,
    ) -> Self {
        let server_info = raw_value(&server_info(&identity));
        let (tools, identity) = (ArcSwap::from_pointee(tools), ArcSwap::from_pointee(identity));
        Self { tools, upstreams, identity, server_info, first_list_wait }
    }

    /// Finds the tool that `tools/call` names, as a client of that era sees them. At the very
    /// first start an unknown name waits for upstreams whose tools are not known yet.
    /// A tool that the principal does not have is unknown, and takes as long to be so.
    pub(crate) async fn named_tool(
        &self,
        principal: &Principal,
        era: Era,
        request: &Request,
    ) -> NamedTool {
        if request.method != Method::ToolsCall {
            return NamedTool::None;
        }
        let params = request.params.as_deref().and_then(RawObject::parse);
        let Some(name) = params.and_then(|params| params.get_str("name")) else {
            return NamedTool::Missing;
        };
        let own = self.tools.load().label(&name).filter(|_| principal.tools().allows(&name));
        if let Some(label) = own {
            return NamedTool::Own(name, label);
        }
        if let Some(entry) = self.upstream_tool(principal, era, &name) {
            return NamedTool::Upstream(entry);
        }
        self.upstreams.first_known(self.first_list_wait).await;
        self.upstream_tool(principal, era, &name)
            .map_or(NamedTool::Unknown(name), NamedTool::Upstream)
    }

    /// The upstream tool of that name, as this client sees it.
    pub(crate) fn upstream_tool(
        &self,
        principal: &Principal,
        era: Era,
        name: &str,
    ) -> Option<Arc<ToolEntry>> {
        let known = self.upstreams.catalogue().tool(era, name);
        known.filter(|_| principal.tools().allows(name))
    }

    /// Answers a request. `tool` is what [`Dispatch::named_tool`] found for `tools/call`.
    pub(crate) async fn answer(
        &self,
        caller: &Caller,
        request: &Request,
        tool: &NamedTool,
    ) -> Reply {
        let mut reply = self.route(caller, request, tool).await;
        if caller.era == Era::Modern {
            reply.payload = reply.payload.map(|result| identity::stamp(result, &self.server_info));
        }
        reply
    }

    async fn route(&self, caller: &Caller, request: &Request, tool: &NamedTool) -> Reply {
        let params = request.params.as_deref();
        if !request.method.is_client_request(caller.era) {
            return client_error(RpcError::method_not_found(&request.name));
        }
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "what is no request of a client was refused above"
        )]
        match request.method {
            Method::Ping => own(&json!({})),
            Method::ServerDiscover => Reply {
                payload: Ok(identity::discovery(&self.identity.load())),
                outcome: Outcome::Ok,
            },
            Method::ToolsList
            | Method::PromptsList
            | Method::ResourcesList
            | Method::ResourcesTemplatesList => self.list(caller, request.method, params).await,
            Method::ToolsCall => self.call_tool(caller, tool, params).await,
            Method::PromptsGet => self.get_prompt(caller, params).await,
            Method::ResourcesRead => self.upstreams.read(caller, params).await,
            Method::CompletionComplete => self.upstreams.complete(caller, params).await,
            Method::ResourcesSubscribe => self.upstreams.subscribe(caller, params).await,
            Method::ResourcesUnsubscribe => self.upstreams.unsubscribe(caller, params).await,
            Method::LoggingSetLevel => self.upstreams.set_log_level(caller, params).await,
            _ => client_error(RpcError::method_not_found(&request.name)),
        }
    }

    async fn list(&self, caller: &Caller, method: Method, params: Option<&RawValue>) -> Reply {
        if RawObject::of_params(params).is_some_and(|params| params.contains("cursor")) {
            return client_error(RpcError::invalid_params(
                "Unknown `cursor`: lists here have one page.",
            ));
        }
        self.upstreams.first_known(self.first_list_wait).await;
        let catalogue = self.upstreams.catalogue();
        Reply {
            payload: Ok(lists::render(caller, method, &self.tools.load(), &catalogue)),
            outcome: Outcome::Ok,
        }
    }

    async fn call_tool(
        &self,
        caller: &Caller,
        tool: &NamedTool,
        params: Option<&RawValue>,
    ) -> Reply {
        match tool {
            NamedTool::Missing | NamedTool::None => {
                client_error(RpcError::invalid_params("`name` must be the name of a tool."))
            }
            NamedTool::Unknown(name) => {
                let name: String = name.chars().take(128).collect();
                client_error(RpcError::invalid_params(format!("Unknown tool: {name}")))
            }
            NamedTool::Upstream(entry) => self.upstreams.tool(caller, entry, params).await,
            NamedTool::Own(name, _) => self.run_own(caller, name, params).await,
        }
    }

    async fn run_own(&self, caller: &Caller, name: &str, params: Option<&RawValue>) -> Reply {
        let params = RawObject::of_params(params).unwrap_or_default();
        let arguments = match params
            .get("arguments")
            .map(|text| serde_json::from_str::<Value>(text.get()))
        {
            None => json!({}),
            Some(Ok(arguments)) if arguments.is_object() => arguments,
            Some(Ok(_)) => {
                return client_error(RpcError::invalid_params("`arguments` must be an object."));
            }
            Some(Err(error)) => {
                return client_error(RpcError::invalid_params(format!(
                    "`arguments` cannot be read: {error}"
                )));
            }
        };
        let revision =
            caller.session.as_ref().map_or(Revision::LATEST_MODERN, |session| session.revision);
        let caller = ToolCaller {
            principal: caller.principal.shared_name(),
            era: caller.era,
            revision,
            session_id: caller.session.as_ref().map(|session| Arc::clone(&session.id)),
        };
        let tools = self.tools.load_full();
        match tools.run(name, ToolInput { arguments, caller }).await {
            Some(run) => Reply { payload: run.payload, outcome: run.outcome },
            None => client_error(RpcError::invalid_params(format!("Unknown tool: {name}"))),
        }
    }

    async fn get_prompt(&self, caller: &Caller, params: Option<&RawValue>) -> Reply {
        let name = params.and_then(RawObject::parse).and_then(|params| params.get_str("name"));
        let Some(name) = name else {
            return client_error(RpcError::invalid_params("`name` must be the name of a prompt."));
        };
        self.upstreams.first_known(self.first_list_wait).await;
        match self.upstreams.catalogue().prompt(caller.era, &name) {
            Some(entry) => self.upstreams.prompt(caller, &entry, params).await,
            None => {
                let name: String = name.chars().take(128).collect();
                client_error(RpcError::invalid_params(format!("Unknown prompt: {name}")))
            }
        }
    }
}

//! From a method to whoever answers it: ourselves, our own tools, or an upstream.

mod identity;
mod lists;

pub(crate) use identity::{Identity, capabilities, server_info};

use crate::{
    call::{Caller, Principal},
    tasks::Tasks,
    tools::{Registered, Registry, ToolCaller, ToolInput},
    upstream::{Reply, ToolEntry, Upstreams},
};
use arc_swap::ArcSwap;
use mcp_protocol::{Era, Method, RawObject, RawValue, Request, RpcError, raw_value, text};
use mcp_telemetry::{Outcome, ToolLabel};
use serde_json::{Value, json};
use std::{borrow::Cow, sync::Arc, time::Duration};

/// Routes calls. Holds all that can answer one. What a reload changes is swapped.
pub(crate) struct Dispatch {
    pub(crate) tools: ArcSwap<Registry>,
    /// `None` where the tasks extension is not served.
    pub(crate) tasks: Option<Tasks>,
    pub(crate) upstreams: Upstreams,
    pub(crate) identity: ArcSwap<Identity>,
    server_info: Box<RawValue>,
    first_list_wait: Duration,
}

/// The tool a call names.
pub(crate) enum NamedTool<'a> {
    /// One of our own, and the arguments that the call has for it.
    Own(Arc<Registered>, Option<Cow<'a, RawValue>>),
    /// Any other.
    Other(OtherTool),
}

/// A tool that is not our own.
pub(crate) enum OtherTool {
    /// One of an upstream.
    Upstream(Arc<ToolEntry>),
    /// None.
    Unknown(String),
    /// The call should name one and does not.
    Missing,
    /// It is no `tools/call`.
    None,
}

impl NamedTool<'_> {
    /// The name for spans, if it is known; unknown names are the client's, not ours.
    pub(crate) fn known_name(&self) -> Option<&str> {
        match self {
            Self::Own(tool, _) => Some(tool.name()),
            Self::Other(OtherTool::Upstream(entry)) => Some(&entry.name),
            Self::Other(OtherTool::Unknown(_) | OtherTool::Missing | OtherTool::None) => None,
        }
    }

    /// The label for metrics; `None` where no tool is called.
    pub(crate) fn label(&self) -> Option<ToolLabel> {
        match self {
            Self::Own(tool, _) => Some(tool.label().clone()),
            Self::Other(OtherTool::Upstream(entry)) => Some(entry.label.clone()),
            Self::Other(OtherTool::Unknown(_) | OtherTool::Missing) => Some(ToolLabel::unknown()),
            Self::Other(OtherTool::None) => None,
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
        (upstreams, tasks): (Upstreams, Option<Tasks>),
        identity: Identity,
        first_list_wait: Duration,
    ) -> Self {
        let server_info = raw_value(&server_info(&identity));
        let (tools, identity) = (ArcSwap::from_pointee(tools), ArcSwap::from_pointee(identity));
        Self { tools, tasks, upstreams, identity, server_info, first_list_wait }
    }

    /// Finds the tool that `tools/call` names, as a client of that era sees them. At the very
    /// first start an unknown name waits for upstreams whose tools are not known yet.
    /// A tool that the principal does not have is unknown, and takes as long to be so.
    pub(crate) async fn named_tool<'a>(
        &'a self,
        principal: &Principal,
        era: Era,
        request: &'a Request,
    ) -> NamedTool<'a> {
        if request.method != Method::ToolsCall {
            return NamedTool::Other(OtherTool::None);
        }
        let mut params = request.params.as_deref().and_then(RawObject::parse).unwrap_or_default();
        let Some(name) = params.get("name").and_then(text) else {
            return NamedTool::Other(OtherTool::Missing);
        };
        let own = self.tools.load().find(&name).filter(|_| principal.tools().allows(&name));
        if let Some(tool) = own {
            drop(name);
            return NamedTool::Own(tool, params.take("arguments"));
        }
        // Boxed, so that the future of a call of our own tools is small.
        NamedTool::Other(Box::pin(self.other_tool(principal, era, &name)).await)
    }

    async fn other_tool(&self, principal: &Principal, era: Era, name: &str) -> OtherTool {
        if let Some(entry) = self.upstream_tool(principal, era, name) {
            return OtherTool::Upstream(entry);
        }
        self.upstreams.first_known(self.first_list_wait).await;
        let known = self.upstream_tool(principal, era, name);
        known.map_or_else(|| OtherTool::Unknown(name.to_owned()), OtherTool::Upstream)
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

    /// Runs one of our own tools. A client that takes tasks is told of the one that it gave.
    pub(crate) async fn run_own(
        &self,
        tool: &Registered,
        arguments: Option<&RawValue>,
        caller: ToolCaller,
        takes_tasks: bool,
    ) -> Reply {
        let era = caller.era;
        let (mut reply, task) = run_own(tool, arguments, caller).await;
        let task = task
            .filter(|_| takes_tasks)
            .and_then(|id| self.tasks.as_ref().and_then(|tasks| tasks.created_by_agent(&id)));
        if let Some(created) = task {
            reply.payload = Ok(created);
        }
        self.stamped(era, reply)
    }

    /// Answers any other request. `tool` is what [`Dispatch::named_tool`] found for `tools/call`.
    pub(crate) async fn answer(
        &self,
        caller: &Caller,
        request: &Request,
        tool: &OtherTool,
    ) -> Reply {
        self.stamped(caller.era, self.route(caller, request, tool).await)
    }

    fn stamped(&self, era: Era, mut reply: Reply) -> Reply {
        if era == Era::Modern {
            reply.payload = reply.payload.map(|result| identity::stamp(result, &self.server_info));
        }
        reply
    }

    async fn route(&self, caller: &Caller, request: &Request, tool: &OtherTool) -> Reply {
        if let Some(tasks) = self.tasks.as_ref().filter(|_| caller.era == Era::Modern)
            && request.method.is_of_tasks()
        {
            return tasks.answer(caller, request.method, request.params.as_deref()).await;
        }
        if !request.method.is_client_request(caller.era) {
            return client_error(RpcError::method_not_found(&request.name));
        }
        let params = request.params.as_deref();
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "what is no request of a client was refused above"
        )]
        match request.method {
            Method::Ping => own(&json!({})),
            Method::ServerDiscover => Reply {
                payload: Ok(identity::discovery(&self.identity.load(), self.tasks.is_some())),
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
        tool: &OtherTool,
        params: Option<&RawValue>,
    ) -> Reply {
        match tool {
            OtherTool::Missing | OtherTool::None => {
                client_error(RpcError::invalid_params("`name` must be the name of a tool."))
            }
            OtherTool::Unknown(name) => self.unknown(caller, "tool", name),
            OtherTool::Upstream(entry) => {
                if let Some(tasks) = self.tasks.as_ref().filter(|_| caller.takes_tasks())
                    && self.upstreams.is_long_running(entry)
                    && let Some(reply) = tasks.begin(caller, entry, params).await
                {
                    return reply;
                }
                self.upstreams.tool(caller, entry, params).await
            }
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
            None => self.unknown(caller, "prompt", &name),
        }
    }

    /// The answer to a name that nobody has. Of one that the principal may not have as a tool, it says
    /// no more.
    fn unknown(&self, caller: &Caller, what: &str, name: &str) -> Reply {
        let shown: String = name.chars().take(128).collect();
        let mut message = format!("Unknown {what}: {shown}");
        if caller.principal.tools().allows(name)
            && let Some(away) = self.upstreams.may_be_away(caller.era, name)
        {
            message.push_str(". ");
            message.push_str(&away);
        }
        client_error(RpcError::invalid_params(message))
    }
}

/// Runs a tool: what it answered, and the task that it gave.
async fn run_own(
    tool: &Registered,
    arguments: Option<&RawValue>,
    caller: ToolCaller,
) -> (Reply, Option<Arc<str>>) {
    let arguments = match arguments.map(|text| serde_json::from_str::<Value>(text.get())) {
        None => json!({}),
        Some(Ok(arguments)) if arguments.is_object() => arguments,
        Some(Ok(_)) => {
            let error = RpcError::invalid_params("`arguments` must be an object.");
            return (client_error(error), None);
        }
        Some(Err(error)) => {
            let reason = format!("`arguments` cannot be read: {error}");
            return (client_error(RpcError::invalid_params(reason)), None);
        }
    };
    let run = tool.run(ToolInput { arguments, caller }).await;
    (Reply { payload: run.payload, outcome: run.outcome }, run.task)
}

//! The methods of MCP as a closed set.

use crate::Era;

macro_rules! methods {
    ($( $(#[$doc:meta])* $variant:ident = $name:literal ),* $(,)?) => {
        /// A JSON-RPC method this build knows by name. Everything else is [`Method::Other`],
        /// so a method may always be used as a metric label.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Method { $( $(#[$doc])* $variant, )* /** Any name not in the table. */ Other }

        impl Method {
            /// Every method, [`Method::Other`] last.
            pub const ALL: &[Self] = &[ $( Self::$variant, )* Self::Other ];

            /// The wire name; `_OTHER` for [`Method::Other`].
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $name, )* Self::Other => "_OTHER" }
            }

            /// The method of that name.
            #[must_use]
            pub fn parse(name: &str) -> Self {
                match name { $( $name => Self::$variant, )* _ => Self::Other }
            }
        }
    };
}

methods! {
    /// `initialize`
    Initialize = "initialize",
    /// `ping`
    Ping = "ping",
    /// `server/discover`
    ServerDiscover = "server/discover",
    /// `subscriptions/listen`
    SubscriptionsListen = "subscriptions/listen",
    /// `tools/list`
    ToolsList = "tools/list",
    /// `tools/call`
    ToolsCall = "tools/call",
    /// `resources/list`
    ResourcesList = "resources/list",
    /// `resources/templates/list`
    ResourcesTemplatesList = "resources/templates/list",
    /// `resources/read`
    ResourcesRead = "resources/read",
    /// `resources/subscribe`
    ResourcesSubscribe = "resources/subscribe",
    /// `resources/unsubscribe`
    ResourcesUnsubscribe = "resources/unsubscribe",
    /// `prompts/list`
    PromptsList = "prompts/list",
    /// `prompts/get`
    PromptsGet = "prompts/get",
    /// `completion/complete`
    CompletionComplete = "completion/complete",
    /// `logging/setLevel`
    LoggingSetLevel = "logging/setLevel",
    /// `tasks/get`
    TasksGet = "tasks/get",
    /// `tasks/update`
    TasksUpdate = "tasks/update",
    /// `tasks/cancel`
    TasksCancel = "tasks/cancel",
    /// `tasks/list` (2025-11-25 only)
    TasksList = "tasks/list",
    /// `tasks/result` (2025-11-25 only)
    TasksResult = "tasks/result",
    /// `sampling/createMessage`
    SamplingCreateMessage = "sampling/createMessage",
    /// `elicitation/create`
    ElicitationCreate = "elicitation/create",
    /// `roots/list`
    RootsList = "roots/list",
    /// `notifications/initialized`
    Initialized = "notifications/initialized",
    /// `notifications/cancelled`
    Cancelled = "notifications/cancelled",
    /// `notifications/progress`
    Progress = "notifications/progress",
    /// `notifications/message`
    LogMessage = "notifications/message",
    /// `notifications/roots/list_changed`
    RootsListChanged = "notifications/roots/list_changed",
    /// `notifications/tools/list_changed`
    ToolsListChanged = "notifications/tools/list_changed",
    /// `notifications/resources/list_changed`
    ResourcesListChanged = "notifications/resources/list_changed",
    /// `notifications/resources/updated`
    ResourcesUpdated = "notifications/resources/updated",
    /// `notifications/prompts/list_changed`
    PromptsListChanged = "notifications/prompts/list_changed",
    /// `notifications/elicitation/complete`
    ElicitationComplete = "notifications/elicitation/complete",
    /// `notifications/tasks/status` (2025-11-25 only)
    TasksStatus = "notifications/tasks/status",
    /// `notifications/tasks`
    TasksChanged = "notifications/tasks",
    /// `notifications/subscriptions/acknowledged`
    SubscriptionsAcknowledged = "notifications/subscriptions/acknowledged",
}

impl Method {
    /// The parameter that the `Mcp-Name` header must repeat, where there is one.
    #[must_use]
    pub const fn name_param(self) -> Option<&'static str> {
        #[expect(clippy::wildcard_enum_match_arm, reason = "all other methods have no name")]
        match self {
            Self::ToolsCall | Self::PromptsGet => Some("name"),
            Self::ResourcesRead => Some("uri"),
            Self::TasksGet | Self::TasksUpdate | Self::TasksCancel => Some("taskId"),
            _ => None,
        }
    }

    /// Whether a client may send this as a request in that era. Tasks are an extension and
    /// belong to neither core set.
    #[must_use]
    pub const fn is_client_request(self, era: Era) -> bool {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "all others are not requests of a client"
        )]
        match self {
            Self::ToolsList
            | Self::ToolsCall
            | Self::ResourcesList
            | Self::ResourcesTemplatesList
            | Self::ResourcesRead
            | Self::PromptsList
            | Self::PromptsGet
            | Self::CompletionComplete => true,
            Self::Initialize
            | Self::Ping
            | Self::ResourcesSubscribe
            | Self::ResourcesUnsubscribe
            | Self::LoggingSetLevel => matches!(era, Era::Legacy),
            Self::ServerDiscover | Self::SubscriptionsListen => matches!(era, Era::Modern),
            _ => false,
        }
    }

    /// Whether it is a request of the tasks extension of the modern era.
    #[must_use]
    pub const fn is_of_tasks(self) -> bool {
        matches!(self, Self::TasksGet | Self::TasksUpdate | Self::TasksCancel)
    }

    /// Whether a complete modern result of it must carry `ttlMs` and `cacheScope` (SEP-2549).
    #[must_use]
    pub const fn is_cacheable(self) -> bool {
        matches!(
            self,
            Self::ServerDiscover
                | Self::ToolsList
                | Self::PromptsList
                | Self::ResourcesList
                | Self::ResourcesTemplatesList
                | Self::ResourcesRead
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_unknown_ones_are_other() {
        for method in Method::ALL.iter().filter(|method| **method != Method::Other) {
            assert_eq!(Method::parse(method.as_str()), *method);
        }
        assert_eq!(Method::parse("tools/Call"), Method::Other);
        assert_eq!(Method::parse("_OTHER"), Method::Other);
    }
}

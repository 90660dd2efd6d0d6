//! What is known of a server: what it said of itself, and its lists. Answers the agent when the
//! server is away. Values only.

use mcp_client::ServerInfo;
use mcp_protocol::{Method, RawObject, RawValue, raw_value};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// A list that a server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum List {
    Tools,
    Prompts,
    Resources,
    Templates,
}

impl List {
    pub(super) const ALL: [Self; 4] =
        [Self::Tools, Self::Prompts, Self::Resources, Self::Templates];

    /// The list that a request asks for.
    pub(super) fn asked_by(method: Method) -> Option<Self> {
        Self::ALL.into_iter().find(|list| list.method() == method)
    }

    /// The lists that a notification is about.
    pub(super) fn changed_by(method: Method) -> &'static [Self] {
        #[expect(clippy::wildcard_enum_match_arm, reason = "all others are about no list")]
        match method {
            Method::ToolsListChanged => &[Self::Tools],
            Method::PromptsListChanged => &[Self::Prompts],
            Method::ResourcesListChanged => &[Self::Resources, Self::Templates],
            _ => &[],
        }
    }

    /// The request for it.
    pub(super) const fn method(self) -> Method {
        match self {
            Self::Tools => Method::ToolsList,
            Self::Prompts => Method::PromptsList,
            Self::Resources => Method::ResourcesList,
            Self::Templates => Method::ResourcesTemplatesList,
        }
    }

    /// The notification that it changed.
    pub(super) const fn news(self) -> Method {
        match self {
            Self::Tools => Method::ToolsListChanged,
            Self::Prompts => Method::PromptsListChanged,
            Self::Resources | Self::Templates => Method::ResourcesListChanged,
        }
    }

    /// The capability that promises it.
    pub(super) const fn capability(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources | Self::Templates => "resources",
        }
    }

    /// Where its entries stand in an answer.
    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
        }
    }

    /// What tells its entries apart.
    const fn name(self) -> &'static str {
        match self {
            Self::Tools | Self::Prompts => "name",
            Self::Resources => "uri",
            Self::Templates => "uriTemplate",
        }
    }
}

/// What is known of a server.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Known {
    info: Option<Box<RawValue>>,
    instructions: Option<String>,
    lists: BTreeMap<List, Vec<Box<RawValue>>>,
    /// Tools that are listed although the server does not list them now.
    #[serde(skip)]
    missed: BTreeSet<String>,
}

/// What a tool says about being called twice, and about headers.
#[derive(Debug, Default)]
pub(super) struct ToolFacts {
    /// Calling it again does no harm.
    pub(super) repeatable: bool,
    /// Its `inputSchema`, if it has one.
    pub(super) schema: Option<Box<RawValue>>,
}

impl Known {
    /// Whether the server ever told us about itself.
    pub(super) const fn has_met(&self) -> bool {
        self.info.is_some()
    }

    /// Takes what the server says of itself now.
    pub(super) fn meet(&mut self, server: &ServerInfo) {
        let unnamed = || raw_value(&json!({ "name": "unnamed", "version": "0" }));
        self.info = Some(server.info.clone().unwrap_or_else(unnamed));
        self.instructions.clone_from(&server.instructions);
    }

    /// Who answers: the server, or we as long as we know none.
    pub(super) fn info(&self) -> Box<RawValue> {
        let ours = || {
            raw_value(
                &json!({ "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION") }),
            )
        };
        self.info.clone().unwrap_or_else(ours)
    }

    /// What the server tells a model about itself.
    pub(super) fn instructions(&self) -> Option<&str> {
        self.instructions.as_deref()
    }

    /// A list; `None` when it was never seen.
    pub(super) fn list(&self, list: List) -> Option<&[Box<RawValue>]> {
        self.lists.get(&list).map(Vec::as_slice)
    }

    /// Takes what a list is now, and says whether that is news. A server that has just come back
    /// may not have found all of its tools yet: with `grows_only` an entry that is missing stays.
    pub(super) fn learn(
        &mut self,
        list: List,
        mut now: Vec<Box<RawValue>>,
        grows_only: bool,
    ) -> bool {
        let before = self.lists.get(&list).map(Vec::as_slice).unwrap_or_default();
        let named = |entry: &RawValue| RawObject::parse(entry)?.get_str(list.name());
        let mut missed = Vec::new();
        if grows_only {
            let there: HashSet<_> = now.iter().map(|entry| named(entry)).collect();
            let kept: Vec<_> =
                before.iter().filter(|entry| !there.contains(&named(entry))).cloned().collect();
            missed.extend(kept.iter().filter_map(|entry| named(entry)));
            now.extend(kept);
        }
        if list == List::Tools {
            self.missed = missed.into_iter().collect();
        }
        let text = |entries: &[Box<RawValue>]| -> Vec<String> {
            let mut text: Vec<String> =
                entries.iter().map(|entry| entry.get().to_owned()).collect();
            text.sort_unstable();
            text
        };
        let is_news = text(before) != text(&now);
        if is_news || !self.lists.contains_key(&list) {
            self.lists.insert(list, now);
        }
        is_news
    }

    /// Whether a tool is listed.
    pub(super) fn has_tool(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Whether it is listed although the server does not list it now.
    pub(super) fn is_missed(&self, name: &str) -> bool {
        self.missed.contains(name)
    }

    fn find(&self, name: &str) -> Option<RawObject<'_>> {
        let tools = self.lists.get(&List::Tools).into_iter().flatten();
        tools
            .filter_map(|tool| RawObject::parse(tool))
            .find(|tool| tool.get_str("name").as_deref() == Some(name))
    }

    /// What is known of a tool.
    pub(super) fn tool(&self, name: &str) -> ToolFacts {
        let Some(tool) = self.find(name) else { return ToolFacts::default() };
        let hints = tool.get("annotations").and_then(RawObject::parse).unwrap_or_default();
        let says = |hint: &str| hints.get(hint).is_some_and(|value| value.get() == "true");
        ToolFacts {
            repeatable: says("readOnlyHint") || says("idempotentHint"),
            schema: tool.get("inputSchema").map(ToOwned::to_owned),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(names: &[&str]) -> Vec<Box<RawValue>> {
        names.iter().map(|name| raw_value(&json!({ "name": name }))).collect()
    }

    fn names(known: &Known) -> Vec<String> {
        let list = known.list(List::Tools).unwrap_or_default();
        list.iter().filter_map(|tool| RawObject::parse(tool)?.get_str("name")).collect()
    }

    #[test]
    fn a_list_shrinks_only_when_it_may() {
        let mut known = Known::default();
        assert!(known.list(List::Tools).is_none());
        assert!(known.learn(List::Tools, entries(&["a", "b"]), true));
        assert!(!known.learn(List::Tools, entries(&["b"]), true), "nothing changed for the agent");
        assert_eq!(names(&known), ["a", "b"]);
        assert!(known.is_missed("a") && !known.is_missed("b") && known.has_tool("a"));
        assert!(known.learn(List::Tools, entries(&["c"]), true));
        assert_eq!(names(&known), ["c", "a", "b"]);
        assert!(known.learn(List::Tools, entries(&["c"]), false));
        assert_eq!(names(&known), ["c"]);
        assert!(!known.learn(List::Prompts, vec![], false), "empty as it was");
        assert!(known.list(List::Prompts).is_some_and(<[_]>::is_empty));
    }

    #[test]
    fn a_tool_says_whether_it_may_be_called_twice() {
        let mut known = Known::default();
        let tools = vec![
            raw_value(&json!({ "name": "read", "annotations": { "readOnlyHint": true } })),
            raw_value(&json!({ "name": "write", "annotations": { "readOnlyHint": false } })),
        ];
        known.learn(List::Tools, tools, false);
        assert!(known.tool("read").repeatable);
        assert!(!known.tool("write").repeatable && !known.tool("unheard of").repeatable);
    }
}

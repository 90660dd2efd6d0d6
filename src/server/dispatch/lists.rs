//! The lists as a client of an era gets them: one page, in a stable order.

use crate::{
    call::{Caller, ToolPolicy},
    tools::Registry,
    upstream::Catalogue,
};
use mcp_protocol::{Era, Method, RawObject, RawValue};

/// How long a modern client may keep a list, in milliseconds. Short, because upstreams come and
/// go; a client that listens hears of every change at once.
const TTL_MS: u64 = 5_000;

/// Writes the result of a list method. Tools that the caller does not have are not in it.
pub(super) fn render(
    caller: &Caller,
    method: Method,
    own: &Registry,
    catalogue: &Catalogue,
) -> Box<RawValue> {
    let era = caller.era;
    #[expect(clippy::wildcard_enum_match_arm, reason = "only list methods come here")]
    let (key, definitions) = match method {
        Method::PromptsList => ("prompts", catalogue.prompts(era)),
        Method::ResourcesList => ("resources", catalogue.resources(era)),
        Method::ResourcesTemplatesList => ("resourceTemplates", catalogue.templates(era)),
        _ => ("tools", catalogue.tools(era)),
    };
    let of_upstreams = definitions.iter().map(AsRef::as_ref);
    let items: Vec<&RawValue> = if key == "tools" {
        allowed(caller.principal.tools(), own.definitions().chain(of_upstreams))
    } else {
        of_upstreams.collect()
    };
    let mut result = RawObject::default();
    result.set_value(key, &items);
    if era == Era::Modern {
        result.set_value("resultType", &"complete");
        result.set_value("ttlMs", &TTL_MS);
        result.set_value("cacheScope", &"private");
    }
    result.to_raw()
}

/// The definitions of the tools that a principal has. Names are read only where there are lists
/// to hold them against.
fn allowed<'a>(
    policy: &ToolPolicy,
    definitions: impl Iterator<Item = &'a RawValue>,
) -> Vec<&'a RawValue> {
    if policy.is_open() {
        return definitions.collect();
    }
    let has = |definition: &&RawValue| {
        let name = RawObject::parse(definition).and_then(|tool| tool.get_str("name"));
        name.is_some_and(|name| policy.allows(&name))
    };
    definitions.filter(has).collect()
}

//! Which tools each principal has: by its name, else by the closest pattern that fits it.

use crate::{
    call::{Pattern, Principal, ToolPolicy},
    config::ToolLists,
};
use std::collections::{BTreeMap, HashMap};

/// The lists of all principals.
#[derive(Debug, Default)]
pub(super) struct Policies {
    by_name: HashMap<String, ToolPolicy>,
    /// The closest first.
    by_pattern: Vec<(Pattern, ToolPolicy)>,
}

impl Policies {
    pub(super) fn new(lists: &BTreeMap<String, ToolLists>) -> Self {
        let mut policies = Self::default();
        for (name, ToolLists { allow, deny }) in lists {
            let policy = ToolPolicy::new(allow.as_deref(), deny);
            if name.contains('*') {
                policies.by_pattern.push((Pattern::new(name), policy));
            } else {
                policies.by_name.insert(name.clone(), policy);
            }
        }
        policies.by_pattern.sort_by_key(|(pattern, _)| std::cmp::Reverse(pattern.weight()));
        policies
    }

    /// The principal of that name, with its tools.
    pub(super) fn principal(&self, name: &str) -> Principal {
        let by_pattern = || {
            let fits = |(pattern, _): &&(Pattern, ToolPolicy)| pattern.matches(name);
            self.by_pattern.iter().find(fits).map(|(_, policy)| policy)
        };
        let policy = self.by_name.get(name).or_else(by_pattern).cloned().unwrap_or_default();
        Principal::named(name).with_tools(policy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_comes_first_then_the_closest_pattern() {
        let only = |tool: &str| ToolLists { allow: Some(vec![tool.to_owned()]), deny: vec![] };
        let lists = [("ci", "a"), ("jwt:*", "b"), ("jwt:team-*", "c"), ("jwt:team-me", "d")];
        let lists = lists.map(|(name, tool)| (name.to_owned(), only(tool)));
        let policies = Policies::new(&BTreeMap::from(lists));
        for (name, tool) in
            [("ci", "a"), ("jwt:you", "b"), ("jwt:team-you", "c"), ("jwt:team-me", "d")]
        {
            let principal = policies.principal(name);
            assert!(principal.tools().allows(tool) && !principal.tools().allows("x"), "{name}");
        }
        assert!(policies.principal("token").tools().is_open());
    }
}

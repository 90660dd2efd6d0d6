//! Which tools a principal has: a pure decision over names. A tool that is denied does not
//! exist for the principal.

use std::sync::Arc;

/// The tools of one principal.
#[derive(Debug, Clone, Default)]
pub(crate) struct ToolPolicy(Option<Arc<Rules>>);

#[derive(Debug)]
struct Rules {
    allow: Option<Vec<Pattern>>,
    deny: Vec<Pattern>,
}

impl ToolPolicy {
    /// Only what `allow` names, if it is given, and nothing that `deny` names.
    pub(crate) fn new(allow: Option<&[String]>, deny: &[String]) -> Self {
        let patterns = |texts: &[String]| texts.iter().map(|text| Pattern::new(text)).collect();
        Self(Some(Arc::new(Rules { allow: allow.map(patterns), deny: patterns(deny) })))
    }

    /// Whether every tool is allowed, so that nobody needs to ask for each.
    pub(crate) fn is_open(&self) -> bool {
        self.0.is_none()
    }

    /// Whether the principal has the tool of that public name.
    pub(crate) fn allows(&self, tool: &str) -> bool {
        let Some(rules) = &self.0 else { return true };
        let names = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(tool));
        rules.allow.as_deref().is_none_or(names) && !names(&rules.deny)
    }
}

/// A text in which `*` stands for any text, also for none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    parts: Vec<Box<str>>,
}

impl Pattern {
    pub(crate) fn new(text: &str) -> Self {
        Self { parts: text.split('*').map(Into::into).collect() }
    }

    /// Letters that must match as they are: the more, the closer the pattern.
    pub(crate) fn weight(&self) -> usize {
        self.parts.iter().map(|part| part.len()).sum()
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        let [first, middle @ .., last] = self.parts.as_slice() else {
            return self.parts.first().is_some_and(|only| **only == *text);
        };
        let Some(mut rest) =
            text.strip_prefix(&**first).and_then(|text| text.strip_suffix(&**last))
        else {
            return false;
        };
        for part in middle {
            match rest.find(&**part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, yes, no) in [
            ("echo", &["echo"][..], &["", "echo2", "Echo"][..]),
            ("*", &["", "a", "fs__read"], &[]),
            ("fs__*", &["fs__", "fs__read"], &["fs_read", "xfs__read"]),
            ("*__read", &["fs__read", "__read"], &["fs__reads"]),
            ("a*b*c", &["abc", "aXbYc", "abbc"], &["ac", "acb", "abcX"]),
            ("aa*aa", &["aaaa", "aaXaa"], &["aaa", "aa"]),
            ("**", &["", "x"], &[]),
            ("", &[""], &["x"]),
        ] {
            let compiled = Pattern::new(pattern);
            for text in yes {
                assert!(compiled.matches(text), "{pattern} {text}");
            }
            for text in no {
                assert!(!compiled.matches(text), "{pattern} {text}");
            }
        }
    }

    #[test]
    fn deny_wins_over_allow_and_no_list_allows_all() {
        let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        let open = ToolPolicy::default();
        assert!(open.is_open() && open.allows("anything"));
        let both = ToolPolicy::new(Some(&texts(&["fs__*", "echo"])), &texts(&["fs__write"]));
        for (tool, allowed) in
            [("fs__read", true), ("echo", true), ("fs__write", false), ("session_info", false)]
        {
            assert_eq!(both.allows(tool), allowed, "{tool}");
        }
        let denied = ToolPolicy::new(None, &texts(&["fs__*"]));
        assert!(denied.allows("echo") && !denied.allows("fs__read"));
        assert!(!ToolPolicy::new(Some(&[]), &[]).allows("echo"), "an empty list allows nothing");
    }
}

//! The pages of a list put together, bounded. Values only.

use super::known::List;
use mcp_protocol::{RawObject, RawValue, RpcError, code};
use std::collections::HashSet;

/// Most entries of one list.
const MOST_ENTRIES: usize = 10_000;
/// Most bytes of one list.
const MOST_BYTES: usize = 32 << 20;

/// What was read of a list so far.
#[derive(Default)]
pub(super) struct Pages {
    pub(super) entries: Vec<Box<RawValue>>,
    bytes: usize,
    seen: HashSet<String>,
}

impl Pages {
    /// Takes a page, and gives the cursor of the next one, unless that was asked for already.
    pub(super) fn take(&mut self, list: List, page: &RawValue) -> Result<Option<String>, RpcError> {
        let no_list = || RpcError::new(code::INTERNAL, "The server's list is none");
        let page = RawObject::parse(page).ok_or_else(no_list)?;
        let found = page.get(list.key()).ok_or_else(no_list)?;
        let found: Vec<Box<RawValue>> = serde_json::from_str(found.get()).map_err(|_| no_list())?;
        self.bytes += found.iter().map(|entry| entry.get().len()).sum::<usize>();
        self.entries.extend(found);
        if self.entries.len() > MOST_ENTRIES || self.bytes > MOST_BYTES {
            return Err(RpcError::new(code::INTERNAL, "The server's list is too large"));
        }
        Ok(page.get_str("nextCursor").filter(|next| self.seen.insert(next.clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_protocol::raw_value;
    use serde_json::json;

    fn page(entry: &str, next: Option<&str>) -> Box<RawValue> {
        raw_value(&json!({ "tools": [{ "name": entry }], "nextCursor": next }))
    }

    #[test]
    fn a_list_ends_with_its_last_page_or_a_cursor_that_comes_again() {
        for last in [None, Some("x")] {
            let mut pages = Pages::default();
            let next = pages.take(List::Tools, &page("a", Some("x"))).expect("a list");
            assert_eq!(next.as_deref(), Some("x"));
            assert_eq!(pages.take(List::Tools, &page("b", last)).expect("a list"), None);
            assert_eq!(pages.entries.len(), 2);
        }
    }

    #[test]
    fn a_list_that_is_too_large_or_none_is_refused() {
        let mut pages = Pages::default();
        let half = page(&"x".repeat(MOST_BYTES / 2), Some("x"));
        assert!(pages.take(List::Tools, &half).is_ok());
        assert!(pages.take(List::Tools, &half).is_err());
        let many = raw_value(&json!({ "tools": vec![0; MOST_ENTRIES + 1] }));
        assert!(Pages::default().take(List::Tools, &many).is_err());
        assert!(Pages::default().take(List::Prompts, &page("a", None)).is_err());
    }
}

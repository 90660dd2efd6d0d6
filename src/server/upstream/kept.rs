//! What the store keeps of an upstream, there and back: its lists, and what tells one target from
//! another.

use super::{
    listing::{List, Listing},
    one::Upstream,
    pages::{is_modern_http, read_items, wire},
};
use mcp_client::Target;
use mcp_protocol::{Era, RawValue};
use mcp_store::{CatalogueChange, ListKey, ListKind, StoredList, UtcMillis};
use mcp_telemetry::{Event, OutageCause};
use sha2::{Digest, Sha256};
use std::{collections::HashSet, sync::Arc, time::Duration};

/// Tells a target from others, without its secrets: a new token is no new server. Of a query, of
/// headers and of an environment only the names count, since their values may be secret.
pub(super) fn fingerprint(target: &Target) -> Arc<str> {
    let mut parts: Vec<String> = Vec::new();
    match target {
        Target::Stdio(stdio) => {
            parts.extend(["stdio".to_owned(), stdio.command.clone()]);
            parts.push(stdio.cwd.as_ref().map_or_else(String::new, |cwd| format!("{cwd:?}")));
            parts.extend(stdio.env.keys().map(|name| format!("env {name}")));
            parts.extend(stdio.args.iter().map(|argument| format!("arg {argument}")));
        }
        Target::Http(http) | Target::WebSocket(http) => {
            let mut url = http.url.clone();
            let names: Vec<String> =
                url.query_pairs().map(|(name, _)| format!("query {name}")).collect();
            // Both fail only for URLs without a host, and these have one.
            let _user = url.set_username("");
            let _password = url.set_password(None);
            url.set_query(None);
            url.set_fragment(None);
            parts.extend(["http".to_owned(), url.into()]);
            parts.extend(names);
        }
    }
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

/// How the time before this process went by: what it left, and when it was last alive.
pub(super) struct Before {
    pub(super) last_alive: Option<UtcMillis>,
    pub(super) now: UtcMillis,
}

impl Upstream {
    /// Lists again what the store kept, if that was of the same target: all of it is stale, since
    /// the upstream was last known to be there.
    pub(super) fn list_kept(&self, kept: Vec<StoredList>, before: &Before) {
        if kept.is_empty() {
            return;
        }
        let config = self.config();
        let target = fingerprint(&config.target);
        let is_ours = |list: &StoredList| {
            list.target == target && config.era.is_none_or(|era| era == list.key.era)
        };
        let (ours, others): (Vec<_>, Vec<_>) = kept.into_iter().partition(is_ours);
        if !others.is_empty() {
            self.forget_kept(None);
            ours.iter().for_each(|list| self.note(CatalogueChange::Listed(list.clone())));
        }
        self.count_downtime(&ours, before);
        let most = self.shared.limits.now().max_stale;
        for list in ours {
            let since = list.stale_since.or(before.last_alive).unwrap_or(list.refreshed);
            if before.now.since(since) < most {
                self.note(CatalogueChange::Stale(list.key.clone(), since));
                self.restore_list(&list, since);
            }
        }
        self.tell_restored();
    }

    fn restore_list(&self, kept: &StoredList, since: UtcMillis) {
        let items: Vec<Box<RawValue>> = serde_json::from_str(&kept.items).unwrap_or_default();
        let over_http = is_modern_http(self.config().target.network(), kept.key.era);
        let (_, _, key) = wire(kept.key.kind);
        let lane = self.lane(kept.key.era);
        let mut listing = Listing::clone(&lane.listing.load_full().unwrap_or_default());
        let list = listing.list_mut(kept.key.kind);
        // What is wrong with them was told when they were read.
        list.items = read_items(&items, key, over_http, &mut Vec::new());
        (list.refreshed, list.stale_since) = (kept.refreshed, Some(since));
        let [resources, templates] = [&listing.resources, &listing.templates];
        listing.reads = !resources.items.is_empty() || !templates.items.is_empty();
        lane.listing.store(Some(Arc::new(listing)));
    }

    fn tell_restored(&self) {
        let listings = self.lanes().map(|lane| lane.listing.load_full());
        let tools = listings.iter().flatten().map(|listing| &listing.tools);
        let Some(refreshed) = tools.clone().map(|list| list.refreshed).max() else { return };
        let refreshed =
            Duration::from_millis(u64::try_from(refreshed.as_millis()).unwrap_or_default());
        let tools = tools.map(|list| list.items.len()).max().unwrap_or_default();
        let upstream = &self.label;
        self.shared.telemetry.emit(&Event::CatalogueRestored { upstream, tools, refreshed });
        self.gone_because(OutageCause::Unreachable);
        // A list need not wait for what it shows already.
        self.known.send_replace(true);
    }

    /// Our own downtime is time in which no tool could be called.
    fn count_downtime(&self, kept: &[StoredList], before: &Before) {
        let Some(last_alive) = before.last_alive else { return };
        let mut tools = HashSet::new();
        for list in kept.iter().filter(|list| list.key.kind == ListKind::Tools) {
            let items: Vec<&RawValue> = serde_json::from_str(&list.items).unwrap_or_default();
            let name = |item: &RawValue| mcp_protocol::RawObject::parse(item)?.get_str("name");
            tools.extend(items.into_iter().filter_map(name));
        }
        let downtime = before.now.since(last_alive).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "no upstream has 2^53 tools")]
        let seconds = tools.len() as f64 * downtime;
        let unavailable = &[(OutageCause::OrchestratorDown, seconds)];
        let upstream = &self.label;
        self.shared.telemetry.emit(&Event::ToolTimePassed { upstream, seconds, unavailable });
    }

    /// Keeps those lists of a listing.
    pub(super) fn keep_lists(&self, era: Era, listing: &Listing, which: impl Fn(&List) -> bool) {
        let target = fingerprint(&self.config().target);
        for kind in ListKind::ALL {
            let list = listing.list(kind);
            if !which(list) {
                continue;
            }
            let items: Vec<&RawValue> = list.items.iter().map(|item| &*item.definition).collect();
            self.note(CatalogueChange::Listed(StoredList {
                key: self.key(era, kind),
                target: target.clone(),
                refreshed: list.refreshed,
                stale_since: list.stale_since,
                items: mcp_protocol::raw_value(&items).get().into(),
            }));
        }
    }

    /// Keeps since when the lists of an era are stale.
    pub(super) fn keep_stale(&self, era: Era, since: UtcMillis) {
        for kind in ListKind::ALL {
            self.note(CatalogueChange::Stale(self.key(era, kind), since));
        }
    }

    /// What the store keeps of it, in one era or in all, is of no use any more.
    pub(super) fn forget_kept(&self, era: Option<Era>) {
        self.note(CatalogueChange::Forgotten(self.name.clone(), era));
    }

    fn key(&self, era: Era, kind: ListKind) -> ListKey {
        ListKey { upstream: self.name.clone(), era, kind }
    }

    fn note(&self, change: CatalogueChange) {
        // What is dropped the store reports itself.
        let _noted = self.shared.store.note_catalogue(change);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_client::Secret;

    fn http(url: &str, token: &str) -> Arc<str> {
        let headers = [("authorization".to_owned(), Secret::from(token))];
        fingerprint(&Target::http(url, headers.into()).expect("a URL"))
    }

    fn stdio(command: &str, args: &[&str], key: &str) -> Arc<str> {
        let args = args.iter().map(ToString::to_string).collect();
        let env = [("KEY".to_owned(), Secret::from(key))];
        fingerprint(&Target::stdio(command.to_owned(), args, env.into(), None))
    }

    #[test]
    fn another_server_is_told_from_another_secret() {
        let known = http("https://me:one@a.test/mcp?key=one", "one");
        assert_eq!(known, http("https://you:two@a.test/mcp?key=two", "two"));
        assert_ne!(known, http("https://b.test/mcp?key=one", "one"));
        assert_ne!(known, http("https://a.test/other?key=one", "one"));
        assert_ne!(known, http("https://a.test/mcp", "one"));
        let known = stdio("server", &["a", "b"], "one");
        assert_eq!(known, stdio("server", &["a", "b"], "two"));
        assert_ne!(known, stdio("server", &["ab"], "one"));
        assert_ne!(known, stdio("other", &["a", "b"], "one"));
    }
}

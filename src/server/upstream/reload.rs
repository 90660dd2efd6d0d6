//! What becomes of the upstreams when the configuration changes: who stays keeps its connection,
//! who goes may finish its calls, who comes is started.

use super::{Upstreams, one::Upstream, own, shared::Shared, supervisor};
use crate::config::{Config, UpstreamConfig};
use mcp_store::StoredList;
use std::{sync::Arc, time::Duration};

/// What a reload did to the upstreams, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct UpstreamChanges {
    pub(crate) added: Vec<String>,
    pub(crate) removed: Vec<String>,
    pub(crate) changed: Vec<String>,
}

/// How an upstream stands to what was configured under its name before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is elsewhere now, or speaks something else: it is connected anew.
    Moved,
    /// It is where it was, and other names or times apply to it.
    Tuned,
    /// It is as it was.
    Same,
}

fn fate(before: &UpstreamConfig, now: &UpstreamConfig) -> Fate {
    if before == now {
        Fate::Same
    } else if (&before.target, before.era) == (&now.target, now.era) {
        Fate::Tuned
    } else {
        Fate::Moved
    }
}

/// An upstream with what the configuration says for all of them.
fn whole(one: &UpstreamConfig, config: &Config) -> UpstreamConfig {
    UpstreamConfig { prefix: one.prefix.or(Some(config.names.prefix)), ..one.clone() }
}

/// What a reload comes to, upstream by upstream.
#[derive(Default)]
struct Turn {
    changes: UpstreamChanges,
    /// What the store kept: of those that are new.
    kept: Vec<StoredList>,
    fresh: Vec<Arc<Upstream>>,
    gone: Vec<Arc<Upstream>>,
}

impl Turn {
    /// The upstream that goes by this name from here on.
    fn next(
        &mut self,
        known: Option<&Arc<Upstream>>,
        name: &str,
        now: UpstreamConfig,
        shared: &Arc<Shared>,
    ) -> Arc<Upstream> {
        let Some(known) = known else {
            self.changes.added.push(name.to_owned());
            return self.start(name, now, shared);
        };
        let fate = fate(&known.config(), &now);
        if fate != Fate::Same {
            self.changes.changed.push(name.to_owned());
        }
        if fate != Fate::Moved {
            known.tune(now);
            return Arc::clone(known);
        }
        let new = self.start(name, now, shared);
        new.take_over(known);
        self.gone.push(Arc::clone(known));
        new
    }

    fn start(&mut self, name: &str, now: UpstreamConfig, shared: &Arc<Shared>) -> Arc<Upstream> {
        let new = Arc::new(Upstream::new(name, now, Arc::clone(shared)));
        let (kept, others) = std::mem::take(&mut self.kept)
            .into_iter()
            .partition(|list| *list.key.upstream == *name);
        self.kept = others;
        new.list_kept(kept, &shared.before());
        self.fresh.push(Arc::clone(&new));
        new
    }
}

impl Upstreams {
    /// Makes the upstreams those of this configuration. `reserved` are the names of our own
    /// tools. Returns at once; what goes has the configuration's `drain` to finish its calls.
    pub(crate) fn reload(&self, config: &Config, reserved: Vec<String>) -> UpstreamChanges {
        self.turn(config, reserved, Turn::default())
    }

    /// Makes them those of the first configuration, with what the store kept of them.
    pub(super) fn begin(&self, config: &Config, reserved: Vec<String>, kept: Vec<StoredList>) {
        self.turn(config, reserved, Turn { kept, ..Turn::default() });
    }

    fn turn(&self, config: &Config, reserved: Vec<String>, mut turn: Turn) -> UpstreamChanges {
        let before = self.all();
        let shared = &self.inner.shared;
        let next = |(name, one): (&String, &UpstreamConfig)| {
            let known = before.iter().find(|upstream| *upstream.name == **name);
            turn.next(known, name, whole(one, config), shared)
        };
        let after: Vec<_> = config.upstreams.iter().map(next).collect();
        let Turn { mut changes, kept, fresh, mut gone } = turn;
        shared.forget(kept.into_iter().map(|list| list.key.upstream));
        for known in before.iter().filter(|known| !config.upstreams.contains_key(&*known.name)) {
            changes.removed.push(known.name.to_string());
            shared.forget([Arc::clone(&known.name)]);
            gone.push(Arc::clone(known));
        }
        shared.introduce(&after, reserved);
        self.inner.upstreams.store(Arc::new(after));
        self.let_go(gone, config.drain);
        self.take_up(fresh);
        shared.rebuild(&[]);
        changes
    }

    /// Starts what is new.
    fn take_up(&self, fresh: Vec<Arc<Upstream>>) {
        let tasks = &self.inner.shared.tasks;
        for upstream in fresh {
            upstream.starting();
            tasks.spawn(supervisor::supervise(Arc::clone(&upstream)));
            tasks.spawn(own::sweep(upstream));
        }
    }

    /// Stops what is gone, once its calls in flight have ended or had their time.
    fn let_go(&self, gone: Vec<Arc<Upstream>>, drain: Duration) {
        for upstream in gone {
            upstream.stopped();
            upstream.calls.close();
            self.inner.shared.tasks.spawn(async move {
                tokio::select! {
                    () = upstream.calls.wait() => {}
                    () = tokio::time::sleep(drain) => {}
                    () = upstream.stop.cancelled() => {}
                }
                upstream.stop.cancel();
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_client::Target;
    use mcp_protocol::Era;

    fn at(url: &str) -> UpstreamConfig {
        let target = Target::http(url, [].into()).expect("a URL");
        UpstreamConfig::at(target)
    }

    #[test]
    fn only_who_is_elsewhere_or_speaks_otherwise_is_connected_anew() {
        let known = at("http://a/mcp");
        assert_eq!(fate(&known, &known.clone()), Fate::Same);
        assert_eq!(fate(&known, &at("http://b/mcp")), Fate::Moved);
        let legacy = UpstreamConfig { era: Some(Era::Legacy), ..known.clone() };
        assert_eq!(fate(&known, &legacy), Fate::Moved);
        let slow = UpstreamConfig { tool_timeout: Some(Duration::from_secs(1)), ..known.clone() };
        assert_eq!(fate(&known, &slow), Fate::Tuned);
        let bare = UpstreamConfig { prefix: Some(false), ..known.clone() };
        assert_eq!(fate(&known, &bare), Fate::Tuned);
    }

    #[test]
    fn its_own_prefix_wins_over_that_of_all() {
        let mut config = Config::default();
        assert_eq!(whole(&at("http://a/mcp"), &config).prefix, Some(true));
        config.names.prefix = false;
        assert_eq!(whole(&at("http://a/mcp"), &config).prefix, Some(false));
        let own = UpstreamConfig { prefix: Some(true), ..at("http://a/mcp") };
        assert_eq!(whole(&own, &config).prefix, Some(true));
    }
}

//! A new configuration for a server that runs: checked as a whole, then put in force as a
//! whole. Nobody who is connected is dropped, but for those whose token is no longer good.

use super::{
    OrchestratorServer, Running, ServerError,
    builder::{check, identity, keep_keys_fresh, open},
    tls::Tls,
};
use crate::{admission::Admission, config::Config, pipeline::Stages, tools::Registry};
use mcp_telemetry::{ConfigEvent, Event};
use std::sync::Arc;

/// What a reload changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Upstreams that were started, by name.
    pub upstreams_added: Vec<String>,
    /// Upstreams that are stopped, once their calls in flight have ended.
    pub upstreams_removed: Vec<String>,
    /// Upstreams that are set up otherwise than before.
    pub upstreams_changed: Vec<String>,
    /// Other parts of the configuration that changed, by their names.
    pub sections: Vec<&'static str>,
    /// Keys that changed and take effect only when the server is started again.
    pub at_next_start: Vec<&'static str>,
}

/// What was made of a configuration before anything of it is in force.
struct Prepared {
    config: Config,
    admission: Admission,
    tools: Registry,
    sections: Vec<&'static str>,
    at_next_start: Vec<&'static str>,
}

impl OrchestratorServer {
    /// Puts another configuration in force. Clients, their sessions and calls in flight stay, and
    /// so does every upstream that is configured as before. An upstream that is gone has `drain`
    /// to finish its calls. What cannot change while the server runs stays as it is and is named
    /// in the result. Must be called inside the runtime that the server was started in.
    ///
    /// # Errors
    /// When the server could not be made of this configuration, or does not run. Nothing is
    /// changed then.
    pub fn reload(&mut self, config: Config) -> Result<Changes, ServerError> {
        let prepared = self.prepare(config).and_then(|prepared| {
            let running = self.running.as_ref().ok_or(ServerError::NotRunning)?;
            Ok((prepared, Arc::clone(&running.stages)))
        });
        match prepared {
            Ok((prepared, stages)) => Ok(self.apply(prepared, &stages)),
            Err(error) => {
                self.telemetry
                    .emit(&Event::Config(ConfigEvent::Refused { error: &error.to_string() }));
                Err(error)
            }
        }
    }

    fn prepare(&self, config: Config) -> Result<Prepared, ServerError> {
        check(&config)?;
        if config.tls != self.config.tls {
            Tls::new(&config.tls)?;
        }
        let at_next_start = at_next_start(&self.config, &config);
        let config = with_what_stays(&self.config, config);
        // Together with where the server really listens it may be open to the network.
        check(&config)?;
        let Some(Running { stages, .. }) = &self.running else {
            return Err(ServerError::NotRunning);
        };
        let admission = open(stages.admission.load().after(&config)?)?;
        let tools = self.tools.registry(&config, &self.telemetry)?;
        let sections = sections(&self.config, &config);
        Ok(Prepared { config, admission, tools, sections, at_next_start })
    }

    fn apply(&mut self, prepared: Prepared, stages: &Stages) -> Changes {
        let Prepared { config, admission, tools, sections, at_next_start } = prepared;
        stages.limits.set(config.limits.clone());
        let reserved = tools.names();
        tools.report(Some(&stages.dispatch.tools.load()), &self.telemetry);
        stages.dispatch.tools.store(Arc::new(tools));
        stages.dispatch.identity.store(Arc::new(identity(&config)));
        let upstreams = stages.dispatch.upstreams.reload(&config, reserved);
        stages.admission.store(Arc::new(admission));
        keep_keys_fresh(stages);
        stages.readmit_all();
        if self.config.builtins != config.builtins
            || self.config.auth.principals != config.auth.principals
        {
            stages.tools_changed();
        }
        self.config = config;
        let changes = Changes {
            upstreams_added: upstreams.added,
            upstreams_removed: upstreams.removed,
            upstreams_changed: upstreams.changed,
            sections,
            at_next_start,
        };
        self.report(&changes);
        changes
    }

    fn report(&self, changes: &Changes) {
        self.telemetry.emit(&Event::Config(ConfigEvent::Reloaded {
            added: &changes.upstreams_added.join(", "),
            removed: &changes.upstreams_removed.join(", "),
            changed: &changes.upstreams_changed.join(", "),
            sections: &changes.sections.join(", "),
        }));
        for key in &changes.at_next_start {
            let text = format!("`{key}` has changed, and takes effect at the next start");
            self.telemetry.emit(&Event::ConfigWarning { text: &text });
        }
    }
}

/// The keys that differ and are read at the start alone.
fn at_next_start(old: &Config, new: &Config) -> Vec<&'static str> {
    let differ = [
        ("listen", old.listen != new.listen),
        ("server_name", old.server_name != new.server_name),
        ("first_list_wait", old.first_list_wait != new.first_list_wait),
        ("tls.cert_file", old.tls.cert_file != new.tls.cert_file),
        ("tls.key_file", old.tls.key_file != new.tls.key_file),
        ("store.enabled", old.store.enabled != new.store.enabled),
        ("store.history", old.store.history != new.store.history),
        ("store.event_bytes", old.store.event_bytes != new.store.event_bytes),
        ("transports.http", old.transports.http != new.transports.http),
        ("transports.websocket", old.transports.websocket != new.transports.websocket),
        ("agents", old.agents != new.agents),
    ];
    names_of(&differ)
}

/// The new configuration with those keys as they were at the start.
fn with_what_stays(old: &Config, new: Config) -> Config {
    Config {
        listen: old.listen,
        server_name: old.server_name.clone(),
        first_list_wait: old.first_list_wait,
        tls: old.tls.clone(),
        transports: old.transports,
        store: old.store,
        agents: old.agents.clone(),
        ..new
    }
}

/// The parts that differ, but for the upstreams.
fn sections(old: &Config, new: &Config) -> Vec<&'static str> {
    let differ = [
        ("auth", old.auth != new.auth),
        ("limits", old.limits != new.limits),
        ("names", old.names != new.names),
        ("builtins", old.builtins != new.builtins),
        ("instructions", old.instructions != new.instructions),
        ("drain", old.drain != new.drain),
    ];
    names_of(&differ)
}

fn names_of(differ: &[(&'static str, bool)]) -> Vec<&'static str> {
    differ.iter().filter(|(_, differs)| *differs).map(|(name, _)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn no_token_is_given_up_while_the_network_may_come_in() {
        let network = Config { listen: ([0, 0, 0, 0], 3001).into(), ..Config::default() };
        let mut open = Config::default();
        open.auth.disabled = true;
        assert!(check(&open).is_ok(), "by itself it is fine");
        let pinned = with_what_stays(&network, open.clone());
        assert!(matches!(check(&pinned), Err(ServerError::OpenToTheNetwork(_))));
        assert_eq!(at_next_start(&network, &open), ["listen"]);
        assert_eq!(sections(&network, &pinned), ["auth"]);
    }

    #[test]
    fn what_differs_is_named() {
        let old = Config::default();
        let mut new = old.clone();
        assert!(sections(&old, &new).is_empty() && at_next_start(&old, &new).is_empty());
        new.limits.calls += 1;
        new.drain = Duration::from_secs(1);
        new.transports.http = false;
        assert_eq!(sections(&old, &new), ["limits", "drain"]);
        assert_eq!(at_next_start(&old, &new), ["transports.http"]);
        assert_eq!(with_what_stays(&old, new).transports, old.transports);
    }
}

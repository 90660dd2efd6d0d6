//! The configuration, read again while the server runs: after SIGHUP, and when files change, if
//! that is asked for. What cannot be used is refused whole, and what was in force stays.

use crate::{
    config::{self, Environment, Given, Settings, TokenFrom},
    data_dir::DataDir,
    failure::Failure,
    token,
    watch::Watch,
};
use mcp_server::{Config, OrchestratorServer};
use mcp_telemetry::{ConfigEvent, Event, Guard, Telemetry, check_log_level};
use std::path::PathBuf;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Where the configuration comes from. The command line and the environment are those of the
/// start.
pub(crate) struct Sources<'a> {
    pub(crate) given: &'a Given,
    pub(crate) environment: &'a Environment,
    pub(crate) dir: DataDir,
}

/// Puts what is read again in force.
pub(crate) struct Reloader<'a> {
    sources: Sources<'a>,
    settings: Settings,
    guard: &'a Guard,
    hangup: Signal,
    watch: Watch,
}

impl<'a> Reloader<'a> {
    /// Listens for SIGHUP from here on.
    pub(crate) fn new(
        sources: Sources<'a>,
        settings: Settings,
        guard: &'a Guard,
    ) -> Result<Self, Failure> {
        let hangup = signal(SignalKind::hangup())
            .map_err(|error| Failure::run(format!("signals cannot be received: {error}")))?;
        let watch = sources.watch(&settings);
        Ok(Self { sources, settings, guard, hangup, watch })
    }

    /// The settings in force.
    pub(crate) const fn in_force(&self) -> &Settings {
        &self.settings
    }

    /// Waits until the configuration is to be read again.
    pub(crate) async fn wanted(&mut self) {
        tokio::select! {
            _ = self.hangup.recv() => {}
            () = self.watch.changed() => {}
        }
    }

    /// Reads the configuration again and puts it in force. The log says what came of it.
    pub(crate) fn reload(&mut self, server: &mut OrchestratorServer) {
        // Before anything is read, so that no later change is missed.
        self.watch = self.sources.watch(&self.settings);
        let telemetry = server.telemetry().clone();
        let (settings, config) = match self.sources.read(&self.settings) {
            Ok(read) => read,
            Err(failure) => {
                let error = failure.text().replace('\n', "; ");
                return telemetry.emit(&Event::Config(ConfigEvent::Refused { error: &error }));
            }
        };
        // A server that refuses it says so itself.
        if server.reload(config).is_ok() {
            self.put_in_force(settings, &telemetry);
            server.show_config(config::show(&self.settings));
        }
    }

    /// Does what is not the server's.
    fn put_in_force(&mut self, settings: Settings, telemetry: &Telemetry) {
        let old = std::mem::replace(&mut self.settings, settings);
        let new = &self.settings;
        let is_new = |text: &&String| !old.warnings.contains(text) && !old.refused.contains(text);
        for text in new.warnings.iter().chain(&new.refused).filter(is_new) {
            telemetry.emit(&Event::ConfigWarning { text });
        }
        for key in at_next_start(&old, new) {
            let text = format!("`{key}` has changed, and takes effect at the next start");
            telemetry.emit(&Event::ConfigWarning { text: &text });
        }
        // It can be read: that was found out before.
        if old.log_level != new.log_level && self.guard.set_log_level(&new.log_level).is_ok() {
            let level = new.log_level.as_str();
            telemetry.emit(&Event::Config(ConfigEvent::LogLevelChanged { level }));
        }
        if self.sources.files(&old) != self.sources.files(new) {
            self.watch = self.sources.watch(new);
        }
        // These are as they were, and are said to differ until they are in force.
        let Settings { data_dir, log_format, log_file, otlp, .. } = old;
        (self.settings.data_dir, self.settings.log_format) = (data_dir, log_format);
        (self.settings.log_file, self.settings.otlp) = (log_file, otlp);
    }
}

/// The keys of the binary that differ and are read at the start alone.
fn at_next_start(old: &Settings, new: &Settings) -> Vec<&'static str> {
    let differ = [
        ("data_dir", old.data_dir != new.data_dir),
        ("log.format", old.log_format != new.log_format),
        ("log.file", old.log_file != new.log_file),
        ("telemetry", old.otlp != new.otlp),
    ];
    differ.iter().filter(|(_, differs)| *differs).map(|(key, _)| *key).collect()
}

impl Sources<'_> {
    /// Reads all of it, and checks what is not the server's. An upstream that cannot be used is
    /// left out at a start; here it was not there before, and so the whole is refused.
    fn read(&mut self, before: &Settings) -> Result<(Settings, Config), Failure> {
        let settings = Settings::load(self.given, self.environment)?;
        let refused = settings.newly_refused(before);
        if !refused.is_empty() {
            return Err(Failure::usage(refused.join("\n")));
        }
        check_log_level(&settings.log_level).map_err(|error| Failure::usage(error.to_string()))?;
        let given = settings.server.auth.token.as_ref();
        let token = token::find(&settings.token, given, &mut self.dir)?;
        let mut config = settings.server.clone();
        config.auth.token = token.map(|token| token.secret);
        Ok((settings, config))
    }

    /// The files to look at while these settings are in force; none, unless that is asked for.
    fn files(&self, settings: &Settings) -> Vec<PathBuf> {
        if !settings.reload_on_change {
            return Vec::new();
        }
        let mut files = settings.files(self.given, self.environment);
        match &settings.token {
            TokenFrom::File(path) => files.push(path.clone()),
            TokenFrom::DataDir => files.push(self.dir.file(token::TOKEN)),
            TokenFrom::Given(_) | TokenFrom::None => {}
        }
        files
    }

    fn watch(&self, settings: &Settings) -> Watch {
        Watch::over(self.files(settings))
    }
}

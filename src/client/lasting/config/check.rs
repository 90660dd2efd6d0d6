//! Whether a configuration makes sense.

use super::{ClientConfig, ConfigError};
use crate::Target;
use std::time::Duration;

impl ClientConfig {
    /// Whether it makes sense.
    ///
    /// # Errors
    /// When it does not; names the key as it stands in a file.
    pub fn check(&self) -> Result<(), ConfigError> {
        let zeros = self.durations().into_iter().chain(self.counts());
        for (key, is_zero) in zeros {
            if is_zero {
                return Err(ConfigError::new(key, "must be more than 0"));
            }
        }
        self.check_guard()?;
        let backoff = &self.backoff;
        if backoff.first > backoff.longest {
            return Err(ConfigError::new(
                "reconnect.first_wait",
                "must not be longer than `reconnect.longest_wait`",
            ));
        }
        if let Some(budget) = self.budget
            && !(0.0..=1.0).contains(&budget.share)
        {
            return Err(ConfigError::new("budget.share", "must be from 0 to 1"));
        }
        if let Some(queue) = self.queue
            && queue.bytes < queue.message_bytes
        {
            return Err(ConfigError::new(
                "queue.bytes",
                "must not be less than `queue.message_bytes`",
            ));
        }
        Ok(())
    }

    fn check_guard(&self) -> Result<(), ConfigError> {
        let guard = &self.options.guard;
        if guard.production && guard.danger_accept_invalid_certificates {
            return Err(ConfigError::new(
                "tls.danger_accept_invalid_certificates",
                "cannot stand beside `production`",
            ));
        }
        for (number, target) in self.targets().enumerate() {
            if let Target::Http(target) | Target::WebSocket(target) = target {
                let key = if number == 0 { "url" } else { "others" };
                guard.check(target).map_err(|why| ConfigError::new(key, why.to_string()))?;
            }
        }
        Ok(())
    }

    fn durations(&self) -> Vec<(&'static str, bool)> {
        let (rate, health, queue) = (self.connection_rate, self.health, self.queue);
        let all = [
            ("connect_timeout", Some(self.options.connect_timeout)),
            ("request_timeout", Some(self.options.request_timeout)),
            ("discover_timeout", Some(self.options.discover_timeout)),
            ("reconnect.first_wait", Some(self.backoff.first)),
            ("connection_rate.within", rate.map(|rate| rate.within)),
            ("breaker.pause", self.breaker.map(|rule| rule.pause)),
            ("health.every", health.map(|pulse| pulse.every)),
            ("health.within", health.map(|pulse| pulse.within)),
            ("queue.longest_wait", queue.map(|rule| rule.longest)),
            ("monitoring.every", self.monitoring),
        ];
        all.map(|(key, value)| (key, value == Some(Duration::ZERO))).to_vec()
    }

    fn counts(&self) -> Vec<(&'static str, bool)> {
        let queue = self.queue;
        let all = [
            ("reconnect.attempts", self.backoff.attempts.map(u64::from)),
            ("connection_rate.tries", self.connection_rate.map(|rate| u64::from(rate.tries))),
            ("breaker.failures", self.breaker.map(|rule| u64::from(rule.failures))),
            ("health.misses", self.health.map(|pulse| u64::from(pulse.misses))),
            ("queue.messages", queue.map(|rule| rule.messages as u64)),
            ("queue.message_bytes", queue.map(|rule| rule.message_bytes as u64)),
            ("limits.message_bytes", Some(self.options.max_message as u64)),
            ("limits.calls", Some(self.options.max_calls as u64)),
            ("limits.questions", Some(self.options.max_questions as u64)),
            ("limits.queue", Some(self.options.queue as u64)),
        ];
        all.map(|(key, value)| (key, value == Some(0))).to_vec()
    }
}

//! Every key of a file that says how the client behaves, and what it sets.

use super::{
    ClientConfig, Eras,
    rules::MONITORING,
    value::{Read, count, seconds, share, switch, text, texts},
};
use crate::Guard;
use mcp_protocol::Era;
use std::{path::Path, sync::Arc, time::Duration};
use toml::Value;

/// Sets one key.
pub(super) type Set = fn(&mut ClientConfig, &Value) -> Read<()>;

/// `key => what it sets, from what`.
macro_rules! keys {
    ($($key:literal => |$config:ident| $place:expr, $read:expr;)*) => {
        &[$(($key, |$config, value| { $place = $read(value)?; Ok(()) })),*]
    };
}

/// The keys, those that switch a thing off behind those that describe it.
pub(super) const KEYS: &[(&str, Set)] = keys! {
    "eras" => |config| config.eras, eras;
    "lists" => |config| config.lists, switch;
    "connect_timeout" => |config| config.options.connect_timeout, seconds;
    "request_timeout" => |config| config.options.request_timeout, seconds;
    "discover_timeout" => |config| config.options.discover_timeout, seconds;
    "production" => |config| config.options.guard.production, switch;
    "allowed_hosts" => |config| config.options.guard.allowed_hosts, texts;
    "tls.authorities" => |config| config.options.guard.authorities, authorities;
    "tls.danger_accept_invalid_certificates" => |config| config.options.guard.danger_accept_invalid_certificates, switch;
    "limits.message_bytes" => |config| config.options.max_message, count;
    "limits.calls" => |config| config.options.max_calls, count;
    "limits.questions" => |config| config.options.max_questions, count;
    "limits.queue" => |config| config.options.queue, count;
    "reconnect.first_wait" => |config| config.backoff.first, seconds;
    "reconnect.longest_wait" => |config| config.backoff.longest, seconds;
    "reconnect.steady" => |config| config.backoff.steady, seconds;
    "reconnect.jitter" => |config| config.backoff.jitter, switch;
    "reconnect.attempts" => |config| config.backoff.attempts, attempts;
    "connection_rate.tries" => |config| config.connection_rate.get_or_insert_default().tries, count;
    "connection_rate.within" => |config| config.connection_rate.get_or_insert_default().within, seconds;
    "connection_rate.enabled" => |config| config.connection_rate, |value| some(value, config.connection_rate);
    "breaker.failures" => |config| config.breaker.get_or_insert_default().failures, count;
    "breaker.pause" => |config| config.breaker.get_or_insert_default().pause, seconds;
    "breaker.enabled" => |config| config.breaker, |value| some(value, config.breaker);
    "budget.share" => |config| config.budget.get_or_insert_default().share, share;
    "budget.reserve" => |config| config.budget.get_or_insert_default().reserve, count;
    "budget.enabled" => |config| config.budget, |value| some(value, config.budget);
    "health.every" => |config| config.health.get_or_insert_default().every, seconds;
    "health.within" => |config| config.health.get_or_insert_default().within, seconds;
    "health.misses" => |config| config.health.get_or_insert_default().misses, count;
    "health.enabled" => |config| config.health, |value| some(value, config.health);
    "queue.messages" => |config| config.queue.get_or_insert_default().messages, count;
    "queue.message_bytes" => |config| config.queue.get_or_insert_default().message_bytes, count;
    "queue.bytes" => |config| config.queue.get_or_insert_default().bytes, count;
    "queue.longest_wait" => |config| config.queue.get_or_insert_default().longest, seconds;
    "queue.enabled" => |config| config.queue, |value| some(value, config.queue);
    "monitoring.every" => |config| config.monitoring, |value| seconds(value).map(Some);
    "monitoring.enabled" => |config| config.monitoring, |value| monitoring(value, config.monitoring);
};

fn some<T: Default>(value: &Value, now: Option<T>) -> Read<Option<T>> {
    Ok(switch(value)?.then(|| now.unwrap_or_default()))
}

fn monitoring(value: &Value, now: Option<Duration>) -> Read<Option<Duration>> {
    Ok(switch(value)?.then(|| now.unwrap_or(MONITORING)))
}

/// A file of certificates in PEM.
fn authorities(value: &Value) -> Read<Option<Arc<[u8]>>> {
    Guard::read_authorities(Path::new(&text(value)?)).map(Some)
}

fn attempts(value: &Value) -> Read<Option<u32>> {
    let attempts: u32 = count(value)?;
    // 0 is no bound.
    Ok((attempts > 0).then_some(attempts))
}

fn eras(value: &Value) -> Read<Eras> {
    match text(value)?.as_str() {
        "prefer-modern" => Ok(Eras::PreferModern),
        "prefer-legacy" => Ok(Eras::PreferLegacy),
        "modern" => Ok(Eras::Only(Era::Modern)),
        "legacy" => Ok(Eras::Only(Era::Legacy)),
        _ => Err("must be prefer-modern, prefer-legacy, modern or legacy".to_owned()),
    }
}

//! Every key of a file: what it sets, and what it refuses.

use super::{BreakerRule, ClientConfig, ConnectionRate, Eras, QueueRule, keys::KEYS};
use crate::{BudgetRule, Pulse, Target};
use mcp_protocol::Era;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

type Row = (&'static str, &'static str, fn(&ClientConfig) -> bool, &'static str);

/// Key, a value, whether it is in force then, and a value that is refused.
const ROWS: &[Row] = &[
    ("eras", "'legacy'", |all| all.eras == Eras::Only(Era::Legacy), "'old'"),
    ("lists", "false", |all| !all.lists, "1"),
    ("connect_timeout", "1", |all| all.options.connect_timeout == SECOND, "0"),
    ("request_timeout", "1.0", |all| all.options.request_timeout == SECOND, "-1"),
    ("discover_timeout", "1", |all| all.options.discover_timeout == SECOND, "'1s'"),
    ("production", "true", |all| all.options.guard.production, "1"),
    ("allowed_hosts", "['x', '*.y']", |all| all.options.guard.allowed_hosts.len() == 2, "'x'"),
    ("tls.authorities", "'@pem'", |all| all.options.guard.authorities.is_some(), "'/dev/null'"),
    (
        "tls.danger_accept_invalid_certificates",
        "true",
        |all| all.options.guard.danger_accept_invalid_certificates,
        "'yes'",
    ),
    ("limits.message_bytes", "7", |all| all.options.max_message == 7, "0"),
    ("limits.calls", "7", |all| all.options.max_calls == 7, "-7"),
    ("limits.questions", "7", |all| all.options.max_questions == 7, "0"),
    ("limits.queue", "7", |all| all.options.queue == 7, "0"),
    ("reconnect.first_wait", "0.5", |all| all.backoff.first == SECOND / 2, "31"),
    ("reconnect.longest_wait", "7", |all| all.backoff.longest == 7 * SECOND, "1e10"),
    ("reconnect.steady", "7", |all| all.backoff.steady == 7 * SECOND, "true"),
    ("reconnect.jitter", "false", |all| !all.backoff.jitter, "'no'"),
    ("reconnect.attempts", "7", |all| all.backoff.attempts == Some(7), "1.5"),
    ("connection_rate.tries", "7", |all| rate(all).tries == 7, "0"),
    ("connection_rate.within", "7", |all| rate(all).within == 7 * SECOND, "0"),
    ("connection_rate.enabled", "false", |all| all.connection_rate.is_none(), "0"),
    ("breaker.failures", "7", |all| breaker(all).failures == 7, "0"),
    ("breaker.pause", "7", |all| breaker(all).pause == 7 * SECOND, "0"),
    ("breaker.enabled", "false", |all| all.breaker.is_none(), "0"),
    ("budget.share", "0.5", |all| budget(all).share == 0.5, "1.5"),
    ("budget.reserve", "7", |all| budget(all).reserve == 7, "-1"),
    ("budget.enabled", "false", |all| all.budget.is_none(), "0"),
    ("health.every", "7", |all| health(all).every == 7 * SECOND, "0"),
    ("health.within", "7", |all| health(all).within == 7 * SECOND, "0"),
    ("health.misses", "7", |all| health(all).misses == 7, "0"),
    ("health.enabled", "false", |all| all.health.is_none(), "0"),
    ("queue.messages", "7", |all| queue(all).messages == 7, "0"),
    ("queue.message_bytes", "7", |all| queue(all).message_bytes == 7, "0"),
    ("queue.bytes", "2000000", |all| queue(all).bytes == 2_000_000, "1000"),
    ("queue.longest_wait", "7", |all| queue(all).longest == 7 * SECOND, "0"),
    ("queue.enabled", "false", |all| all.queue.is_none(), "0"),
    ("monitoring.every", "7", |all| all.monitoring == Some(7 * SECOND), "0"),
    ("monitoring.enabled", "false", |all| all.monitoring.is_none(), "'off'"),
];

fn rate(config: &ClientConfig) -> ConnectionRate {
    config.connection_rate.expect("it is on")
}

fn breaker(config: &ClientConfig) -> BreakerRule {
    config.breaker.expect("it is on")
}

fn budget(config: &ClientConfig) -> BudgetRule {
    config.budget.expect("it is on")
}

fn health(config: &ClientConfig) -> Pulse {
    config.health.expect("it is on")
}

fn queue(config: &ClientConfig) -> QueueRule {
    config.queue.expect("it is on")
}

/// A file with one key in it; `@pem` in its value stands for a file with a certificate.
fn with(key: &str, value: &str, pem: &str) -> String {
    format!("url = 'https://x/'\n{key} = {}\n", value.replace("@pem", pem))
}

#[test]
fn every_key_sets_what_it_says_and_refuses_nonsense_by_its_name() {
    let keys: Vec<_> = KEYS.iter().map(|(key, _)| *key).collect();
    assert_eq!(keys, ROWS.iter().map(|row| row.0).collect::<Vec<_>>());
    let folder = tempfile::tempdir().expect("a folder");
    let pem = folder.path().join("authority.pem").display().to_string();
    let certificate = rcgen::generate_simple_self_signed(vec!["x".into()]).expect("a certificate");
    std::fs::write(&pem, certificate.cert.pem()).expect("written");
    for (key, value, holds, wrong) in ROWS {
        let config = ClientConfig::from_toml(&with(key, value, &pem)).expect(key);
        assert!(holds(&config), "{key} = {value}");
        let defaults = ClientConfig::from_toml("url = 'https://x/'").expect("valid");
        assert!(!holds(&defaults), "{key} = {value} is the default");
        let error = ClientConfig::from_toml(&with(key, wrong, &pem)).expect_err(key);
        assert_eq!(error.key, *key, "{error}");
    }
}

#[test]
fn what_is_off_stays_off_wherever_that_is_said() {
    let file = "url = 'http://x/'\n[breaker]\nenabled = false\nfailures = 3\n[health]\nenabled = true\nmisses = 9\n[reconnect]\nattempts = 0\n";
    let config = ClientConfig::from_toml(file).expect("valid");
    assert!(config.breaker.is_none() && config.backoff.attempts.is_none());
    assert_eq!(health(&config).misses, 9);
}

#[test]
fn what_is_not_known_is_named() {
    for (file, key) in [
        ("url = 'http://x/'\nretries = 1", "retries"),
        ("url = 'http://x/'\n[queue]\nsize = 1", "queue.size"),
        ("url = 'http://x/'\n[tls]\nca = 1", "tls.ca"),
        ("url = 'http://x/'\n[tls]\nauthorities = '/does/not/exist'", "tls.authorities"),
        ("url = 'http://x/'\nproduction = true", "url"),
        ("url = 'https://10.0.0.1/'\nproduction = true", "url"),
        ("url = 'https://me:hunter2@x/'\nproduction = true", "url"),
        ("url = 'https://x/'\nallowed_hosts = ['y']", "url"),
        (
            "url = 'https://x/'\nproduction = true\ntls.danger_accept_invalid_certificates = true",
            "tls.danger_accept_invalid_certificates",
        ),
        ("url = 'http://x/'\nqueue = 1", "queue"),
        ("", "url"),
        ("url = 'http://x/'\nothers = 1", "others"),
        ("url = 'http://x/'\nothers = ['http://y/']", "others"),
        ("url = 'http://x/'\n[[others]]\nurl = 'ftp://y/'", "others.url"),
        ("url = 'http://x/'\n[[others]]\nurl = 'http://y/'\nport = 1", "others.port"),
        ("url = 'https://x/'\nproduction = true\n[[others]]\nurl = 'https://[::1]/'", "others"),
        ("url = 'ftp://x/'", "url"),
        ("url = 1", "url"),
        ("url = 'http://x/'\ncommand = 'x'", "command"),
        ("url = 'http://x/'\nargs = []", "args"),
        ("url = 'http://x/'\ncwd = '/'", "cwd"),
        ("url = 'http://x/'\nheaders = 1", "headers"),
        ("command = 'x'\nargs = [1]", "args"),
        ("command = 'x'\nenv = { A = 1 }", "env"),
        ("command = 'x'\ntoken = 'hunter2'", "token"),
        ("url = 'http://x/'\ntoken = \"hunter\\n2\"", "headers.authorization"),
        ("token = 'hunter2", "file"),
    ] {
        let error = ClientConfig::from_toml(file).expect_err(file);
        assert_eq!(error.key, key, "{error}");
        assert!(!error.to_string().contains("hunter"), "{error}");
    }
}

#[test]
fn a_place_is_a_url_or_a_command() {
    let file = "url = 'https://x/mcp'\ntoken = 't'\nheaders = { X-Team = 'a' }";
    let config = ClientConfig::from_toml(file).expect("valid");
    let Target::Http(target) = config.target else { panic!("{:?}", config.target) };
    assert_eq!(target.headers["authorization"].expose(), "Bearer t");
    assert_eq!(target.headers["X-Team"].expose(), "a");
    let file = "url = 'https://x/'\n[[others]]\nurl = 'https://y/'\ntoken = 'u'";
    let config = ClientConfig::from_toml(file).expect("valid");
    let [Target::Http(other)] = &config.others[..] else { panic!("{:?}", config.others) };
    assert_eq!(other.headers["authorization"].expose(), "Bearer u");
    let file = "command = 'server'\nargs = ['-v']\nenv = { KEY = 'k' }\ncwd = '/tmp'";
    let config = ClientConfig::from_toml(file).expect("valid");
    let Target::Stdio(target) = config.target else { panic!("{:?}", config.target) };
    assert_eq!((target.args, target.cwd), (vec!["-v".to_owned()], Some("/tmp".into())));
    assert_eq!(target.env["KEY"].expose(), "k");
}

#[test]
fn the_builder_gives_what_a_file_gives() {
    let config = ClientConfig::to_url("http://x/mcp")
        .token(&"t".into())
        .with(|config| config.health = None)
        .build()
        .expect("valid");
    assert!(config.health.is_none());
    let command = ClientConfig::to_command("server", vec!["-v".into()])
        .variable("KEY", "k".into())
        .directory("/tmp".into())
        .build()
        .expect("valid");
    let file = "command = 'server'\nargs = ['-v']\nenv = { KEY = 'k' }\ncwd = '/tmp'";
    assert_eq!(command.target, ClientConfig::from_toml(file).expect("valid").target);
    let refused = ClientConfig::to_url("nowhere").build().expect_err("no URL");
    assert_eq!(refused.key, "url");
    let refused = ClientConfig::to_url("http://x/")
        .with(|config| config.options.max_calls = 0)
        .build()
        .expect_err("no calls");
    assert_eq!(refused.key, "limits.calls");
}

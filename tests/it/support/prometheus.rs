//! A real Prometheus that evaluates its rules once a second.

use super::{Peer, Port, http, pooled, until};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tokio::process::Command;

/// One that runs until it is dropped.
pub struct Prometheus {
    _peer: Peer,
    base: String,
    http: reqwest::Client,
}

/// A job of that name with these targets, each an address.
pub fn job(name: &str, targets: &[String]) -> Value {
    json!({"job_name": name, "static_configs": [{"targets": targets}]})
}

impl Prometheus {
    /// Starts one that scrapes those jobs every so many seconds, with files of rules; its data goes
    /// into that folder.
    pub async fn start(dir: &Path, every: u32, jobs: &[Value], rules: &[PathBuf]) -> Self {
        let every = format!("{every}s");
        let config = json!({
            "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": "1s"},
            "rule_files": rules.iter().map(|file| file.display().to_string()).collect::<Vec<_>>(),
            "scrape_configs": jobs,
        });
        let (file, port) = (dir.join("prometheus.yml"), Port::reserve());
        fs::write(&file, config.to_string()).expect("a file in our own folder");
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", dir.join("prometheus").display()));
        command.arg(format!("--web.listen-address={}", port.address()));
        let base = format!("http://{}", port.address());
        let peer = Peer::start(command, vec![port]).await;
        until("Prometheus has read its rules", || async {
            let answer = http().get(format!("{base}/-/ready")).send().await;
            answer.is_ok_and(|answer| answer.status() == 200)
        })
        .await;
        Self { _peer: peer, base, http: pooled() }
    }

    /// Where it listens, as a URL.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The answer of its API.
    pub async fn api(&self, path: &str, parameters: &[(&str, &str)]) -> Value {
        let url = format!("{}/api/v1/{path}", self.base);
        let url = reqwest::Url::parse_with_params(&url, parameters).expect("a URL");
        self.http.get(url).send().await.expect("an answer").json().await.expect("JSON")
    }
}

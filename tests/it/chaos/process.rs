//! Faults of the server's process.

use super::fault;
use crate::support::{Port, http, until, within};
use mcp_chaos::{Kind, Process, Proxy, ProxyOptions, kind};
use std::{fs, time::Duration};
use tempfile::TempDir;
use tokio::process::Command;

/// A server that the proxy can do things to.
struct Target {
    proxy: Proxy,
    process: Process,
    _port: Port,
    _dir: TempDir,
}

impl Target {
    async fn start() -> Self {
        let (port, dir) = (Port::reserve(), tempfile::tempdir().expect("a folder"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-orchestrator"));
        command.args(["serve", "--no-auth", "--log-level", "error"]);
        command.args(["--listen", &port.address().to_string()]);
        command.arg("--data-dir").arg(dir.path());
        let process = Process::spawn(command).expect("it starts");
        let options = ProxyOptions {
            process: Some(process.clone()),
            ..ProxyOptions::before(port.address().to_string())
        };
        let proxy = Proxy::start(options).await.expect("it starts");
        let target = Self { proxy, process, _port: port, _dir: dir };
        target.answers(true).await;
        target
    }

    async fn asks(&self) -> bool {
        let url = format!("http://{}/health", self.proxy.address());
        let asked = http().get(url).timeout(Duration::from_millis(500)).send().await;
        asked.is_ok_and(|response| response.status() == 200)
    }

    async fn answers(&self, expected: bool) {
        until(&format!("it answers: {expected}"), || async { self.asks().await == expected }).await;
    }
}

#[tokio::test]
async fn a_process_is_killed_or_asked_to_end_and_started_again() {
    let target = Target::start().await;
    for kind in [Kind::Kill(kind::kill::Kill {}), Kind::Terminate(kind::terminate::Terminate {})] {
        let before = target.process.pid();
        target.proxy.add(fault(kind)).expect("added");
        until("it has ended", || async { target.process.pid().is_none() }).await;
        target.answers(false).await;
        target.proxy.remove("f").expect("removed");
        target.answers(true).await;
        assert_ne!(target.process.pid(), before);
    }
}

#[tokio::test]
async fn a_process_is_stopped_and_goes_on() {
    let target = Target::start().await;
    let before = target.process.pid();
    target.proxy.add(fault(Kind::Stop(kind::stop::Stop {}))).expect("added");
    target.answers(false).await;
    target.proxy.remove("f").expect("removed");
    target.answers(true).await;
    assert_eq!(target.process.pid(), before, "it is the same");
}

#[tokio::test]
async fn a_process_is_started_anew() {
    let target = Target::start().await;
    let before = target.process.pid();
    let mut events = target.proxy.events();
    target.proxy.add(fault(Kind::Restart(kind::restart::Restart {}))).expect("added");
    until("it is another", || async {
        let now = target.process.pid();
        now.is_some() && now != before
    })
    .await;
    target.answers(true).await;
    let told = within(30, "an event", events.next()).await.expect("an event");
    assert_eq!((told.kind, told.connection), ("restart", None));
}

#[tokio::test]
async fn without_a_process_there_is_nothing_to_kill() {
    let proxy = Proxy::start(ProxyOptions::before("127.0.0.1:9")).await.expect("it starts");
    let error = proxy.add(fault(Kind::Kill(kind::kill::Kill {}))).expect_err("no process");
    assert!(error.to_string().contains("--spawn"), "{error}");
}

/// What the system says of this process, in KiB or ticks.
fn resident() -> u64 {
    let text = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn busy() -> u64 {
    let text = fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<&str> = text.rsplit_once(") ").expect("a name").1.split(' ').collect();
    fields[11].parse().expect("ticks")
}

#[tokio::test]
async fn memory_is_taken_and_given_back_and_processors_are_busy() {
    let proxy = Proxy::start(ProxyOptions::before("127.0.0.1:9")).await.expect("it starts");
    let before = resident();
    let memory = kind::memory::Memory { mebibytes: 200 };
    proxy.add(fault(Kind::Memory(memory))).expect("added");
    until("it is taken", || async { resident() >= before + (200 << 10) }).await;
    proxy.remove("f").expect("removed");
    until("it is given back", || async { resident() < before + (100 << 10) }).await;
    let before = busy();
    let cpu = kind::cpu::Cpu { threads: Some(1), load: 1.0 };
    proxy.add(fault(Kind::Cpu(cpu))).expect("added");
    until("it is busy", || async { busy() >= before + 50 }).await;
    proxy.remove("f").expect("removed");
}

//! `mcp-orchestrator chaos`: a proxy that injects faults. What the flags mean is settled here; what
//! faults do is for `mcp_chaos`.

use crate::{
    app::Signals,
    config::{self, Environment},
    failure::Failure,
};
use clap::{Args, ValueHint};
use mcp_chaos::{ChaosError, Plan, Process, Proxy, ProxyOptions, control::Control};
use mcp_telemetry::{InstallConfig, Telemetry, install};
use std::{
    io::{self, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
};
use tokio::{process::Command, runtime::Runtime};

/// The variable with the token of the control API.
const TOKEN: &str = "MCP_CHAOS_TOKEN";

/// Where a proxy stands and what goes wrong there.
#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct Chaos {
    /// Listen on this IP address and port
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:3100", value_parser = listening)]
    listen: SocketAddr,
    /// Stand before the server at this address, such as 127.0.0.1:3001; a URL is taken too
    #[arg(long, value_name = "ADDR", required = true)]
    upstream: String,
    /// Inject the faults of this plan (TOML)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    plan: Option<PathBuf>,
    /// Repeat the chances of another run [default: the plan's, else one that is printed]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Let faults be listed, added, changed and removed at this address, such as 127.0.0.1:8474
    #[arg(long, value_name = "ADDR", value_parser = listening)]
    control: Option<SocketAddr>,
    /// Start the server by this command, so that faults of processes can be done to it
    #[arg(long, value_name = "CMD", value_hint = ValueHint::CommandString)]
    spawn: Option<String>,
    /// Write log lines from this level up: error, warn, info, debug, trace
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log_level: String,
}

const HELP: &str = "\
Faults, plans and the control API are described in docs/chaos.md. Without --plan, nothing goes \
wrong until it is told to by --control. The control API asks for the token in MCP_CHAOS_TOKEN, and \
must have one where it can be reached from other machines. The server of --spawn is started by \
`sh -c`, and ends with the proxy.";

/// Stands there until a signal comes.
///
/// # Errors
/// When something given is wrong, or the system does not let us.
pub(crate) fn run(chaos: Chaos, environment: &Environment) -> Result<(), Failure> {
    let plan = chaos.plan.as_deref().map(read_plan).transpose()?.unwrap_or_default();
    let token = environment.get(TOKEN).filter(|token| !token.is_empty()).cloned();
    let runtime = Runtime::new()
        .map_err(|error| Failure::run(format!("the system gives no threads: {error}")))?;
    runtime.block_on(stand(chaos, plan, token))
}

async fn stand(chaos: Chaos, plan: Plan, token: Option<String>) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let log = InstallConfig { log_level: chaos.log_level.clone(), ..InstallConfig::default() };
    // It has no spans to send.
    let _guard = install(&log).map_err(|error| Failure::usage(error.to_string()))?;
    let upstream = address(&chaos.upstream)?;
    let seed = chaos.seed.or(plan.seed).map_or_else(chance, Ok)?;
    let process = chaos.spawn.as_deref().map(spawn).transpose()?;
    let options = ProxyOptions {
        listen: chaos.listen,
        upstream,
        seed,
        plan: Plan { seed: Some(seed), ..plan },
        process: process.clone(),
        telemetry: Some(Telemetry::for_chaos().map_err(anyhow::Error::from)?),
    };
    let proxy = Proxy::start(options).await.map_err(failed)?;
    let control = match chaos.control {
        Some(listen) => Some(Control::start(&proxy, listen, token).await.map_err(failed)?),
        None => None,
    };
    announce(&proxy, control.as_ref());
    let _told = signals.next().await;
    drop(control);
    tokio::select! {
        () = end(proxy, process) => Ok(()),
        _again = signals.next() => Err(Failure::Interrupted),
    }
}

async fn end(proxy: Proxy, process: Option<Process>) {
    proxy.stop().await;
    if let Some(process) = process {
        // One that cannot be asked is killed when it is dropped.
        let _asked = process.go_on().is_ok() && process.terminate().await.is_ok();
    }
}

fn read_plan(file: &Path) -> Result<Plan, Failure> {
    let text = config::read(file, "plan")?;
    let wrong = |error| Failure::usage(format!("the plan {} is wrong: {error}", file.display()));
    Plan::parse(&text).map_err(wrong)
}

/// An address to listen on; what the standard library says of a wrong one helps nobody.
pub(crate) fn listening(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an IP address and a port, such as 127.0.0.1:3100".to_owned())
}

/// The address in an address or a URL.
fn address(upstream: &str) -> Result<String, Failure> {
    let (scheme, rest) = upstream.split_once("://").unwrap_or(("", upstream));
    let address = rest.split(['/', '?']).next().unwrap_or_default();
    let port = address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    match (scheme, port) {
        (_, Some(_)) => Ok(address.to_owned()),
        ("http" | "ws", None) if !address.is_empty() => Ok(format!("{address}:80")),
        _ => Err(Failure::usage(format!(
            "--upstream {upstream} names no port: write it as 127.0.0.1:3001"
        ))),
    }
}

fn spawn(command: &str) -> Result<Process, Failure> {
    let mut shell = Command::new("sh");
    // In the place of the shell, so that what ends is the server.
    shell.arg("-c").arg(format!("exec {command}")).stdin(std::process::Stdio::null());
    // The token is for who controls the faults, not for what they are done to.
    shell.env_remove(TOKEN);
    Process::spawn(shell)
        .map_err(|error| Failure::run(format!("the server cannot be started: {error}")))
}

fn chance() -> Result<u64, Failure> {
    // Short enough to be typed again.
    getrandom::u32()
        .map(u64::from)
        .map_err(|error| Failure::run(format!("the system gives no chance: {error}")))
}

fn failed(error: ChaosError) -> Failure {
    match error {
        ChaosError::Listen { .. } => Failure::run(error),
        ChaosError::Invalid(_)
        | ChaosError::Taken(_)
        | ChaosError::Unknown(_)
        | ChaosError::TooMany(_) => Failure::usage(error.to_string()),
    }
}

/// Tells people where it stands.
fn announce(proxy: &Proxy, control: Option<&Control>) {
    let mut text = format!("standing at {} before {}\n", proxy.address(), proxy.upstream());
    text.push_str(&format!("to repeat this run: --seed {}\n", proxy.seed()));
    if let Some(control) = control {
        text.push_str(&format!("faults are at http://{}/faults\n", control.address()));
    }
    // With nobody to read it, there is nobody to tell.
    let _told = io::stderr().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_an_address_or_a_url() {
        for (given, expected) in [
            ("127.0.0.1:3001", Some("127.0.0.1:3001")),
            ("http://localhost:3001/mcp", Some("localhost:3001")),
            ("ws://[::1]:3001/ws?x", Some("[::1]:3001")),
            ("http://example.com/mcp", Some("example.com:80")),
            ("example.com", None),
            ("", None),
            ("http://", None),
        ] {
            assert_eq!(address(given).ok().as_deref(), expected, "{given}");
        }
    }
}

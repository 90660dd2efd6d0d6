//! The binary: reads the command line and hands over to the command. What a command does is in
//! `app` (the server), `connect` (the bridge), `agent` (a small MCP server),
//! `chaos_command` (a proxy that injects faults), `lab_command`, `lab_run` and `lab_compare` (the
//! lab), `setup` (entries in agents' files), `sessions`, `metrics` and `commands` (all others);
//! nothing here knows a protocol.

mod activation;
mod agent;
mod app;
mod chaos_command;
mod cli;
mod commands;
mod config;
mod connect;
mod data_dir;
mod failure;
mod health;
mod lab_command;
mod lab_compare;
mod lab_run;
mod mcp_servers;
mod metrics;
mod open_files;
mod page_link;
mod reload;
mod sessions;
mod setup;
mod table;
mod token;
mod watch;

use clap::Parser as _;
use cli::{Cli, Command};
use config::Environment;
use failure::Failure;
use std::{
    io::{self, Write as _},
    process::ExitCode,
};

fn main() -> ExitCode {
    match run(Cli::parse(), &environment()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // With nobody to read it, the exit code has to do.
            let _told = writeln!(io::stderr().lock(), "{failure}");
            failure.code()
        }
    }
}

fn run(cli: Cli, environment: &Environment) -> Result<(), Failure> {
    match cli.command {
        None => app::serve(&cli.settings.given(), environment),
        Some(Command::Serve(flags)) => app::serve(&flags.given(), environment),
        Some(Command::Connect(given)) => connect::connect(given.given(), environment),
        Some(Command::Setup(wish)) => setup::setup(&wish, environment),
        Some(Command::Config(command)) => commands::config(command, environment),
        Some(Command::Token(command)) => commands::token(command, environment),
        Some(Command::Health(flags)) => commands::health(&flags.given(), environment),
        Some(Command::Sessions(command)) => sessions::sessions(command, environment),
        Some(Command::Metrics(command)) => metrics::metrics(&command),
        Some(Command::Agent) => agent::run(),
        Some(Command::Chaos(chaos)) => chaos_command::run(*chaos, environment),
        Some(Command::Lab(command)) => lab_command::lab(command),
    }
}

/// The environment, without what is not text: no setting of ours can be there.
fn environment() -> Environment {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

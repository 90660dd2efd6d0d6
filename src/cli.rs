//! The command line: what can be asked for, and the words that explain it. What a flag means
//! is settled in `config`.

use crate::{chaos_command::Chaos, config::Given, connect, lab_command::LabCommand, setup::Wish};
use clap::{Args, Parser, Subcommand, ValueHint, builder::RangedI64ValueParser};
use std::path::PathBuf;

/// One address for all your MCP servers: their tools stay available to your agents, and you
/// see what happened when they did not.
///
/// Without a command, the server is started.
#[derive(Parser)]
#[command(name = "mcp-orchestrator", version, args_conflicts_with_subcommands = true)]
#[command(after_help = ENVIRONMENT_HELP, max_term_width = WIDEST)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// The settings, when no command is named.
    #[command(flatten)]
    pub(crate) settings: Flags,
}

/// Longer lines are hard to read, however wide the terminal is; narrower ones are wrapped for.
const WIDEST: usize = 100;

// Here and elsewhere a paragraph is one line: the terminal says where it breaks.
const ENVIRONMENT_HELP: &str = "\
Every flag can also be set in a config file (see `mcp-orchestrator config default`) or by a \
variable: --mcp-servers is MCP_ORCHESTRATOR_MCP_SERVERS. A flag wins over a variable, and a \
variable over the file.

Exit codes: 0 all is well, 1 it failed while running, 2 a flag or the configuration is wrong.";

/// What can be asked for.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Start the server (also what happens without a command)
    Serve(Flags),
    /// Be a server on standard input and output, for an agent that speaks nothing else: it stays
    /// there while the server at URL comes and goes
    Connect(Connect),
    /// Let an agent use this server: write the entry into the agent's own file, or take it out; the
    /// change is shown first
    Setup(Wish),
    /// Print or check the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Show or change the token that clients send
    #[command(subcommand)]
    Token(TokenCommand),
    /// Ask the running server whether it is well; exit code 0 or 1
    Health(Flags),
    /// Tell which sessions there are and were, and why each ended; the server need not run
    #[command(subcommand)]
    Sessions(SessionsCommand),
    /// Tell which metrics there are
    #[command(subcommand)]
    Metrics(MetricsCommand),
    /// Be an agent: a small MCP server on standard input and output, as `agent_spawn` starts it
    Agent,
    /// Stand before a server and inject faults: into bytes, MCP messages and its process
    Chaos(Box<Chaos>),
    /// Find out when and why the tools of any MCP server were gone
    #[command(subcommand)]
    Lab(LabCommand),
}

/// Where the server is, and what lets us in. Holds secrets, so it cannot be printed with `Debug`.
#[derive(Args)]
#[command(after_help = CONNECT_HELP)]
pub(crate) struct Connect {
    /// The server, for example http://127.0.0.1:3001/mcp
    #[arg(value_hint = ValueHint::Url)]
    url: Option<String>,
    /// Read this file of client settings (TOML) for the rest; what stands here wins
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,
    /// Send this token; other users of this machine may see it, so prefer --token-file
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// Send the token in this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    token_file: Option<PathBuf>,
    /// Send this header, too; may be given several times. Other users of this machine may see it,
    /// so prefer MCP_ORCHESTRATOR_HEADER
    #[arg(long = "header", value_name = "NAME=VALUE")]
    headers: Vec<String>,
    /// Believe the certificates of the authorities in this file (PEM), beside those of the system
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    ca_file: Option<PathBuf>,
    /// Connect over https alone, and to no address that is not public, whatever its name
    #[arg(long)]
    production: bool,
    /// Give a call up that has no answer for so long; progress counts as a sign of life
    /// [default: 60]
    #[arg(long, value_name = "SECONDS", value_parser = seconds())]
    timeout: Option<u32>,
    /// Give a try to connect up after so long [default: 30]
    #[arg(long, value_name = "SECONDS", value_parser = seconds())]
    connect_timeout: Option<u32>,
    /// Keep here what is known of the server for when it is away [default: your platform's own
    /// place]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    data_dir: Option<PathBuf>,
}

fn seconds() -> RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=connect::LONGEST.into())
}

const CONNECT_HELP: &str = "\
Without a flag, the URL is read from MCP_SERVER_URL, and the token from MCP_ORCHESTRATOR_TOKEN or \
MCP_API_KEY. MCP_ORCHESTRATOR_HEADER has one NAME=VALUE on each line. MCP_ORCHESTRATOR_ stands \
before TOKEN_FILE, CA_FILE, PRODUCTION, TIMEOUT, CONNECT_TIMEOUT and DATA_DIR, too. A flag wins over \
a variable, and a variable over the file.

While the server is away, the agent is shown the tools that were there last, and its calls wait. \
Ends when standard input is closed.";

impl Connect {
    /// What was given.
    pub(crate) fn given(self) -> connect::Given {
        connect::Given {
            url: self.url,
            config: self.config,
            token: self.token,
            token_file: self.token_file,
            headers: self.headers,
            ca_file: self.ca_file,
            production: self.production,
            data_dir: self.data_dir,
            timeout: self.timeout,
            connect_timeout: self.connect_timeout,
        }
    }
}

/// What can be done with the configuration.
#[derive(Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print every key with its default and what it is for
    Default,
    /// Look for mistakes in a config file (TOML) or a file of MCP servers (JSON)
    Check {
        /// The file to look at
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Print the configuration in force and where each value came from; secrets are masked
    Show(Box<Flags>),
}

/// What can be done with the token.
#[derive(Subcommand)]
pub(crate) enum TokenCommand {
    /// Print the token, and make it if there is none yet
    Show(Flags),
    /// Make a new token; a running server takes it when it reads its configuration again (SIGHUP)
    Rotate(Flags),
}

/// What can be asked of sessions. The store is read; of a session in use, what was counted in the
/// last `limits.session_sweep` may be missing.
#[derive(Subcommand)]
pub(crate) enum SessionsCommand {
    /// List sessions, the newest first
    List {
        #[command(flatten)]
        place: Place,
        /// Only those that are: active, disconnected
        #[arg(long, value_parser = ["active", "disconnected"], hide_possible_values = true)]
        status: Option<String>,
        /// Most sessions, up to 1000
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1_000))]
        limit: u16,
        /// As JSON, as `/api/sessions` gives them
        #[arg(long)]
        json: bool,
    },
    /// Show a session with its history
    Show {
        #[command(flatten)]
        place: Place,
        /// Its id
        id: String,
        /// As JSON, as `/api/sessions/{id}` gives it
        #[arg(long)]
        json: bool,
    },
}

/// Where the store is.
#[derive(Args)]
pub(crate) struct Place {
    /// Read this config file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,
    /// Look in this data dir [default: your platform's own place]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    data_dir: Option<String>,
}

impl Place {
    /// The flags that were set, by name.
    pub(crate) fn given(&self) -> Given {
        let dir = self.data_dir.clone();
        Given {
            file: self.config.clone(),
            flags: dir.map(|dir| ("data-dir", dir)).into_iter().collect(),
        }
    }
}

/// What can be done with metrics.
#[derive(Subcommand)]
pub(crate) enum MetricsCommand {
    /// List every metric: name, type, labels, buckets, meaning
    List {
        /// How: a table for people, JSON with every bucket, or the reference page
        #[arg(long, value_enum, value_name = "FORM", default_value_t = ListFormat::Table)]
        format: ListFormat,
    },
}

/// How a list is printed.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum ListFormat {
    /// Lines with columns
    Table,
    /// A list of objects
    Json,
    /// A page
    Markdown,
}

/// The settings. Holds a secret, so it cannot be printed with `Debug`.
#[derive(Args, Default)]
pub(crate) struct Flags {
    /// Read this config file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,
    /// Listen on this IP address and port [default: 127.0.0.1:3001]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Ask clients for this token; other users of this machine may see it, so prefer
    /// --token-file
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// Ask clients for the token in this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    token_file: Option<String>,
    /// Serve the tools of the MCP servers in this file, as agents have it:
    /// {"mcpServers": {…}}
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    mcp_servers: Option<String>,
    /// Keep the token and other state here [default: your platform's own place]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    data_dir: Option<String>,
    /// Ask for no token; only allowed while listening on this machine alone
    #[arg(long)]
    no_auth: bool,
    /// Serve tools under their own names, without their server's name before it
    #[arg(long)]
    no_prefix: bool,
    /// Let clients start agents (processes) and give them tasks; without a template in the
    /// configuration an agent is `mcp-orchestrator agent`
    #[arg(long)]
    agents: bool,
    /// Write log lines as: auto, json, pretty [default: auto]
    #[arg(long, value_name = "FORM")]
    log_format: Option<String>,
    /// Write log lines from this level up: error, warn, info, debug, trace [default: info]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// Write log lines to this file, too, as JSON
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    log_file: Option<String>,
    /// Send traces to this OpenTelemetry receiver, for example http://127.0.0.1:4317
    #[arg(long, value_name = "URL")]
    otlp_endpoint: Option<String>,
    /// Speak to it over: grpc, http [default: grpc]
    #[arg(long, value_name = "PROTOCOL")]
    otlp_protocol: Option<String>,
}

impl Flags {
    /// The flags that were set, by name.
    pub(crate) fn given(self) -> Given {
        let switch = |is_set: bool| is_set.then(|| "true".to_owned());
        let flags = [
            ("listen", self.listen),
            ("token", self.token),
            ("token-file", self.token_file),
            ("mcp-servers", self.mcp_servers),
            ("data-dir", self.data_dir),
            ("no-auth", switch(self.no_auth)),
            ("agents", switch(self.agents)),
            ("no-prefix", switch(self.no_prefix)),
            ("log-format", self.log_format),
            ("log-level", self.log_level),
            ("log-file", self.log_file),
            ("otlp-endpoint", self.otlp_endpoint),
            ("otlp-protocol", self.otlp_protocol),
        ];
        let flags = flags.into_iter().filter_map(|(name, value)| value.map(|value| (name, value)));
        Given { file: self.config, flags: flags.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::FLAGS;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_fits_the_terminal() {
        let mut all = vec![Cli::command().term_width(80)];
        all[0].build();
        while let Some(mut command) = all.pop() {
            let help = command.render_long_help().to_string();
            let long = help.lines().find(|line| line.chars().count() > 80);
            assert_eq!(long, None, "{}", command.get_name());
            all.extend(command.get_subcommands().cloned());
        }
    }

    #[test]
    fn every_flag_that_sets_a_key_is_offered_and_carried_over() {
        let arguments = FLAGS.iter().flat_map(|flag| {
            let name = format!("--{}", flag.name);
            let is_switch = flag.name.starts_with("no-") || flag.name == "agents";
            if is_switch { vec![name] } else { vec![name, "x".to_owned()] }
        });
        let cli = Cli::try_parse_from(["mcp-orchestrator".to_owned()].into_iter().chain(arguments));
        let given = cli.unwrap_or_else(|error| panic!("{error}")).settings.given();
        let names: Vec<&str> = given.flags.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, FLAGS.iter().map(|flag| flag.name).collect::<Vec<_>>());
    }

    #[test]
    fn flags_before_a_command_are_refused_rather_than_ignored() {
        let refused = Cli::try_parse_from(["x", "--listen", "127.0.0.1:1", "serve"]);
        assert!(refused.is_err_and(|error| error.exit_code() == 2));
    }
}

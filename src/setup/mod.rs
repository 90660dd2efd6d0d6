//! `mcp-orchestrator setup`: writes our entry into the file in which an agent keeps its MCP servers,
//! or takes it out. The entry starts `connect` and names the file of the token, so no secret is in
//! it. Which file and which form is in `agent`, how the text changes in `edit`, how it is shown in
//! `shown`, how it gets to the disk in `file`.

mod agent;
mod edit;
mod file;
mod shown;

use crate::{
    cli::Place,
    commands::print,
    config::{Environment, Settings},
    connect,
    data_dir::DataDir,
    failure::Failure,
    token,
};
use agent::Agent;
use clap::{Args, ValueHint};
use edit::{Change, Spot};
use mcp_server::{Config, config::reachable};
use serde_json::{Value, json};
use std::{
    env,
    io::{self, BufRead as _, IsTerminal as _},
    path::{Path, PathBuf},
};

/// What is asked for.
#[derive(Args)]
pub(crate) struct Wish {
    /// The agent
    #[arg(value_enum)]
    agent: Agent,
    /// Take the entry out again
    #[arg(long)]
    remove: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// What the agent calls this server
    #[arg(long, value_name = "NAME", default_value = "orchestrator", value_parser = name)]
    name: String,
    /// Let it use the server at URL, not the one that is configured here; it is sent no token but
    /// that of --token-file
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    url: Option<String>,
    /// Let it send the token in this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    token_file: Option<PathBuf>,
    /// Let it believe the certificates of the authorities in this file (PEM), too
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    ca_file: Option<PathBuf>,
    /// Change this file, for example that of a project, not the agent's own for all projects
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

/// Agents put the name before those of tools.
fn name(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if (1..=32).contains(&text.len()) && text.bytes().all(fits) {
        return Ok(text.to_owned());
    }
    Err("1 to 32 letters, digits, `_` and `-`".to_owned())
}

/// Shows the change, asks, and makes it.
///
/// # Errors
/// When the file cannot be read or written, is not JSON, or nobody is there to ask.
pub(crate) fn setup(wish: &Wish, environment: &Environment) -> Result<(), Failure> {
    let named = match &wish.file {
        Some(file) => file.clone(),
        None => wish.agent.file(environment)?,
    };
    let found = file::Found::read(&named)?;
    let entry = if wish.remove { None } else { Some(entry(wish, environment)?) };
    let spot = Spot { section: wish.agent.section(), name: &wish.name };
    let change = edit::change(found.text(), &spot, entry.as_ref())
        .map_err(|why| Failure::run(format!("{} {why}", found.path.display())))?;
    let Some(change) = change else {
        let state = if wish.remove { "has no such entry" } else { "has it already" };
        return print(&format!("{} {state}; nothing to do\n", found.path.display()));
    };
    print(&shown::shown(&found.path, &spot, &change))?;
    if !(wish.yes || is_wanted()?) {
        return print("nothing was changed\n");
    }
    make(&found, &change)
}

fn make(found: &file::Found, change: &Change) -> Result<(), Failure> {
    let backup = found.replace(&change.text)?;
    let kept = backup.map_or_else(String::new, |backup| {
        format!("; as it was before it is in {}", backup.display())
    });
    let next = "start the agent anew, and it knows";
    print(&format!("{} is written{kept}; {next}\n", found.path.display()))
}

/// Asks on the terminal.
fn is_wanted() -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::usage("nobody can be asked here; --yes makes the change"));
    }
    print("Make this change? [y/N] ")?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(|error| {
        Failure::run(format!("the answer cannot be read: {error}; nothing was changed"))
    })?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}

/// What the agent starts.
fn entry(wish: &Wish, environment: &Environment) -> Result<Value, Failure> {
    let (url, token_file) = server(wish, environment)?;
    let mut arguments = vec!["connect".to_owned(), url];
    for (flag, file) in [("--token-file", token_file), ("--ca-file", wish.ca_file.clone())] {
        if let Some(file) = file {
            arguments.extend([flag.to_owned(), absolute(&file)?]);
        }
    }
    Ok(json!({"type": "stdio", "command": program()?, "args": arguments}))
}

/// The URL of the server, and the file of its token. Our own token goes to no other server.
fn server(wish: &Wish, environment: &Environment) -> Result<(String, Option<PathBuf>), Failure> {
    for (what, file) in [("token file", &wish.token_file), ("CA file", &wish.ca_file)] {
        if let Some(file) = file.as_ref().filter(|file| !file.is_file()) {
            return Err(Failure::usage(format!("there is no {what} {}", file.display())));
        }
    }
    if let Some(url) = &wish.url {
        connect::check_url(url)?;
        return Ok((url.clone(), wish.token_file.clone()));
    }
    let settings = Settings::load(&wish.place.given(), environment)?;
    let server = &settings.server;
    let url = own_url(server);
    if server.tls.cert_file.is_some() {
        print(&format!(
            "note: the server has TLS on, and the agent will connect to {url}: its certificate must \
             name that host (else give --url), and be of an issuer the system knows (else give \
             --ca-file)\n"
        ))?;
    }
    if wish.token_file.is_some() {
        return Ok((url, wish.token_file.clone()));
    }
    let mut dir = DataDir::open(settings.data_dir.as_deref())?;
    match token::find(&settings.token, server.auth.token.as_ref(), &mut dir)? {
        None => Ok((url, None)),
        Some(token::Token { file: Some(file), .. }) => Ok((url, Some(file))),
        Some(_) => Err(Failure::usage(
            "the token stands in the configuration, and would stand in the agent's file, too; \
             keep it in a file, and name that with --token-file",
        )),
    }
}

/// Where the server that is configured here is for those on this machine.
fn own_url(server: &Config) -> String {
    let scheme = match (server.transports.http, server.tls.cert_file.is_some()) {
        (true, false) => "http",
        (true, true) => "https",
        (false, false) => "ws",
        (false, true) => "wss",
    };
    let path = if server.transports.http { "mcp" } else { "ws" };
    format!("{scheme}://{}/{path}", reachable(server.listen))
}

fn absolute(path: &Path) -> Result<String, Failure> {
    let absolute = std::path::absolute(path).ok();
    let text = absolute.as_deref().and_then(Path::to_str).map(str::to_owned);
    text.ok_or_else(|| Failure::run(format!("{} cannot be written as JSON", path.display())))
}

/// How this program is started: by the name in PATH that leads here, which outlives an update; else
/// by the file it is. Agents with a window often have no PATH, so it is never the bare name.
fn program() -> Result<String, Failure> {
    let here = env::current_exe()
        .map_err(|error| Failure::run(format!("where this program is cannot be found: {error}")))?;
    // A link may have another name than the file it leads to.
    let names = [env!("CARGO_BIN_NAME").as_ref(), here.file_name().unwrap_or_default()];
    let path = env::var_os("PATH").unwrap_or_default();
    let leads_here = |candidate: &PathBuf| {
        candidate.is_absolute() && candidate.canonicalize().ok() == here.canonicalize().ok()
    };
    let mut candidates =
        names.iter().flat_map(|name| env::split_paths(&path).map(move |folder| folder.join(name)));
    let named = candidates.find(leads_here);
    absolute(&named.unwrap_or_else(|| here.clone()))
}

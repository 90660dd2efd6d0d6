//! The commands that print something and end: configuration, token, health.

use crate::{
    app,
    cli::{ConfigCommand, TokenCommand},
    config::{self, DEFAULT_FILE, Environment, Given, Settings, TokenFrom},
    data_dir::DataDir,
    failure::Failure,
    health, token,
};
use std::{
    io::{self, Write as _},
    path::Path,
};

/// `config …`
pub(crate) fn config(command: ConfigCommand, environment: &Environment) -> Result<(), Failure> {
    match command {
        ConfigCommand::Default => print(DEFAULT_FILE),
        ConfigCommand::Check { file } => check(&file, environment),
        ConfigCommand::Show(flags) => {
            let settings = Settings::load(&flags.given(), environment)?;
            complain(settings.warnings.iter().chain(&settings.refused));
            print(&config::show(&settings))
        }
    }
}

/// Looks at one file alone: what flags and variables would set does not count.
fn check(file: &Path, environment: &Environment) -> Result<(), Failure> {
    let text = config::read(file, "file")?;
    let settings = if text.trim_start().starts_with(['{', '/']) {
        config::check_servers(file, environment)?
    } else {
        let given = Given { file: Some(file.to_owned()), ..Given::default() };
        Settings::load(&given, &config::without_ours(environment))?
    };
    complain(&settings.warnings);
    if !settings.refused.is_empty() {
        return Err(Failure::usage(settings.refused.join("\n")));
    }
    let count = match settings.server.upstreams.len() {
        1 => "one upstream server".to_owned(),
        count => format!("{count} upstream servers"),
    };
    app::check(settings.server)?;
    print(&format!("{} is right; it names {count}\n", file.display()))
}

/// `token …`
pub(crate) fn token(command: TokenCommand, environment: &Environment) -> Result<(), Failure> {
    let (flags, rotate) = match command {
        TokenCommand::Show(flags) => (flags, false),
        TokenCommand::Rotate(flags) => (flags, true),
    };
    let settings = Settings::load(&flags.given(), environment)?;
    if settings.token == TokenFrom::None && !rotate {
        return Err(Failure::usage("no token is asked for"));
    }
    let mut dir = DataDir::open(settings.data_dir.as_deref())?;
    let token = if rotate {
        Some(token::rotate(&settings.token, &dir)?)
    } else {
        token::find(&settings.token, settings.server.auth.token.as_ref(), &mut dir)?
    };
    complain(&dir.mended);
    if rotate && dir.is_in_use() {
        complain(["the running server asks for the old token until it is told to read its \
                   configuration again (SIGHUP)"]);
    }
    token.map_or(Ok(()), |token| print(&format!("{}\n", token.secret.expose())))
}

/// `health`
pub(crate) fn health(given: &Given, environment: &Environment) -> Result<(), Failure> {
    let server = Settings::server(given, environment)?;
    let answer = health::ask(server.listen, server.tls.cert_file.as_deref())?;
    print(&format!("{}\n", answer.trim_end()))
}

/// Prints to standard output; a reader that has seen enough is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::run(format!("standard output cannot be written: {error}")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn complain(words: impl IntoIterator<Item = impl AsRef<str>>) {
    let mut err = io::stderr().lock();
    for text in words {
        // With nobody to read it, there is nobody to tell.
        let _told = writeln!(err, "warning: {}", text.as_ref());
    }
}

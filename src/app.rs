//! Runs the server: makes each part from the settings, puts them together, waits for a
//! signal, takes them down in order. A second signal ends the process at once.

use crate::{
    activation,
    config::{self, Environment, Given, Settings},
    data_dir::DataDir,
    failure::Failure,
    open_files, page_link,
    reload::{Reloader, Sources},
    token::{self, Token},
};
use mcp_client::Secret;
use mcp_server::{
    Config, OrchestratorServer, ServerError,
    config::{Transports, reachable},
};
use mcp_store::{MemoryStore, SqliteConfig, SqliteStore, Store};
use mcp_telemetry::{
    Event, Guard, InstallConfig, LogFormat, OtlpConfig, OtlpProtocol, Telemetry, TelemetryError,
    install,
};
use std::{
    fs,
    io::{self, IsTerminal as _, Write as _},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::{
    runtime::Runtime,
    signal::unix::{Signal, SignalKind, signal},
};

/// Longest time for tasks to end after everything has been stopped.
const LAST_MOMENT: Duration = Duration::from_millis(500);

/// Serves until a signal comes.
///
/// # Errors
/// When something needed is missing, or a second signal came.
pub(crate) fn serve(given: &Given, environment: &Environment) -> Result<(), Failure> {
    let listener = activation::listener()?;
    let given = &given.listening_on(listener.as_ref())?;
    let settings = Settings::load(given, environment)?;
    let mut dir = DataDir::open(settings.data_dir.as_deref())?;
    let lock = dir.lock()?;
    let token = token::find(&settings.token, settings.server.auth.token.as_ref(), &mut dir)?;
    let state_key = token::state_key(&mut dir)?;
    let mut words = [&settings.warnings[..], &settings.refused, &dir.mended].concat();
    words.extend(open_files::raise(settings.server.limits.connections));
    let sources = Sources { given, environment, dir };
    let runtime = Runtime::new()
        .map_err(|error| Failure::run(format!("the system gives no threads: {error}")))?;
    let kept = Kept { dir: sources.dir.clone(), state_key };
    let begin = Begin { settings, token, kept, words, listener };
    let ended = runtime.block_on(run(begin, sources));
    // Past this, tasks that are left are dropped, and children with them.
    runtime.shutdown_timeout(LAST_MOMENT);
    drop(lock);
    ended
}

/// What a server begins with.
struct Begin {
    settings: Settings,
    token: Option<Token>,
    kept: Kept,
    /// What is odd, one sentence each.
    words: Vec<String>,
    /// The socket to serve on, if the service manager holds one for us.
    listener: Option<TcpListener>,
}

async fn run(begin: Begin, sources: Sources<'_>) -> Result<(), Failure> {
    let Begin { settings, token, kept, words, listener } = begin;
    let mut signals = Signals::listen()?;
    let guard = install(&install_config(&settings)).map_err(not_installed)?;
    let telemetry = Telemetry::new().map_err(anyhow::Error::from)?;
    for text in &words {
        telemetry.emit(&Event::ConfigWarning { text });
    }
    let mut config = settings.server.clone();
    config.auth.token = token.as_ref().map(|token| token.secret.clone());
    let store = open_store(&config, kept.dir.path().to_owned(), &telemetry).await?;
    let shown = config::show(&settings);
    let (link, keep_link) =
        (page_link::file(&kept.dir), page_link::keep(kept.dir, telemetry.clone()));
    let mut server = OrchestratorServer::builder().config(config).telemetry(telemetry);
    server = server.on_page_link(keep_link);
    if let Some(listener) = listener {
        server = server.listener(listener);
    }
    let mut server = server.state_key(kept.state_key).store(store).build().map_err(failed)?;
    server.show_config(shown);
    let mut reloader = Reloader::new(sources, settings, &guard)?;
    let way_in = WayIn { token: token.as_ref(), page: &link };
    let ended = until_told(&mut server, &mut signals, &way_in, &mut reloader).await;
    drop(reloader);
    flush(guard, &mut signals).await?;
    ended
}

/// What the data dir gives.
struct Kept {
    dir: DataDir,
    state_key: [u8; 32],
}

/// The store in the data dir. One that cannot be opened is left as it is and keeps nobody from
/// being served; what it said is in the log and in `/readyz`.
async fn open_store(
    config: &Config,
    dir: PathBuf,
    telemetry: &Telemetry,
) -> Result<Arc<dyn Store>, Failure> {
    let (retention, now) = (config.store.retention(config.limits.result_ttl), SystemTime::now());
    if !config.store.enabled {
        return Ok(Arc::new(MemoryStore::new(retention, now.into())));
    }
    let (sqlite, telemetry) =
        (SqliteConfig { retention, ..SqliteConfig::in_dir(dir) }, telemetry.clone());
    let opening =
        tokio::task::spawn_blocking(move || SqliteStore::open(&sqlite, now.into(), &telemetry));
    Ok(match opening.await.map_err(anyhow::Error::from)? {
        Ok(store) => Arc::new(store),
        Err(error) => Arc::new(MemoryStore::instead_of(error, retention, now.into())),
    })
}

/// Sends the last spans, unless another signal comes meanwhile.
async fn flush(guard: Guard, signals: &mut Signals) -> Result<(), Failure> {
    tokio::select! {
        // It ends by itself, and a panic in it is no reason to fail now.
        _flushed = tokio::task::spawn_blocking(|| guard.shutdown()) => Ok(()),
        _again = signals.next() => Err(Failure::Interrupted),
    }
}

/// Whether the server takes this configuration; a token that is still to be made is no mistake.
pub(crate) fn check(mut config: Config) -> Result<(), Failure> {
    if !config.auth.disabled {
        config.auth.token.get_or_insert_with(|| Secret::from("to be made"));
    }
    OrchestratorServer::builder().config(config).build().map(drop).map_err(failed)
}

/// Starts, waits for the first signal, and stops, unless a second one comes meanwhile.
async fn until_told(
    server: &mut OrchestratorServer,
    signals: &mut Signals,
    way_in: &WayIn<'_>,
    reloader: &mut Reloader<'_>,
) -> Result<(), Failure> {
    let told = tokio::select! {
        started = server.start() => {
            let address = started.map_err(failed)?;
            let transports = reloader.in_force().server.transports;
            announce(&Place { scheme: server.scheme(), address, transports }, way_in);
            activation::ready();
            None
        }
        told = signals.next() => Some(told),
    };
    let told = match told {
        Some(told) => told,
        None => reload_until_told(server, signals, reloader).await,
    };
    activation::stopping();
    tokio::select! {
        () = server.stop_because(told) => Ok(()),
        _again = signals.next() => Err(Failure::Interrupted),
    }
}

/// Takes new configurations over until a signal to stop comes; its name.
async fn reload_until_told(
    server: &mut OrchestratorServer,
    signals: &mut Signals,
    reloader: &mut Reloader<'_>,
) -> &'static str {
    loop {
        tokio::select! {
            told = signals.next() => return told,
            () = reloader.wanted() => reloader.reload(server),
        }
    }
}

fn install_config(settings: &Settings) -> InstallConfig {
    let protocol =
        |name: &str| if name == "http" { OtlpProtocol::Http } else { OtlpProtocol::Grpc };
    InstallConfig {
        log_format: match settings.log_format.as_str() {
            "json" => LogFormat::Json,
            "pretty" => LogFormat::Pretty,
            _ => LogFormat::Auto,
        },
        log_level: settings.log_level.clone(),
        log_file: settings.log_file.clone(),
        otlp: settings.otlp.as_ref().map(|(endpoint, name)| OtlpConfig {
            endpoint: endpoint.clone(),
            protocol: protocol(name),
        }),
    }
}

fn not_installed(error: TelemetryError) -> Failure {
    match error {
        TelemetryError::LogFile { .. } => Failure::run(error),
        TelemetryError::Metric(_)
        | TelemetryError::LogLevel(_)
        | TelemetryError::Installed
        | TelemetryError::Export(_) => Failure::usage(error.to_string()),
    }
}

fn failed(error: ServerError) -> Failure {
    match error {
        ServerError::NoToken
        | ServerError::Auth(_)
        | ServerError::Tls(_)
        | ServerError::OpenToTheNetwork(_)
        | ServerError::HeaderBytes(_)
        | ServerError::HandshakeTimeout(_)
        | ServerError::NoTransport
        | ServerError::Zero(_) => Failure::usage(error.to_string()),
        ServerError::Tool(_)
        | ServerError::Listen { .. }
        | ServerError::StartedAlready
        | ServerError::NotRunning
        | ServerError::Telemetry(_) => Failure::run(error),
    }
}

/// Where the server is, and how clients reach it there.
struct Place {
    scheme: &'static str,
    address: SocketAddr,
    transports: Transports,
}

/// How people get in.
struct WayIn<'a> {
    token: Option<&'a Token>,
    /// The file of the link to the page.
    page: &'a Path,
}

/// Tells people where the server is and how a client gets in. A token we made is shown to a
/// terminal only: a log keeps what it is given.
fn announce(place: &Place, way_in: &WayIn<'_>) {
    let mut err = io::stderr().lock();
    let is_terminal = err.is_terminal();
    let mut text = announcement(place, way_in.token, is_terminal);
    match fs::read_to_string(way_in.page) {
        Ok(link) if is_terminal => text += &format!("the page, once: {link}"),
        Ok(_) => text += &format!("the link to the page is in {}\n", way_in.page.display()),
        // The log says why there is none.
        Err(_) => {}
    }
    // With nobody to read it, there is nobody to tell.
    let _told = err.write_all(text.as_bytes());
}

fn announcement(place: &Place, token: Option<&Token>, is_terminal: bool) -> String {
    let Place { scheme, address, transports } = *place;
    let url = format!("{scheme}://{}/mcp", reachable(address));
    let listening = if transports.http {
        format!("listening on {scheme}://{address}/mcp\n")
    } else {
        format!("listening on {}://{address}/ws\n", scheme.replacen("http", "ws", 1))
    };
    let entry = match token {
        None => "no token is asked for\n".to_owned(),
        // The command would name /mcp.
        Some(Token { secret, is_ours: true, .. }) if is_terminal && !transports.http => {
            format!("token: {}\n", secret.expose())
        }
        Some(Token { secret, is_ours: true, .. }) if is_terminal => format!(
            "token: {}\nto let Claude Code in: {}\n",
            secret.expose(),
            token::client_command(&url, secret.expose())
        ),
        Some(Token { file: Some(file), .. }) => format!("the token is in {}\n", file.display()),
        Some(_) => "the token is the one you gave\n".to_owned(),
    };
    listening + &entry
}

/// The signals that ask us to stop.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(crate) fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind)
                .map_err(|error| Failure::run(format!("signals cannot be received: {error}")))
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next one; its name.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token_of_ours() -> Token {
        Token { secret: Secret::from("hunter2"), file: Some("/data/token".into()), is_ours: true }
    }

    #[test]
    fn a_token_we_made_is_shown_to_a_terminal_and_nowhere_else() {
        let address = "0.0.0.0:3001".parse().expect("an address");
        let place = |scheme, transports| Place { scheme, address, transports };
        let both = place("http", Transports::default());
        let token = token_of_ours();
        let terminal = announcement(&both, Some(&token), true);
        assert!(terminal.starts_with("listening on http://0.0.0.0:3001/mcp\n"), "{terminal}");
        assert!(
            terminal
                .contains("http://127.0.0.1:3001/mcp --header \"Authorization: Bearer hunter2\"")
        );
        let log = announcement(&both, Some(&token), false);
        assert!(!log.contains("hunter2") && log.contains("/data/token"), "{log}");
        let given = Token { file: None, is_ours: false, ..token };
        assert!(!announcement(&both, Some(&given), true).contains("hunter2"));
        assert!(announcement(&both, None, true).contains("no token"));
        let secure = announcement(&place("https", Transports::default()), None, true);
        assert!(secure.starts_with("listening on https://0.0.0.0:3001/mcp\n"), "{secure}");
        let sockets = Transports { http: false, websocket: true };
        let terminal = announcement(&place("https", sockets), Some(&token_of_ours()), true);
        assert!(terminal.starts_with("listening on wss://0.0.0.0:3001/ws\n"), "{terminal}");
        assert!(terminal.contains("hunter2") && !terminal.contains("/mcp"), "{terminal}");
    }

    #[test]
    fn what_the_server_does_not_take_is_a_mistake_of_the_configuration() {
        assert!(check(Config::default()).is_ok());
        let mut config = Config::default();
        config.limits.sessions = 0;
        let refused = check(config).expect_err("no sessions");
        assert!(
            matches!(refused, Failure::Usage(_))
                && refused.to_string().contains("`limits.sessions`")
        );
        let transports = Transports { http: false, websocket: false };
        let config = Config { transports, ..Config::default() };
        let refused = check(config).expect_err("no transport");
        assert!(
            matches!(refused, Failure::Usage(_))
                && refused.to_string().contains("`transports.http`")
        );
    }
}

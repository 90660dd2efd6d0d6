//! A target that is there.

use super::{
    TargetError, TargetSpec,
    process::Process,
    shown::shown,
    spec::{Recipe, way},
};
use crate::result::Target;
use mcp_client::Secret;
use reqwest::Url;
use rustix::process::Signal;
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};
use tokio::{
    net::{TcpSocket, TcpStream},
    sync::Mutex,
    time::{Instant, sleep, timeout},
};

/// Longest time for a target to come up.
const TO_COME_UP: Duration = Duration::from_secs(60);
/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(20);
/// Longest time for one such look.
const ONE_LOOK: Duration = Duration::from_secs(2);
/// How long a proxy has to close a connection that it cannot carry on.
const TO_REFUSE: Duration = Duration::from_millis(100);

/// A target that is there. Dropping it ends what was started for it.
pub struct Place {
    recipe: Recipe,
    token: Option<Secret>,
    log: Option<PathBuf>,
    process: Mutex<Option<Process>>,
    /// Keeps the port ours while nobody listens there.
    _held: Option<TcpSocket>,
}

impl Place {
    /// Starts it, if it is not there, and waits until it answers.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start(spec: &TargetSpec) -> Result<Self, TargetError> {
        let recipe = spec.recipe()?;
        let held = matches!(recipe, Recipe::Listens { .. }).then(hold_port).transpose()?;
        let recipe =
            held.as_ref().map_or_else(|| recipe.clone(), |(port, _)| recipe.with_port(*port));
        let place = Self {
            recipe,
            token: spec.token.clone(),
            log: spec.log.clone(),
            process: Mutex::default(),
            _held: held.map(|(_, held)| held),
        };
        place.start_process().await?;
        place.come_up().await?;
        Ok(place)
    }

    /// The way of a client to it, through a proxy if there is one.
    ///
    /// # Errors
    /// When it cannot be said.
    pub fn way(&self, through: Option<SocketAddr>) -> Result<mcp_client::Target, TargetError> {
        match (&self.recipe, self.recipe.url()) {
            (Recipe::Stdio { words }, _) => {
                let (command, args) = (words[0].clone(), words[1..].to_vec());
                Ok(mcp_client::Target::stdio(command, args, Default::default(), None))
            }
            (_, Some(url)) => way(&url, self.token.as_ref(), through),
            (_, None) => Err(TargetError::Url("it is not known".to_owned())),
        }
    }

    /// What a proxy before it connects to, where one can stand.
    #[must_use]
    pub fn upstream(&self) -> Option<String> {
        let url = self.recipe.url().map(over_http).filter(|url| url.scheme() == "http")?;
        Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?))
    }

    /// Where its metrics would be.
    #[must_use]
    pub fn metrics_url(&self) -> Option<Url> {
        self.recipe.url().and_then(|url| over_http(url).join("/metrics").ok())
    }

    /// The token it asks for.
    #[must_use]
    pub const fn token(&self) -> Option<&Secret> {
        self.token.as_ref()
    }

    /// Whether the lab started a process for all clients.
    #[must_use]
    pub const fn is_spawned(&self) -> bool {
        matches!(self.recipe, Recipe::Listens { .. })
    }

    /// The id of that process.
    pub async fn process_id(&self) -> Option<u32> {
        self.process.lock().await.as_ref().and_then(Process::id)
    }

    /// What it is, without a secret.
    #[must_use]
    pub fn facts(&self) -> Target {
        self.recipe.facts()
    }

    /// Ends the process, with a word or without.
    pub async fn end_process(&self, gently: bool) {
        let mut process = self.process.lock().await;
        if let Some(process) = process.as_mut() {
            if gently { process.terminate().await } else { process.kill().await }
        }
        *process = None;
    }

    /// Starts the process; does not wait until it answers.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn start_process(&self) -> Result<(), TargetError> {
        if let Recipe::Listens { words, .. } = &self.recipe {
            *self.process.lock().await = Some(Process::start(words, self.log.as_deref())?);
        }
        Ok(())
    }

    /// Sends a signal to the process.
    pub async fn signal(&self, signal: Signal) {
        if let Some(process) = self.process.lock().await.as_ref() {
            process.signal(signal);
        }
    }

    /// Sends a signal to the processes that it started; says how many there were.
    pub async fn signal_children(&self, signal: Signal) -> usize {
        let process = self.process.lock().await;
        process.as_ref().map_or(0, |process| process.signal_children(self.port(), signal))
    }

    /// Whether it started processes of its own.
    pub async fn has_children(&self) -> bool {
        let process = self.process.lock().await;
        process.as_ref().is_some_and(|process| !process.children(self.port()).is_empty())
    }

    fn port(&self) -> Option<u16> {
        self.recipe.url().and_then(|url| url.port_or_known_default())
    }

    /// Waits until it answers anything at all.
    ///
    /// # Errors
    /// When it does not.
    pub async fn come_up(&self) -> Result<(), TargetError> {
        let Some(url) = self.recipe.url().map(over_http) else { return Ok(()) };
        let http = plain_http(ONE_LOOK).filter(|_| url.scheme() == "http");
        let began = Instant::now();
        loop {
            let answers = match &http {
                Some(http) => {
                    matches!(timeout(ONE_LOOK, http.get(url.clone()).send()).await, Ok(Ok(_)))
                }
                None => reachable(&url).await,
            };
            if answers {
                return Ok(());
            }
            if self.process.lock().await.as_mut().is_some_and(Process::has_ended) {
                return Err(TargetError::Start("its process ended".to_owned()));
            }
            if began.elapsed() >= TO_COME_UP {
                let waited = TO_COME_UP.as_secs();
                return Err(TargetError::Start(format!(
                    "no answer at {} in {waited} s",
                    shown(url)
                )));
            }
            // Who takes long is looked at less often.
            sleep(LOOK.max(began.elapsed() / 50)).await;
        }
    }

    /// Whether a connection can be made.
    pub async fn is_reachable(&self, through: Option<SocketAddr>) -> bool {
        if let Some(proxy) = through {
            return reachable_through(proxy).await;
        }
        match self.recipe.url() {
            Some(url) => reachable(&url).await,
            None => true,
        }
    }
}

/// A client of HTTP without TLS, for looks; `None` where none can be made.
pub(crate) fn plain_http(within: Duration) -> Option<reqwest::Client> {
    // The first one in the process stays.
    let _first_stays = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(within);
    client.build().ok()
}

/// The same place for plain requests: a WebSocket begins as one.
fn over_http(mut url: Url) -> Url {
    let scheme = match url.scheme() {
        "ws" => "http",
        "wss" => "https",
        _ => return url,
    };
    // Between schemes of one kind it cannot fail.
    let _set = url.set_scheme(scheme);
    url
}

async fn reachable(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = url.port_or_known_default().unwrap_or(80);
    matches!(timeout(ONE_LOOK, TcpStream::connect((host, port))).await, Ok(Ok(_)))
}

/// A proxy takes every connection, and closes it when there is nobody behind it.
async fn reachable_through(proxy: SocketAddr) -> bool {
    let Ok(Ok(stream)) = timeout(ONE_LOOK, TcpStream::connect(proxy)).await else { return false };
    match timeout(TO_REFUSE, stream.peek(&mut [0])).await {
        Ok(read) => read.is_ok_and(|read| read > 0),
        Err(_) => true,
    }
}

/// A port that the system gives to nobody else while the socket is held: a server that names it can
/// listen there, end, and listen there again.
fn hold_port() -> Result<(u16, TcpSocket), TargetError> {
    let hold = || {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        Ok((socket.local_addr()?.port(), socket))
    };
    hold().map_err(|error: std::io::Error| TargetError::Start(format!("no port is free: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn a_proxy_with_nobody_behind_it_reaches_nothing() {
        let proxy = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = proxy.local_addr().expect("an address");
        assert!(reachable_through(address).await, "it keeps the connection");
        let close = async {
            loop {
                drop(proxy.accept().await);
            }
        };
        tokio::select! {
            reached = reachable_through(address) => assert!(!reached),
            () = close => {}
        }
    }
}

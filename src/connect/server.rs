//! The way to the server: a client that does not give up, and the task that notices what becomes
//! of it and keeps what is known up to date.

use super::{
    bridge::{Bridge, Report},
    known::List,
    pages::Pages,
    say,
};
use mcp_client::{Client, ClientError, ClientEvent, OutCall, Retry, Return, State, Terms};
use mcp_protocol::{Payload, RawObject, RawValue, RpcError, code, raw_value};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{broadcast, watch},
    time::{Instant, sleep_until, timeout},
};

/// Longest time to read a list before the agent is given the one known before.
const LIST_WAIT: Duration = Duration::from_secs(5);
/// Most pages of a list that are read.
const MOST_PAGES: usize = 200;
/// A server that has come back may still be looking for its tools for so long.
const WARM_UP: Duration = Duration::from_secs(10);
/// How often a server that does not let us in is asked again.
const KNOCK: Duration = Duration::from_secs(30);

/// How it stands with the server.
#[derive(Debug, Clone)]
pub(super) enum Standing {
    /// Nobody knows yet.
    Starting,
    /// It is there.
    Connected,
    /// It is away.
    Away,
    /// It does not let us in.
    Shut(ClientError),
}

/// The server.
pub(super) struct Server {
    pub(super) client: Client,
    standing: watch::Sender<Standing>,
    /// Until then lists only grow.
    warm: watch::Sender<Instant>,
}

impl Server {
    pub(super) fn new(client: Client) -> Self {
        let warm = watch::Sender::new(Instant::now() + WARM_UP);
        Self { client, standing: watch::Sender::new(Standing::Starting), warm }
    }

    /// Whether it is there, as far as we know.
    pub(super) fn is_there(&self) -> bool {
        matches!(*self.standing.borrow(), Standing::Connected)
    }

    /// How it stands once `enough` is said, or the time is up.
    pub(super) async fn standing(
        &self,
        within: Duration,
        enough: impl FnMut(&Standing) -> bool,
    ) -> Standing {
        let mut changes = self.standing.subscribe();
        // At the end of the time, what is known then has to do.
        let _in_time = timeout(within, changes.wait_for(enough)).await;
        self.standing.borrow().clone()
    }

    /// Resolves when it is not there.
    pub(super) async fn is_lost(&self) {
        let mut changes = self.standing.subscribe();
        let is_lost = |standing: &Standing| !matches!(standing, Standing::Connected);
        // The sender is ours.
        let _lost = changes.wait_for(is_lost).await;
    }

    /// Whether it has just come back, so that it may not have found all its tools yet.
    pub(super) fn is_warming_up(&self) -> bool {
        Instant::now() < *self.warm.borrow()
    }

    /// All entries of a list, in one time for all its pages.
    pub(super) async fn entries(&self, list: List) -> Result<Vec<Box<RawValue>>, RpcError> {
        let too_late = |_| RpcError::new(code::INTERNAL, "The server's list takes too long");
        timeout(LIST_WAIT, self.pages(list)).await.map_err(too_late)?
    }

    async fn pages(&self, list: List) -> Result<Vec<Box<RawValue>>, RpcError> {
        let (mut pages, mut cursor) = (Pages::default(), None::<String>);
        for _ in 0..MOST_PAGES {
            let params = cursor.map_or_else(|| json!({}), |cursor| json!({ "cursor": cursor }));
            let page = match self.read(list, raw_value(&params)).await {
                Err(error) if error.code == code::METHOD_NOT_FOUND => break,
                page => page?,
            };
            cursor = pages.take(list, &page)?;
            if cursor.is_none() {
                break;
            }
        }
        Ok(pages.entries)
    }

    async fn read(&self, list: List, params: Box<RawValue>) -> Payload {
        let terms = Terms { deadline: LIST_WAIT, may_repeat: true, ..Terms::default() };
        let answer = self.client.call(OutCall::new(list.method().as_str(), params), terms).await;
        answer.unwrap_or_else(|error| Err(RpcError::new(code::INTERNAL, error.to_string())))
    }

    /// The lists that the server says it has.
    fn promised(&self) -> Vec<List> {
        let server = self.client.server();
        let promises = server.as_ref().and_then(|server| RawObject::parse(&server.capabilities));
        let promised =
            |list: &List| promises.as_ref().is_some_and(|all| all.contains(list.capability()));
        List::ALL.into_iter().filter(promised).collect()
    }

    fn stands(&self, standing: Standing) {
        let before = self.standing.send_replace(standing.clone());
        match (&before, &standing) {
            (Standing::Connected, Standing::Connected)
            | (Standing::Away, Standing::Away)
            | (Standing::Shut(_), Standing::Shut(_)) => {}
            (_, Standing::Connected) => say("connected"),
            (_, Standing::Shut(why)) => {
                say(&format!("{why}; give it a valid token with --token-file"))
            }
            (_, Standing::Away) => {
                let why = self.client.trouble().map(|why| why.to_string()).unwrap_or_default();
                say(&format!(
                    "the server is away ({why}); its tools stay listed, and calls wait for it"
                ));
            }
            (_, Standing::Starting) => {}
        }
    }
}

/// Notices what becomes of the server, as long as the bridge stands.
pub(super) async fn watch(
    bridge: Arc<Bridge>,
    server: Arc<Server>,
    mut events: broadcast::Receiver<ClientEvent>,
    mut changed: watch::Receiver<u64>,
) {
    if server.client.state() == State::Connected {
        arrive(&bridge, &server).await;
    }
    let mut settled = true;
    loop {
        let warm = *server.warm.borrow();
        let knock = Instant::now() + KNOCK;
        let is_shut = matches!(*server.standing.borrow(), Standing::Shut(_));
        tokio::select! {
            event = events.recv() => match event {
                Ok(ClientEvent::State { to: State::Connected, .. }) => {
                    arrive(&bridge, &server).await;
                    settled = false;
                }
                Ok(event) => heard(&bridge, &server, event),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return,
            },
            Ok(()) = changed.changed() => refresh(&bridge, &server).await,
            () = sleep_until(warm), if !settled => {
                settled = true;
                refresh(&bridge, &server).await;
            }
            () = sleep_until(knock), if is_shut => server.client.reconnect_now(),
        }
    }
}

fn heard(bridge: &Bridge, server: &Server, event: ClientEvent) {
    match event {
        ClientEvent::State { to: State::Reconnecting | State::Failed, why, .. } => {
            server.stands(away(why));
        }
        ClientEvent::TryFailed { why, .. } => server.stands(away(Some(why))),
        ClientEvent::Returned { how, away, attempts } => {
            bridge.returned(Report { attempts, away, same_session: how == Return::Resumed });
        }
        ClientEvent::NotRestored { method, why } => {
            say(&format!("the server does not take `{method}` any more: {why}"));
        }
        ClientEvent::Dropped { method, why } => say(&format!("`{method}` was not sent: {why}")),
        ClientEvent::State { .. } | ClientEvent::ListChanged(_) | ClientEvent::Stats(_) => {}
    }
}

fn away(why: Option<ClientError>) -> Standing {
    match why {
        Some(why) if why.retry() == Retry::Never => Standing::Shut(why),
        Some(_) | None => Standing::Away,
    }
}

/// The server is there: what it says of itself and its lists are read, and then it counts.
async fn arrive(bridge: &Arc<Bridge>, server: &Server) {
    if let Some(info) = server.client.server() {
        bridge.meet(&info);
    }
    server.warm.send_replace(Instant::now() + WARM_UP);
    server.stands(Standing::Connected);
    refresh(bridge, server).await;
}

/// Reads all lists, and tells the agent what is new.
async fn refresh(bridge: &Arc<Bridge>, server: &Server) {
    for list in server.promised() {
        if server.client.state() != State::Connected {
            // It is gone again: who waits for its lists would not notice.
            break;
        }
        if let Ok(entries) = server.entries(list).await
            && bridge.learn(list, entries, server.is_warming_up())
        {
            bridge.tell_changed(list);
        }
    }
    bridge.save();
}

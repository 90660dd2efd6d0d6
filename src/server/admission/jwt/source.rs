//! Where keys come from: a file, read once, or an issuer's address, fetched in the background
//! on a timer and when a token names a key that is not known. While the issuer is away the
//! last good keys stay.

use super::{
    AuthError,
    fetch::{self, Address},
    keys::{self, Allowed, Key, KeySet},
};
use crate::config::JwtConfig;
use arc_swap::ArcSwap;
use mcp_telemetry::{Event, Telemetry};
use sha2::{Digest, Sha256};
use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout},
};

/// Longest file of keys, in bytes.
const LONGEST_FILE: u64 = 1 << 20;
/// Least time between two fetches because of unknown keys, whoever sends them.
const ASK_EVERY: Duration = Duration::from_secs(10);
/// Longest time a request waits for a fetch.
const WAIT: Duration = Duration::from_secs(5);
/// Time until the next attempt after one that failed.
const TRY_AGAIN: Duration = Duration::from_secs(10);

/// The keys in force, and where new ones come from.
pub(super) struct Source {
    keys: ArcSwap<KeySet>,
    remote: Option<Arc<Remote>>,
}

struct Remote {
    address: Address,
    every: Duration,
    allowed: Allowed,
    asked: Mutex<Asked>,
    wake: Notify,
    /// Counts the attempts that ended.
    tried: watch::Sender<u64>,
}

struct Asked {
    is_under_way: bool,
    last: Option<Instant>,
}

impl Source {
    pub(super) fn new(config: &JwtConfig) -> Result<Self, AuthError> {
        let allowed = Allowed::new(&config.algorithms)?;
        match (&config.keys_file, &config.jwks_url) {
            (Some(path), None) => {
                let keys = KeySet::new(1, of_file(path, &allowed)?);
                Ok(Self { keys: ArcSwap::from_pointee(keys), remote: None })
            }
            (None, Some(url)) => {
                let remote = Remote {
                    address: Address::new(url)?,
                    every: config.jwks_refresh,
                    allowed,
                    asked: Mutex::new(Asked { is_under_way: true, last: None }),
                    wake: Notify::new(),
                    tried: watch::Sender::new(0),
                };
                Ok(Self { keys: ArcSwap::default(), remote: Some(Arc::new(remote)) })
            }
            _ => Err(AuthError::KeysFrom),
        }
    }

    /// The keys in force.
    pub(super) fn keys(&self) -> Arc<KeySet> {
        self.keys.load_full()
    }

    /// Keeps the keys fresh until the source is dropped; `None` when they come from a file.
    pub(super) fn refresh(
        self: &Arc<Self>,
        telemetry: Telemetry,
    ) -> Option<impl Future<Output = ()> + use<>> {
        let remote = Arc::clone(self.remote.as_ref()?);
        Some(keep_fresh(Arc::downgrade(self), remote, telemetry))
    }

    /// Has the keys fetched, unless that was done just now, and waits for it a moment.
    /// Whether there was an attempt.
    pub(super) async fn ask_for_new(&self) -> bool {
        let Some(remote) = &self.remote else { return false };
        let mut tried = remote.tried.subscribe();
        remote.ask() && timeout(WAIT, tried.changed()).await.is_ok()
    }

    fn replace(&self, keys: Vec<Key>) {
        let generation = self.keys.load().generation + 1;
        self.keys.store(Arc::new(KeySet::new(generation, keys)));
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if let Some(remote) = &self.remote {
            remote.wake.notify_one();
        }
    }
}

impl Remote {
    fn ask(&self) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if asked.is_under_way {
            return true;
        }
        if asked.last.is_some_and(|last| now.saturating_duration_since(last) < ASK_EVERY) {
            return false;
        }
        *asked = Asked { is_under_way: true, last: Some(now) };
        self.wake.notify_one();
        true
    }

    fn attempt_ended(&self) {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).is_under_way = false;
        self.tried.send_modify(|count| *count += 1);
    }
}

async fn keep_fresh(source: Weak<Source>, remote: Arc<Remote>, telemetry: Telemetry) {
    let mut last = None;
    loop {
        let fetched = fetch::fetch(&remote.address).await.and_then(|text| {
            let digest: [u8; 32] = Sha256::digest(&text).into();
            let is_new = last != Some(digest);
            let keys = keys::published(&text, &remote.allowed).map_err(str::to_owned)?;
            Ok(is_new.then_some((digest, keys)))
        });
        let Some(source) = source.upgrade() else { return };
        let pause = match fetched {
            Ok(changed) => {
                if let Some((digest, keys)) = changed {
                    last = Some(digest);
                    source.replace(keys);
                }
                remote.every
            }
            Err(error) => {
                telemetry.emit(&Event::KeysNotFetched { error: &error });
                remote.every.min(TRY_AGAIN)
            }
        };
        drop(source);
        remote.attempt_ended();
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = remote.wake.notified() => {}
        }
    }
}

fn of_file(path: &Path, allowed: &Allowed) -> Result<Vec<Key>, AuthError> {
    let wrong = |why: String| AuthError::KeysFile(path.to_owned(), why);
    let length = std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?.len();
    if length > LONGEST_FILE {
        return Err(wrong("it is larger than 1 MiB".to_owned()));
    }
    let text = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    keys::of_file(&text, allowed).map_err(|why| wrong(why.to_owned()))
}

//! Sessions that come back: all of them after a restart, one of them when its client uses it
//! again after it was put away.

use super::{Stages, legacy::sessions_full};
use crate::{
    call::{Caller, Principal, Refusal, Rejection},
    session::{Session, may_revive, now, outlives_its_connection},
};
use mcp_protocol::{Era, raw_value};
use mcp_store::{Restored, StoreError};
use mcp_telemetry::{Event, Reason, Restoration, Transport};
use serde_json::json;
use std::{cmp::Reverse, sync::Arc, time::Duration};

/// Longest time that DELETE waits for the store.
const DELETED_WITHIN: Duration = Duration::from_millis(500);
/// How often a store that is slow is asked for all sessions.
const ASKED_AT_START: usize = 30;
/// The length of our session ids: nothing else is looked for in the store.
const ID_LENGTH: usize = 36;

impl Stages {
    /// Takes over the sessions that an earlier process left. Nobody is let in before.
    pub(crate) async fn restore_sessions(self: &Arc<Self>) {
        let failed = |detail: &str| {
            let how = Restoration::Failed;
            self.telemetry.emit(&Event::SessionNotRestored { how, detail });
        };
        match self.left_sessions().await {
            Ok(mut stored) => {
                let mut count = 0;
                // Where there is room for some only, for those in use most lately.
                stored.sort_by_key(|restored| Reverse(restored.session.last_activity));
                for restored in stored {
                    if !outlives_its_connection(&restored.session) {
                        self.sessions.give_up(&restored.session.id);
                        continue;
                    }
                    let Some(place) = self.sessions.reserve() else {
                        failed(
                            "there are as many sessions as there may be; its client may revive it",
                        );
                        self.sessions.put_away(&restored.session.id);
                        continue;
                    };
                    let session = self.sessions.restore(place, restored, Restoration::Restored);
                    self.take_up_again(&session);
                    count += 1;
                }
                if count > 0 {
                    self.telemetry.emit(&Event::SessionsTakenOver { count });
                }
            }
            Err(error) => failed(&error.to_string()),
        }
    }

    /// All that the store has. One that is slow is asked again: a start without them is the end of
    /// every session.
    async fn left_sessions(&self) -> Result<Vec<Restored>, StoreError> {
        let store = self.sessions.store();
        for _ in 1..ASKED_AT_START {
            match store.load_sessions(now()).await {
                Err(StoreError::TimedOut) => {}
                loaded => return loaded,
            }
        }
        store.load_sessions(now()).await
    }

    /// The session of that id, if it belongs to the principal and came that way; one that was put
    /// away is revived.
    ///
    /// # Errors
    /// When there is none, no room for it, or the store cannot tell.
    pub(crate) async fn session(
        self: &Arc<Self>,
        id: &str,
        (principal, transport): (&Principal, Transport),
    ) -> Result<Arc<Session>, Rejection> {
        if let Some(session) = self.sessions.find(id, principal, transport) {
            return Ok(session);
        }
        if id.len() != ID_LENGTH {
            return Err(unknown());
        }
        self.revive(id, principal, transport).await
    }

    /// Revives a session that was put away. What was begun ends, also when nobody waits for it any
    /// more: a store that says `active` has a session behind it.
    async fn revive(
        self: &Arc<Self>,
        id: &str,
        principal: &Principal,
        transport: Transport,
    ) -> Result<Arc<Session>, Rejection> {
        // Most ids that are not here are nowhere, and need no turn to be told so.
        let known = self.sessions.store().session(id).await;
        if known.map_err(|error| self.not_told(&error.to_string()))?.is_none() {
            return Err(unknown());
        }
        let (stages, id, principal) = (Arc::clone(self), id.to_owned(), principal.clone());
        let reviving = async move { stages.revive_in_turn(&id, &principal, transport).await };
        match self.connections.spawn(reviving).await {
            Ok(revived) => revived,
            Err(panic) => Err(self.not_told(&panic.to_string())),
        }
    }

    async fn revive_in_turn(
        self: &Arc<Self>,
        id: &str,
        principal: &Principal,
        transport: Transport,
    ) -> Result<Arc<Session>, Rejection> {
        // One at a time, so that two requests of one client get one session.
        let _turn = self.reviving.lock().await;
        if let Some(session) = self.sessions.find(id, principal, transport) {
            return Ok(session);
        }
        let stored = self.put_away(id, principal, transport).await?;
        // Before the store says that it is in use.
        let Some(place) = self.sessions.reserve() else {
            let sentence = sessions_full().message;
            return Err(
                Rejection::new(Refusal::OverCapacity, sentence).retry_after(Duration::from_secs(5))
            );
        };
        match self.sessions.store().revive(id, now()).await {
            Ok(true) => {}
            Ok(false) => return Err(unknown()),
            Err(error) => {
                // It may be done yet, and there is no session: put away again after that.
                self.sessions.put_away(&stored.session.id);
                return Err(self.not_told(&error.to_string()));
            }
        }
        let session = self.sessions.restore(place, stored, Restoration::Revived);
        self.take_up_again(&session);
        Ok(session)
    }

    /// What the store has of a session that was put away and that this client may have again.
    async fn put_away(
        &self,
        id: &str,
        principal: &Principal,
        transport: Transport,
    ) -> Result<Restored, Rejection> {
        let found = self.sessions.store().find_disconnected(id, now()).await;
        let Some(stored) = found.map_err(|error| self.not_told(&error.to_string()))? else {
            return Err(unknown());
        };
        let (asking, window) = ((principal, transport), self.limits.now().resume_window);
        if let Err(detail) = may_revive(&stored.session, asking, window) {
            let how = Restoration::Refused;
            self.telemetry.emit(&Event::SessionNotRestored { how, detail });
            return Err(unknown());
        }
        Ok(stored)
    }

    fn not_told(&self, detail: &str) -> Rejection {
        let how = Restoration::Failed;
        self.telemetry.emit(&Event::SessionNotRestored { how, detail });
        let sentence = "The store of sessions does not answer. Try again.";
        Rejection::new(Refusal::StoreAway, sentence).retry_after(Duration::from_secs(1))
    }

    /// Ends a session for good, at its client's wish: one in use, or one that was put away, which
    /// need not come back for that.
    ///
    /// # Errors
    /// When there is none, or the store cannot tell.
    pub(crate) async fn delete_session(
        &self,
        id: &str,
        (principal, transport): (&Principal, Transport),
    ) -> Result<(), Rejection> {
        if self.sessions.find(id, principal, transport).is_some() {
            self.end_session(id, Reason::ClientDeleted);
        } else if id.len() == ID_LENGTH {
            let stored = self.put_away(id, principal, transport).await?;
            self.sessions.delete(&stored.session.id);
        } else {
            return Err(unknown());
        }
        // Answered, it stays ended, also if the process is killed at once. The store reports what
        // it cannot write.
        let _safe = self.sessions.store().flush(DELETED_WITHIN).await.is_ok();
        Ok(())
    }

    /// Asks the upstreams again for what the session's client had asked for.
    fn take_up_again(self: &Arc<Self>, session: &Arc<Session>) {
        let (uris, level) = (session.subscribed(), session.log_level());
        if uris.is_empty() && level.is_lowest() {
            return;
        }
        let (stages, session) = (Arc::clone(self), Arc::clone(session));
        let stopping = self.stopping.clone();
        let asking = async move {
            let reference = session.reference();
            let caller = Caller {
                principal: session.principal.clone(),
                era: Era::Legacy,
                downstream: Arc::clone(&reference.downstream),
                session: Some(reference),
                modern: None,
            };
            let upstreams = &stages.dispatch.upstreams;
            if !level.is_lowest() {
                let params = raw_value(&json!({ "level": level.name() }));
                // What an upstream says to it does not concern the client now.
                drop(upstreams.set_log_level(&caller, Some(&params)).await);
            }
            for uri in uris {
                let params = raw_value(&json!({ "uri": uri }));
                drop(upstreams.subscribe(&caller, Some(&params)).await);
            }
        };
        self.connections.spawn(stopping.run_until_cancelled_owned(asking));
    }
}

fn unknown() -> Rejection {
    Rejection::new(
        Refusal::SessionNotFound,
        "Session not found. Send `initialize` without `Mcp-Session-Id` to open a new one.",
    )
}

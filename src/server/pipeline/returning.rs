//! Sessions that come back: all of them after a restart, one of them when its client uses it
//! again after it was put away.

use super::{Stages, legacy::sessions_full};
use crate::{
    call::{Caller, Principal, Refusal, Rejection},
    session::{Session, may_revive, now, outlives_its_connection},
};
use mcp_protocol::{Era, raw_value};
use mcp_telemetry::{Event, Restoration, Transport};
use serde_json::json;
use std::{sync::Arc, time::Duration};

/// The length of our session ids: nothing else is looked for in the store.
const ID_LENGTH: usize = 36;

impl Stages {
    /// Takes over the sessions that an earlier process left. Nobody is let in before.
    pub(crate) async fn restore_sessions(self: &Arc<Self>) {
        let failed = |detail: &str| {
            let how = Restoration::Failed;
            self.telemetry.emit(&Event::SessionNotRestored { how, detail });
        };
        match self.sessions.store().load_sessions(now()).await {
            Ok(stored) => {
                let mut count = 0;
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

    async fn revive(
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
        let not_told = |detail: String| {
            let how = Restoration::Failed;
            self.telemetry.emit(&Event::SessionNotRestored { how, detail: &detail });
            let sentence = "The store of sessions does not answer. Try again.";
            Rejection::new(Refusal::StoreAway, sentence).retry_after(Duration::from_secs(1))
        };
        let store = self.sessions.store();
        let found = store.find_disconnected(id, now()).await;
        let Some(stored) = found.map_err(|error| not_told(error.to_string()))? else {
            return Err(unknown());
        };
        let (asking, window) = ((principal, transport), self.limits.now().resume_window);
        if let Err(detail) = may_revive(&stored.session, asking, window) {
            let how = Restoration::Refused;
            self.telemetry.emit(&Event::SessionNotRestored { how, detail });
            return Err(unknown());
        }
        // Before the store says that it is in use.
        let Some(place) = self.sessions.reserve() else {
            let sentence = sessions_full().message;
            return Err(
                Rejection::new(Refusal::OverCapacity, sentence).retry_after(Duration::from_secs(5))
            );
        };
        let revived = store.revive(id, now()).await;
        if !revived.map_err(|error| not_told(error.to_string()))? {
            return Err(unknown());
        }
        let session = self.sessions.restore(place, stored, Restoration::Revived);
        self.take_up_again(&session);
        Ok(session)
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

//! What of a session goes to the store, and what is left of it when it ends.

use super::{Kept, LogLevel, Session, StreamId, calls::why_ended, lock};
use mcp_store::{SessionRecord, Status};
use mcp_telemetry::Reason;
use std::sync::{Arc, atomic::Ordering};

impl Session {
    /// The session as it is stored.
    pub(crate) fn to_record(&self) -> SessionRecord {
        let level = self.log_level();
        SessionRecord {
            id: Arc::clone(&self.id),
            principal: self.principal.shared_name(),
            transport: self.transport,
            revision: self.agreement.revision,
            client_name: self.agreement.client.name.clone(),
            client_version: self.agreement.client.version.clone(),
            user_agent: self.came_from.user_agent.clone(),
            address: self.came_from.address.clone(),
            capabilities: self.agreement.capabilities.get().into(),
            log_level: (level != LogLevel::LOWEST).then(|| level.name().into()),
            subscriptions: self.subscribed().into_iter().map(Into::into).collect(),
            created: self.created.into(),
            last_activity: self.last_activity(),
            initialized: self.is_initialized(),
            status: Status::Active,
            counts: self.counts(),
            streams: 0,
            resume: self.resumption_record(),
        }
    }

    /// Writes the session to the store as it is now; whether it is safe there.
    pub(crate) async fn write(self: &Arc<Self>) -> bool {
        let was_queued = self.record.is_queued();
        let is_safe = self.record.write(|| self.to_record()).await;
        if !was_queued && self.record.is_queued() && self.outlives_its_connection() {
            let general = Kept::new(StreamId::GENERAL, Arc::clone(&self.general), "");
            self.record.keep(&general);
        }
        is_safe
    }

    /// Whether the store has it.
    pub(crate) fn is_written(&self) -> bool {
        self.record.is_written()
    }

    /// Lets go of everything without an end, if the store keeps it for the next process;
    /// whether it does.
    pub(super) fn hand_over(&self, epoch: u64) -> bool {
        if !self.record.is_durable() || !self.outlives_its_connection() {
            return false;
        }
        let Some(connection) = lock(&self.connection).take() else { return true };
        let _first = self.ended.set(Reason::ServerShutdown).is_ok();
        self.record.active(self.last_activity(), self.counts());
        self.let_go(Reason::ServerShutdown, true);
        self.note_left(epoch);
        connection.hand_over();
        true
    }

    fn let_go(&self, reason: Reason, withdraw: bool) {
        // A legacy client that goes away has withdrawn nothing: its calls run to their end.
        if withdraw {
            for call in lock(&self.calls).running.values() {
                call.withdrawal.say();
            }
        }
        self.questions.close();
        self.streams.close(&why_ended(reason));
        self.general.close();
    }

    /// Ends everything the session owns, once.
    pub(super) fn end(&self, reason: Reason, epoch: u64) {
        let Some(connection) = lock(&self.connection).take() else { return };
        let _first = self.ended.set(reason).is_ok();
        if !self.initialized.swap(true, Ordering::Relaxed) {
            self.report_handshake(false);
        }
        let went_away =
            matches!(reason, Reason::ClientClosed | Reason::ClientGone | Reason::HeartbeatLost);
        self.let_go(reason, !went_away);
        self.note_left(epoch);
        self.record.active(self.last_activity(), self.counts());
        self.record.ended(reason);
        connection.end(reason);
    }
}

//! Sessions as whoever runs the server sees them: those in memory as they are now, the others
//! from the store.

use super::Stages;
use crate::session::Facts;
use mcp_store::{HistoryRow, SessionDetail, SessionFilter, SessionRecord, StatusWord, StoreError};
use std::{cmp::Reverse, collections::HashSet, sync::Arc, time::Duration};

/// Longest wait for what was noted to be written, so that the store tells the newest.
const NEWEST_WITHIN: Duration = Duration::from_millis(500);

/// What is known of a session that is not in memory, or of one that is.
pub(crate) enum Seen {
    /// It is in memory.
    Here(Facts),
    /// The store has it.
    Stored(SessionRecord),
}

/// Which sessions are asked for.
pub(crate) struct Wanted {
    pub(crate) status: Option<StatusWord>,
    pub(crate) principal: Option<Arc<str>>,
    /// Most of them.
    pub(crate) limit: usize,
}

/// Sessions, newest first.
pub(crate) struct Listed {
    pub(crate) sessions: Vec<Seen>,
    /// There are more than were asked for.
    pub(crate) more: bool,
    /// Why those that are not in memory are missing, if they are.
    pub(crate) missing: Option<StoreError>,
}

impl Seen {
    pub(crate) fn record(&self) -> &SessionRecord {
        match self {
            Self::Here(facts) => &facts.record,
            Self::Stored(record) => record,
        }
    }
}

impl Stages {
    /// The newest sessions.
    pub(crate) async fn list_sessions(&self, wanted: Wanted) -> Listed {
        let Wanted { status, principal, limit } = wanted;
        // One more than asked for shows that there are more.
        let most = limit + 1;
        let filter = SessionFilter { status, principal: principal.clone() };
        let (stored, missing) = match self.stored_sessions(filter, most).await {
            Ok(stored) => (stored, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let here = match status {
            Some(StatusWord::Disconnected) => Vec::new(),
            Some(StatusWord::Active) | None => self.sessions.newest(principal.as_deref(), most),
        };
        let known: HashSet<Arc<str>> =
            here.iter().map(|facts| Arc::clone(&facts.record.id)).collect();
        let elsewhere = stored.into_iter().filter(|record| !known.contains(&record.id));
        let mut sessions: Vec<Seen> =
            here.into_iter().map(Seen::Here).chain(elsewhere.map(Seen::Stored)).collect();
        sessions.sort_by(|one, other| {
            let key = |seen: &Seen| (Reverse(seen.record().created), Arc::clone(&seen.record().id));
            key(one).cmp(&key(other))
        });
        let more = sessions.len() > limit;
        sessions.truncate(limit);
        Listed { sessions, more, missing }
    }

    async fn stored_sessions(
        &self,
        filter: SessionFilter,
        most: usize,
    ) -> Result<Vec<SessionRecord>, StoreError> {
        self.bring_store_up_to_date().await;
        self.sessions.store().sessions(filter, most).await
    }

    /// A session with its history; of that principal, if one is named.
    ///
    /// # Errors
    /// When it is not in memory and the store cannot tell.
    pub(crate) async fn see_session(
        &self,
        id: &str,
        principal: Option<&str>,
    ) -> Result<Option<(Seen, Vec<HistoryRow>)>, StoreError> {
        self.bring_store_up_to_date().await;
        let stored = self.sessions.store().session(id).await;
        let found = match (self.sessions.facts(id), stored) {
            (Some(facts), stored) => {
                let detail = stored.ok().flatten();
                Some((Seen::Here(facts), detail.map(|detail| detail.history).unwrap_or_default()))
            }
            (None, stored) => {
                stored?.map(|SessionDetail { session, history }| (Seen::Stored(session), history))
            }
        };
        let is_theirs =
            |seen: &Seen| principal.is_none_or(|name| *seen.record().principal == *name);
        Ok(found.filter(|(seen, _)| is_theirs(seen)))
    }

    /// How many sessions the store has that are not in use.
    ///
    /// # Errors
    /// When they cannot be counted.
    pub(crate) async fn disconnected_sessions(&self) -> Result<u64, StoreError> {
        self.bring_store_up_to_date().await;
        self.sessions.store().status_counts().await.map(|counts| counts.disconnected)
    }

    /// Waits a moment for what was noted. A store that takes longer tells what it knows.
    async fn bring_store_up_to_date(&self) {
        let _written = self.sessions.store().flush(NEWEST_WITHIN).await.is_ok();
    }
}

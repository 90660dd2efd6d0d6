//! What outlives the process: sessions and why each one ended, events that clients have not read,
//! calls in flight, what upstreams offered and under which names, agents and their tasks, and when
//! the server itself was alive.
//!
//! [`Store`] is all the server knows of it. A session is written before its `initialize` is
//! answered ([`Store::insert_session`]); everything after that is noted ([`Store::note`]) and
//! written some milliseconds later, many changes in one transaction, so that no call ever waits
//! for a disk. Whoever writes says when it is: the store reads no clock.
//!
//! What is kept, and how long, is in [`Retention`]. Decisions (who may revive a session, and until
//! when) are the server's.

mod catalogue;
mod change;
mod error;
mod memory;
mod record;
mod retention;
mod shown;
mod sqlite;
mod store;
mod time;
mod work;

pub use catalogue::{
    CatalogueChange, ListKey, ListKind, NamedKind, StoredCatalogue, StoredList, StoredName,
};
pub use change::{Change, Noted, Return};
pub use error::StoreError;
pub use memory::MemoryStore;
pub use record::{
    Counts, Happening, HistoryRow, Restored, SessionDetail, SessionFilter, SessionRecord, Status,
    StatusCounts, StatusWord, StoredCall, StoredEvent, StoredStream,
};
pub use retention::Retention;
pub use sqlite::{SqliteConfig, SqliteReader, SqliteStore};
pub use store::{Beginning, Epoch, Health, Life, Store, StoreCounts};
pub use time::UtcMillis;
pub use work::{AgentRecord, TaskRecord, TaskRunner, TaskState, Work, WorkChange};

use std::time::Duration;

/// How often expired rows are looked for.
const PRUNE_EVERY: Duration = Duration::from_secs(10);
/// Most sessions that are listed at once: a thousand, and one that shows that there are more.
const MOST_LISTED: usize = 1_001;

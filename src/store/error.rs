//! Why the store could not do what was asked.

/// Why the store could not do what was asked. The text says what to do and holds no secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It was written by a newer version; it was left as it is.
    #[error(
        "{place} was written by a newer version of this program (its schema is {found}, this one knows up to {known}); \
         run that version, or choose another data dir"
    )]
    Newer {
        /// What was opened.
        place: String,
        /// Its schema.
        found: i64,
        /// The newest schema known here.
        known: i64,
    },
    /// It is damaged, or it is something else; it was left as it is.
    #[error(
        "{place} is damaged or no store of ours ({detail}); it was left as it is: \
         move it away to start with an empty one"
    )]
    Corrupt {
        /// What was opened.
        place: String,
        /// What was found.
        detail: String,
    },
    /// Another process writes to it.
    #[error("{place} is in use by another server; stop that one, or choose another data dir")]
    InUse {
        /// What was opened.
        place: String,
    },
    /// It cannot be written to.
    #[error("{place} cannot be written to ({detail}); check who owns it and how it is mounted")]
    ReadOnly {
        /// What was opened.
        place: String,
        /// What was found.
        detail: String,
    },
    /// There is no room for more.
    #[error("{place} cannot grow: the disk is full; make room, and writing goes on by itself")]
    Full {
        /// What was opened.
        place: String,
    },
    /// It cannot be opened, or a read or write failed in some other way.
    #[error("{place} cannot be used: {detail}")]
    Failed {
        /// What was opened.
        place: String,
        /// What was found.
        detail: String,
    },
    /// There is no store at that place.
    #[error("{place} is not there: no server has run with this data dir")]
    Missing {
        /// What was asked for.
        place: String,
    },
    /// As much is waiting to be written as may.
    #[error("the store is too slow: as much is waiting for it as may")]
    Overloaded,
    /// It did not answer in time. What was asked for may still be done.
    #[error("the store did not answer in time")]
    TimedOut,
    /// It was closed.
    #[error("the store is closed")]
    Closed,
}

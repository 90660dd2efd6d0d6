//! What the process does for itself: its configuration, its store, its telemetry.

use super::Label;

labels! {
    /// What came of a new configuration.
    ReloadOutcome {
        /// It is in force.
        Ok = "ok",
        /// It is not valid; the one before it stays in force.
        Refused = "refused",
    }

    /// What the store was asked to do.
    StoreOperation {
        /// It was opened and its schema brought up to date.
        Open = "open",
        /// A session was inserted or revived: from asking until it was safe.
        Insert = "insert",
        /// Rows of sessions in one transaction.
        Session = "session",
        /// Rows of the history in one transaction.
        History = "history",
        /// Events and streams in one transaction.
        Event = "event",
        /// Calls in flight in one transaction.
        Call = "call",
        /// What is kept of upstreams, in one transaction.
        Catalogue = "catalogue",
        /// Agents and tasks in one transaction.
        Work = "work",
        /// The end of one transaction.
        Commit = "commit",
        /// Expired rows were removed.
        Prune = "prune",
        /// What was written went from the log into the database.
        Checkpoint = "checkpoint",
        /// All that waited was written, because somebody asked.
        Flush = "flush",
        /// Something was read; of this only failures are counted.
        Read = "read",
    }

    /// What was sent to a collector.
    Signal {
        /// Spans.
        Spans = "spans",
        /// Lines of the log file.
        Logs = "logs",
    }
}

//! Opening: the lock, the file with its mode, a look at it that changes nothing, then the schema
//! and the start of a life.

use super::{
    FILE, LOCK,
    columns::signed,
    failure::{Place, Result},
    read::SqliteReader,
    schema,
};
use crate::{Beginning, Epoch, Life, StoreError, UtcMillis};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    time::Duration,
};

/// What the first bytes of every SQLite file are.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// Files up to this size are checked from end to end, which takes well under a second.
const CHECKED_BYTES: u64 = 64 * 1024 * 1024;
/// How long a write waits for another program that has locked the file.
const BUSY: Duration = Duration::from_secs(2);

/// An open file, ready to be written to.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) connection: Connection,
    pub(super) place: Place,
    pub(super) beginning: Beginning,
    /// Held until it is dropped.
    pub(super) lock: File,
}

impl Open {
    pub(super) fn in_dir(dir: &Path, now: UtcMillis) -> Result<Self> {
        let file = dir.join(FILE);
        let place = Place::of(&file);
        let lock = lock(dir, &place)?;
        if make_or_look(&file, &place)? {
            check(&file, &place)?;
        }
        let (mut connection, beginning) = (connect(&file, &place)?, Beginning::default());
        schema::migrate(&mut connection, &place)?;
        let mut open = Self { connection, place, beginning, lock };
        open.beginning = open.begin(now).map_err(|error| open.place.error(&error))?;
        Ok(open)
    }

    /// Starts a life: active sessions are this one's from here on.
    fn begin(&mut self, now: UtcMillis) -> rusqlite::Result<Beginning> {
        let transaction = self.connection.transaction()?;
        let previous = transaction
            .query_row(
                "SELECT epoch, started, last_alive, stopped_cleanly FROM lives ORDER BY epoch DESC LIMIT 1",
                [],
                |row| {
                    Ok(Life {
                        epoch: Epoch(u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0)),
                        started: UtcMillis::from_millis(row.get(1)?),
                        last_alive: UtcMillis::from_millis(row.get(2)?),
                        stopped_cleanly: row.get(3)?,
                    })
                },
            )
            .optional()?;
        let epoch = Epoch(previous.map_or(1, |life| life.epoch.0 + 1));
        transaction.execute(
            "INSERT INTO lives (epoch, started, last_alive) VALUES (?1, ?2, ?2)",
            params![signed(epoch.0), now.as_millis()],
        )?;
        transaction.execute(
            "UPDATE sessions SET epoch = ?1 WHERE disconnected_at IS NULL",
            [signed(epoch.0)],
        )?;
        transaction.commit()?;
        Ok(Beginning { epoch, previous })
    }
}

/// One writer for each store. SQLite's own locks are let go between writes, and a reader must
/// not be kept out: so this is a lock of ours, on a file beside it.
fn lock(dir: &Path, place: &Place) -> Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(dir.join(LOCK)).map_err(|error| place.io(&error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(place.in_use()),
        Err(fs::TryLockError::Error(error)) => Err(place.io(&error)),
    }
}

/// Makes an empty file that only its owner can read (SQLite gives its other files the same mode),
/// or looks whether the one that is there can be a database. Whether there is something in it.
fn make_or_look(file: &Path, place: &Place) -> Result<bool> {
    let mut options = OpenOptions::new();
    match options.write(true).create_new(true).mode(0o600).open(file) {
        Ok(_) => return Ok(false),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(place.io(&error)),
    }
    let mut start = Vec::new();
    let read = File::open(file).and_then(|file| file.take(16).read_to_end(&mut start));
    read.map_err(|error| place.io(&error))?;
    if !start.is_empty() && start != MAGIC {
        return Err(place.corrupt("it does not begin as a database does"));
    }
    Ok(!start.is_empty())
}

/// Refuses what is newer, not ours or damaged, by means that cannot write: it stays as it is.
fn check(file: &Path, place: &Place) -> Result<()> {
    let bytes = fs::metadata(file).map_err(|error| place.io(&error))?.len();
    let reader = SqliteReader::at(file)?;
    schema::version(&reader.connection, place)?;
    if bytes > CHECKED_BYTES {
        return Ok(());
    }
    let found: String = reader
        .connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|error| place.error(&error))?;
    if found == "ok" { Ok(()) } else { Err(place.corrupt(&found)) }
}

fn connect(file: &Path, place: &Place) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let connection = Connection::open_with_flags(file, flags)?;
        connection.busy_timeout(BUSY)?;
        connection.set_prepared_statement_cache_capacity(64);
        // Only takes effect before the first table.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        let mode: String =
            connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
        // What a killed process had committed is there; only a power cut may take the newest.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        // The writer does this itself, when nobody waits.
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        Ok((connection, mode))
    };
    let (connection, mode) = open().map_err(|error: rusqlite::Error| place.error(&error))?;
    if mode != "wal" {
        return Err(StoreError::ReadOnly {
            place: place.to_string(),
            detail: format!("its journal is `{mode}`"),
        });
    }
    Ok(connection)
}

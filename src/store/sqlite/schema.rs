//! The schema, as the steps that lead to it. `user_version` is the number of steps taken.

use super::failure::{Place, Result};
use rusqlite::Connection;

/// A step that was released is never changed: what is new is a further step.
const STEPS: [&str; 5] = [
    include_str!("steps/0001_sessions.sql"),
    include_str!("steps/0002_streams.sql"),
    include_str!("steps/0003_catalogue.sql"),
    include_str!("steps/0004_work.sql"),
    include_str!("steps/0005_calls.sql"),
];

/// Marks a file as ours: "mcpo".
const APPLICATION_ID: i64 = 0x6d63_706f;

/// The newest schema known here.
pub(super) const NEWEST: i64 = STEPS.len() as i64;

/// How many steps a store has taken; 0 for an empty file.
pub(super) fn version(connection: &Connection, place: &Place) -> Result<i64> {
    let read = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (application, version) = (
        read("application_id").map_err(|error| place.error(&error))?,
        read("user_version").map_err(|error| place.error(&error))?,
    );
    if application != APPLICATION_ID && (application, version) != (0, 0) {
        return Err(place.corrupt("it is a database of another program"));
    }
    if version > NEWEST {
        return Err(place.newer(version, NEWEST));
    }
    Ok(version)
}

/// Takes the steps that are missing, all or none.
pub(super) fn migrate(connection: &mut Connection, place: &Place) -> Result<()> {
    let taken = usize::try_from(version(connection, place)?).unwrap_or(0);
    if taken == STEPS.len() {
        return Ok(());
    }
    take(connection, &STEPS[taken..]).map_err(|error| place.error(&error))
}

fn take(connection: &mut Connection, steps: &[&str]) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for step in steps {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", NEWEST)?;
    transaction.commit()
}

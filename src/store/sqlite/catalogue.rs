//! What is kept of upstreams, as rows: there and back.

use super::columns::signed;
use crate::{
    CatalogueChange, ListKey, ListKind, NamedKind, StoredCatalogue, StoredList, StoredName,
    UtcMillis,
    catalogue::{MOST_LISTS, MOST_NAMES},
};
use mcp_protocol::Era;
use rusqlite::{Connection, Error, Result, Row, params, types::Type};

/// Writes one change inside a transaction.
pub(super) fn apply(connection: &Connection, change: &CatalogueChange) -> Result<()> {
    match change {
        CatalogueChange::Listed(list) => listed(connection, list),
        CatalogueChange::Stale(key, since) => {
            connection
                .prepare_cached(
                    "UPDATE lists SET stale_since = coalesce(min(stale_since, ?4), ?4) \
                     WHERE upstream = ?1 AND era = ?2 AND kind = ?3",
                )?
                .execute(params![
                    &*key.upstream,
                    key.era.as_str(),
                    key.kind.as_str(),
                    since.as_millis()
                ])?;
            Ok(())
        }
        CatalogueChange::Forgotten(upstream, era) => {
            connection
                .prepare_cached(
                    "DELETE FROM lists WHERE upstream = ?1 AND (?2 IS NULL OR era = ?2)",
                )?
                .execute(params![&**upstream, era.map(Era::as_str)])?;
            Ok(())
        }
        CatalogueChange::Named(names) => named(connection, names),
    }
}

fn listed(connection: &Connection, list: &StoredList) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO lists (upstream, era, kind, target, refreshed, stale_since, items) \
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE (SELECT count(*) FROM lists) < ?8 OR EXISTS \
             (SELECT 1 FROM lists WHERE upstream = ?1 AND era = ?2 AND kind = ?3) \
             ON CONFLICT DO UPDATE SET target = excluded.target, refreshed = excluded.refreshed, \
             stale_since = excluded.stale_since, items = excluded.items",
        )?
        .execute(params![
            &*list.key.upstream,
            list.key.era.as_str(),
            list.key.kind.as_str(),
            &*list.target,
            list.refreshed.as_millis(),
            list.stale_since.map(UtcMillis::as_millis),
            &*list.items,
            signed(MOST_LISTS as u64),
        ])?;
    Ok(())
}

fn named(connection: &Connection, names: &[StoredName]) -> Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO names (kind, upstream, original, public, rules) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT DO UPDATE SET public = excluded.public, rules = excluded.rules",
    )?;
    for name in names {
        insert.execute(params![
            name.kind.as_str(),
            &*name.upstream,
            &*name.original,
            &*name.public,
            &*name.rules,
        ])?;
    }
    connection
        .prepare_cached(
            "DELETE FROM names WHERE number IN (SELECT number FROM names ORDER BY number \
             LIMIT max(0, (SELECT count(*) FROM names) - ?1))",
        )?
        .execute([signed(MOST_NAMES as u64)])?;
    Ok(())
}

/// What is kept, and what of it cannot be read: the first such row of each table, and how many
/// there are.
pub(super) type Readable = (StoredCatalogue, Vec<(Error, usize)>);

/// Reads all of it that can be read: one bad row must not take the lists of all upstreams.
pub(super) fn read(connection: &Connection) -> Result<Readable> {
    let mut lists = connection.prepare_cached(
        "SELECT upstream, era, kind, target, refreshed, stale_since, items FROM lists",
    )?;
    let mut names = connection.prepare_cached(
        "SELECT kind, upstream, original, public, rules FROM names ORDER BY number",
    )?;
    let (mut lists, no_lists) = readable(lists.query_map([], list)?);
    let (names, no_names) = readable(names.query_map([], name)?);
    lists.sort_by(|one, other| one.key.cmp(&other.key));
    let unreadable = no_lists.into_iter().chain(no_names).collect();
    Ok((StoredCatalogue { lists, names }, unreadable))
}

/// The rows that can be read; the first error and how many there are.
fn readable<T>(rows: impl Iterator<Item = Result<T>>) -> (Vec<T>, Option<(Error, usize)>) {
    let (mut read, mut unreadable) = (Vec::new(), None::<(Error, usize)>);
    for row in rows {
        match (row, &mut unreadable) {
            (Ok(row), _) => read.push(row),
            (Err(error), None) => unreadable = Some((error, 1)),
            (Err(_), Some((_, count))) => *count += 1,
        }
    }
    (read, unreadable)
}

fn list(row: &Row<'_>) -> Result<StoredList> {
    let (era, kind): (String, String) = (row.get(1)?, row.get(2)?);
    let era = [Era::Legacy, Era::Modern].into_iter().find(|known| known.as_str() == era);
    let key = ListKey {
        upstream: row.get::<_, String>(0)?.into(),
        era: era.ok_or_else(|| unknown(1))?,
        kind: ListKind::parse(&kind).ok_or_else(|| unknown(2))?,
    };
    Ok(StoredList {
        key,
        target: row.get::<_, String>(3)?.into(),
        refreshed: UtcMillis::from_millis(row.get(4)?),
        stale_since: row.get::<_, Option<i64>>(5)?.map(UtcMillis::from_millis),
        items: row.get::<_, String>(6)?.into(),
    })
}

fn name(row: &Row<'_>) -> Result<StoredName> {
    let kind: String = row.get(0)?;
    Ok(StoredName {
        kind: NamedKind::parse(&kind).ok_or_else(|| unknown(0))?,
        upstream: row.get::<_, String>(1)?.into(),
        original: row.get::<_, String>(2)?.into(),
        public: row.get::<_, String>(3)?.into(),
        rules: row.get::<_, String>(4)?.into(),
    })
}

fn unknown(column: usize) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, "an unknown word".into())
}

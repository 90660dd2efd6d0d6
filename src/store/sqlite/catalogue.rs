//! What is kept of upstreams, as rows: there and back.

use super::columns::signed;
use crate::{
    CatalogueChange, ListKey, ListKind, NamedKind, StoredCatalogue, StoredList, StoredName,
    UtcMillis,
    catalogue::{MOST_LISTS, MOST_NAMES},
};
use mcp_protocol::Era;
use rusqlite::{Connection, Result, Row, params, types::Type};

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

/// Reads all of it.
pub(super) fn read(connection: &Connection) -> Result<StoredCatalogue> {
    let mut lists = connection.prepare_cached(
        "SELECT upstream, era, kind, target, refreshed, stale_since, items FROM lists",
    )?;
    let mut names = connection.prepare_cached(
        "SELECT kind, upstream, original, public, rules FROM names ORDER BY number",
    )?;
    let mut lists = lists.query_map([], list)?.collect::<Result<Vec<_>>>()?;
    lists.sort_by(|one, other| one.key.cmp(&other.key));
    Ok(StoredCatalogue { lists, names: names.query_map([], name)?.collect::<Result<_>>()? })
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

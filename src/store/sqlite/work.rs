//! Agents and tasks as rows, there and back.

use super::{failure::Result as StoreResult, read::SqliteReader};
use crate::{AgentRecord, TaskRecord, TaskRunner, TaskState, UtcMillis, Work, WorkChange};
use rusqlite::{Connection, Result, Row, params, types::Type};
use std::sync::Arc;

const AGENT: &str =
    "INSERT OR REPLACE INTO agents (id, kind, principal, created) VALUES (?1, ?2, ?3, ?4)";
const TASK: &str = "INSERT OR REPLACE INTO tasks (id, principal, kind, task, tool, arguments, state, \
     attempts, repeatable, created, changed, ended, result, history, runner) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";
const EXPIRED: &str = "DELETE FROM tasks WHERE id IN \
     (SELECT id FROM tasks WHERE ended <= ?1 ORDER BY ended LIMIT ?2)";

/// Writes a change inside a transaction.
pub(super) fn write(connection: &Connection, change: &WorkChange) -> Result<()> {
    match change {
        WorkChange::Agent(agent) => connection.prepare_cached(AGENT)?.execute(params![
            &*agent.id,
            &*agent.kind,
            &*agent.principal,
            agent.created.as_millis(),
        ]),
        WorkChange::AgentGone(id) => {
            connection.prepare_cached("DELETE FROM agents WHERE id = ?1")?.execute([&**id])
        }
        WorkChange::Task(task) => write_task(connection, task),
        WorkChange::TaskGone(id) => {
            connection.prepare_cached("DELETE FROM tasks WHERE id = ?1")?.execute([&**id])
        }
    }?;
    Ok(())
}

fn write_task(connection: &Connection, task: &TaskRecord) -> Result<usize> {
    let ended = task.state.has_ended().then_some(task.changed.as_millis());
    connection.prepare_cached(TASK)?.execute(params![
        &*task.id,
        &*task.principal,
        &*task.kind,
        &*task.task,
        &*task.tool,
        &*task.arguments,
        task.state.as_str(),
        task.attempts,
        task.repeatable,
        task.created.as_millis(),
        task.changed.as_millis(),
        ended,
        task.result.as_deref(),
        &*task.history,
        task.runner.as_str(),
    ])
}

/// Removes at most `step` tasks that had ended by then; how many those were.
pub(super) fn expire(connection: &Connection, old: i64, step: u32) -> Result<usize> {
    connection.prepare_cached(EXPIRED)?.execute(params![old, step])
}

impl SqliteReader {
    /// All agents and tasks that had not expired by then.
    pub(super) fn work(&self, since: UtcMillis) -> StoreResult<Work> {
        let agents = "SELECT id, kind, principal, created FROM agents ORDER BY created, id";
        let tasks = "SELECT id, principal, kind, task, tool, arguments, state, attempts, repeatable, \
             created, changed, result, history, runner FROM tasks WHERE ended IS NULL OR ended > ?1 \
             ORDER BY created, id";
        Ok(Work {
            agents: self.all(agents, &[], agent)?,
            tasks: self.all(tasks, &[&since.as_millis()], task)?,
        })
    }
}

fn text(row: &Row<'_>, column: usize) -> Result<Arc<str>> {
    row.get::<_, String>(column).map(Arc::from)
}

/// A value that is stored as a word of a closed set.
fn word<T>(row: &Row<'_>, column: usize, parse: fn(&str) -> Option<T>) -> Result<T> {
    let word = text(row, column)?;
    let unknown = || format!("unknown word `{word}`").into();
    parse(&word)
        .ok_or_else(|| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, unknown()))
}

fn agent(row: &Row<'_>) -> Result<AgentRecord> {
    let created = UtcMillis::from_millis(row.get(3)?);
    Ok(AgentRecord { id: text(row, 0)?, kind: text(row, 1)?, principal: text(row, 2)?, created })
}

fn task(row: &Row<'_>) -> Result<TaskRecord> {
    let state = word(row, 6, TaskState::parse)?;
    let runner = word(row, 13, TaskRunner::parse)?;
    Ok(TaskRecord {
        id: text(row, 0)?,
        principal: text(row, 1)?,
        runner,
        kind: text(row, 2)?,
        task: text(row, 3)?,
        tool: text(row, 4)?,
        arguments: text(row, 5)?,
        state,
        attempts: row.get(7)?,
        repeatable: row.get(8)?,
        created: UtcMillis::from_millis(row.get(9)?),
        changed: UtcMillis::from_millis(row.get(10)?),
        result: row.get::<_, Option<String>>(11)?.map(Arc::from),
        history: text(row, 12)?,
    })
}

//! The faults of the server's process: done when they begin, undone when they end.

use crate::{
    Direction, Process,
    book::{Active, Book, InForce},
    kind::{Act, Site},
    process::Pressure,
};
use mcp_telemetry::Event;
use std::{io, sync::Arc};

/// A fault that is done.
struct Done {
    active: Active,
    act: Act,
    /// What lasts as long as it.
    _pressure: Option<Pressure>,
}

/// Follows what is in force, for ever.
pub(super) async fn keep(book: Arc<Book>, process: Option<Process>) {
    let mut in_force = book.follow();
    let mut done = Vec::new();
    loop {
        let now = Arc::clone(&in_force.borrow_and_update());
        end_old(&book, process.as_ref(), &now, &mut done).await;
        begin_new(&book, process.as_ref(), &now, &mut done).await;
        if in_force.changed().await.is_err() {
            return;
        }
    }
}

fn same(one: &Active, other: &Active) -> bool {
    one.id == other.id && one.occurrence == other.occurrence
}

/// Undoes what is in force no longer.
async fn end_old(book: &Book, process: Option<&Process>, now: &InForce, done: &mut Vec<Done>) {
    let (kept, over): (Vec<_>, Vec<_>) =
        done.drain(..).partition(|done| now.iter().any(|active| same(active, &done.active)));
    *done = kept;
    for over in over {
        tell(book, undo(&over, process).await);
    }
}

/// Does what is new.
async fn begin_new(book: &Book, process: Option<&Process>, now: &InForce, done: &mut Vec<Done>) {
    for active in now.iter() {
        let Site::Process(act) = active.fault.kind.effect().site() else { continue };
        let known = done.iter().any(|done| same(&done.active, active));
        if known || !book.hits_connection(active, 0) {
            continue;
        }
        book.injected(active, Direction::Both, None, None);
        done.push(Done { active: active.clone(), act, _pressure: Pressure::by(act) });
        if let Some(process) = process {
            tell(book, act_on(process, act).await);
        }
    }
}

/// Tells what could not be done.
fn tell(book: &Book, result: io::Result<()>) {
    if let Err(error) = result {
        let detail = error.to_string();
        book.telemetry().emit(&Event::InternalError { what: "chaos process", detail: &detail });
    }
}

async fn act_on(process: &Process, act: Act) -> io::Result<()> {
    match act {
        Act::Kill => process.kill().await,
        Act::Terminate => process.terminate().await,
        Act::Stop => process.stop(),
        Act::Restart => {
            process.terminate().await?;
            process.start().await
        }
        Act::Cpu(..) | Act::Memory(_) => Ok(()),
    }
}

async fn undo(over: &Done, process: Option<&Process>) -> io::Result<()> {
    match (over.act, process) {
        (Act::Kill | Act::Terminate, Some(process)) => process.start().await,
        (Act::Stop, Some(process)) => process.go_on(),
        _ => Ok(()),
    }
}

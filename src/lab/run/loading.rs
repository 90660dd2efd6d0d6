//! Calls at a rate: each is sent when it is due, whatever became of those before.

use super::{
    LabError,
    actor::{Actor, Part},
    stage::Stage,
};
use crate::{
    load::arrivals::Arrivals,
    scenario::{Load, Step},
};
use std::{sync::Arc, time::Duration};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

/// Most calls that wait for their answers; further ones wait for one of them, and their time counts.
const MOST_WAITING: usize = 4_096;

/// Makes the calls, and waits for the last answers.
pub(super) async fn load(stage: Arc<Stage>, load: Load) -> Result<(), LabError> {
    let _coming: Vec<_> =
        (1..=load.clients).map(|at| stage.awaited.coming(load_name(at))).collect();
    let clients = clients(&stage, load.clients).await?;
    stage.awaited.all_have_come().await;
    sleep(load.after.scaled(stage.scale)).await;
    let lasts = load.seconds.unwrap_or(stage.scenario.duration).scaled(stage.scale);
    let arrivals =
        Arrivals { rate: load.rate, ramp_s: load.ramp.scaled(stage.scale).as_secs_f64() };
    let (began, began_s) = (Instant::now(), stage.at());
    let until_s = began_s + lasts.as_secs_f64();
    let mut waiting = JoinSet::new();
    for ordinal in 0.. {
        let due_s = arrivals.due_s(ordinal);
        if began_s + due_s >= until_s {
            break;
        }
        sleep_until(began + Duration::from_secs_f64(due_s)).await;
        while waiting.try_join_next().is_some() {}
        while waiting.len() >= MOST_WAITING {
            let _answered = waiting.join_next().await;
        }
        let client = Arc::clone(&clients[ordinal as usize % clients.len()]);
        let (tool, ms) = (load.tool.clone(), load.ms);
        waiting.spawn(async move {
            // What went wrong was noted with the call.
            let _noted = client.call(tool.as_deref(), None, ms, Some(began_s + due_s)).await;
        });
    }
    while waiting.join_next().await.is_some() {}
    for client in clients {
        client.play(&[]).await;
    }
    Ok(())
}

/// What one of the clients that make the calls is called.
pub(super) fn load_name(at: u32) -> String {
    format!("load_{at}")
}

async fn clients(stage: &Arc<Stage>, count: u32) -> Result<Vec<Arc<Actor>>, LabError> {
    let mut clients = Vec::new();
    let mut opening = JoinSet::new();
    for at in 1..=count {
        let part = Part {
            name: load_name(at),
            role: "load".to_owned(),
            test: "load".to_owned(),
            habits: stage.habits,
        };
        let client = Actor::client(stage, part).await?;
        clients.push(Arc::clone(&client));
        opening.spawn(async move { client.begin(&[Step::Initialize {}]).await });
    }
    while opening.join_next().await.is_some() {}
    Ok(clients)
}

//! Lets everybody in a scenario play, each in a task of its own.

use super::{
    LabError,
    actor::{Actor, Part},
    loading,
    stage::Stage,
    watch,
};
use crate::{
    persona,
    result::What,
    scenario::{Group, Scenario, Seconds, Step},
};
use std::{collections::HashSet, sync::Arc, time::Duration};
use tokio::{sync::watch as channel, task::JoinSet, time::sleep};

/// Lets all play, and waits until all have.
pub(super) async fn play(stage: &Arc<Stage>) -> Result<(), String> {
    let (stop, stopped) = channel::channel(false);
    let mut watching = JoinSet::new();
    watching.spawn(watch::tools(Arc::clone(stage), stopped.clone()));
    let resources = watch::resources(Arc::clone(stage), stopped);
    watching.spawn(async move {
        resources.await;
        Ok(())
    });
    let clock = show_time(stage);
    let played = tokio::select! {
        played = players(stage) => played,
        () = clock => Ok(()),
    };
    stage.notes().ended_s = Some(stage.at());
    // Nobody is left to hear it when the watchers have failed; that is told below.
    let _heard = stop.send(true);
    let mut ended = played;
    while let Some(done) = watching.join_next().await {
        let done = match done {
            Ok(done) => done.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        ended = ended.and(done);
    }
    ended
}

async fn players(stage: &Arc<Stage>) -> Result<(), String> {
    let mut playing: JoinSet<Result<(), LabError>> = JoinSet::new();
    if let Some(load) = stage.scenario.load.clone() {
        playing.spawn(loading::load(Arc::clone(stage), load));
    }
    for group in &stage.scenario.clients {
        for at in 1..=group.count {
            playing.spawn(player(Arc::clone(stage), group.clone(), at));
        }
    }
    let script = Actor::script(stage);
    let (steps, stage) = (stage.scenario.steps.clone(), Arc::clone(stage));
    playing.spawn(async move {
        stage.awaited.all_have_come().await;
        if !script.play(&steps).await {
            stage.tell(None, What::Note { message: "a step of the script failed".to_owned() });
        }
        Ok(())
    });
    let mut all = Ok(());
    while let Some(done) = playing.join_next().await {
        let done = match done {
            Ok(done) => done.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        all = all.and(done);
    }
    all
}

/// Who is to be there when the script and the load begin: all that shake hands first of all, and at
/// once.
pub(super) fn from_the_start(scenario: &Scenario) -> HashSet<String> {
    let load = scenario.load.iter().flat_map(|load| (1..=load.clients).map(loading::load_name));
    let is_first = |group: &&Group| {
        group.after == Seconds::default()
            && matches!(group.steps.first(), Some(Step::Initialize {}))
    };
    let clients = scenario.clients.iter().filter(is_first).flat_map(|group| {
        let at_once = if group.stagger == Seconds::default() { group.count } else { 1 };
        (1..=at_once).map(|at| name_of(group, at))
    });
    load.chain(clients).chain([watch::PROBER.to_owned()]).collect()
}

fn name_of(group: &Group, at: u32) -> String {
    format!("{}_{at}", group.role)
}

async fn player(stage: Arc<Stage>, group: Group, at: u32) -> Result<(), LabError> {
    let name = name_of(&group, at);
    let _coming = stage.awaited.coming(&name);
    sleep((group.after.scaled(stage.scale)) + group.stagger.scaled(stage.scale) * (at - 1)).await;
    let habits = match &group.persona {
        Some(name) => persona::by_name(name).ok_or_else(|| LabError::Persona(name.clone()))?,
        None => stage.habits,
    };
    let test = group.test.clone().unwrap_or_else(|| stage.scenario.name.clone());
    let actor =
        Actor::client(&stage, Part { name: name.clone(), role: group.role, test, habits }).await?;
    actor.play(&group.steps).await;
    Ok(())
}

/// Shows how much is done. Never ends.
async fn show_time(stage: &Arc<Stage>) {
    let lasts = stage.scenario.duration.scaled(stage.scale).as_secs_f64().max(0.1);
    loop {
        stage.show(|now| now.share_done = (stage.at() / lasts).min(1.0));
        sleep(Duration::from_millis(200)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        progress,
        result::EventLog,
        run::awaited::Awaited,
        scenario::read_toml,
        target::{Place, TargetSpec},
    };
    use tokio::{
        net::TcpListener,
        time::{Instant, timeout},
    };

    const SCENARIO: &str = "
        name = 'nobody-comes'
        description = 'All fail on their way.'
        duration = 1
        expect = []
        load = { rate = 1, clients = 2 }
        clients = [{ role = 'client', count = 2, steps = [{ do = 'initialize' }] }]
    ";

    /// A target to which nobody can be a client.
    async fn out_of_reach(listener: &TcpListener) -> Place {
        let url = format!("https://{}/mcp", listener.local_addr().expect("an address"));
        let token = Some("no\nheader".to_owned().into());
        let spec = TargetSpec { url: Some(url), token, ..TargetSpec::default() };
        Place::start(&spec).await.expect("it is there")
    }

    #[tokio::test]
    async fn the_script_does_not_wait_for_those_who_failed_on_their_way() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let scenario = read_toml("nobody-comes", SCENARIO).expect("a scenario");
        let stage = Stage {
            prefix: String::new(),
            name: scenario.name.clone(),
            awaited: Awaited::new(from_the_start(&scenario)),
            scenario,
            habits: persona::by_name("own").expect("a persona"),
            scale: 1.0,
            seed: 1,
            place: out_of_reach(&listener).await,
            menu: Default::default(),
            started_s: 0.0,
            began: Instant::now(),
            log: EventLog::start(std::io::sink()).expect("a log").0,
            progress: progress::channel().0,
            notes: Default::default(),
            lines: Default::default(),
            on: Default::default(),
            prober: Default::default(),
            calls: Default::default(),
        };
        let played = timeout(Duration::from_secs(20), play(&Arc::new(stage))).await;
        played.expect("well before those who might come are given up").expect_err("nobody came");
    }
}

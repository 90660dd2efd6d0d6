//! Looks at the target while a scenario runs: are its tools there, what does it use, what does it
//! tell of itself. Each look is due at its time whatever became of those before.

use super::{LabError, ask, stage::Stage};
use crate::{
    observe::{availability::Look, metrics, process},
    persona::Agent,
    progress::Available,
    result::{Outcome, ResourceSource, What},
    target::plain_http,
};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, timeout},
};

/// Who looks at the tools.
pub(super) const PROBER: &str = "prober";
/// Most looks that wait for their answers.
const MOST_WAITING: usize = 256;
/// How often it is looked what the target uses, at most; long scenarios are looked at less often.
const SAMPLE: Duration = Duration::from_millis(250);
/// Most such samples of a scenario, about.
const SAMPLES: f64 = 2_000.0;
/// Longest time for a scrape.
const SCRAPE: Duration = Duration::from_secs(5);

/// Looks at the tools until told to stop; then waits for the looks on their way.
pub(super) async fn tools(
    stage: Arc<Stage>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), LabError> {
    let coming = stage.awaited.coming(PROBER);
    let line = stage.line(PROBER).await?;
    let mut follow = JoinSet::new();
    let stage_of_faults = Arc::clone(&stage);
    follow.spawn(stage_of_faults.follow(Arc::downgrade(&line), PROBER.to_owned(), true));
    let agent = Arc::new(Agent::prober(stage.habits, line.way())?);
    // Nobody else sets it.
    let _first = stage.prober.set(Arc::downgrade(&agent));
    let mut looking: JoinSet<Look> = JoinSet::new();
    let every = Duration::from_millis(stage.scenario.probe.every_ms.into());
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first handshake is no part of what is looked at, unless it fails: then nothing was there.
    let from_s = stage.at();
    if agent.open(stage.scenario.probe.listed_within.whole()).await.is_err() {
        noted(&stage, Some(Look { at_s: from_s, listed: 0, callable: 0 }));
    }
    drop(coming);
    loop {
        tokio::select! {
            biased;
            _told = stop.wait_for(|stop| *stop) => break,
            _tick = ticks.tick() => {}
        }
        if looking.len() >= MOST_WAITING {
            stage.notes().look(Look { at_s: stage.at(), listed: 0, callable: 0 });
        } else {
            looking.spawn(look(Arc::clone(&stage), Arc::clone(&agent)));
        }
        while let Some(done) = looking.try_join_next() {
            noted(&stage, done.ok());
        }
    }
    while let Some(done) = looking.join_next().await {
        noted(&stage, done.ok());
    }
    agent.close().await;
    Ok(())
}

fn noted(stage: &Stage, look: Option<Look>) {
    let Some(look) = look else { return };
    let tools = stage.menu.tools.len() as u32;
    let (listed, callable) = (look.listed, look.callable);
    let now = Some(Available { tools, listed, callable });
    let mut changed = false;
    stage.show(|shown| {
        changed = shown.available != now;
        shown.available = now;
    });
    if changed {
        stage.tell(None, What::Available { known: tools, listed, callable });
    }
    stage.notes().look(look);
}

async fn look(stage: Arc<Stage>, agent: Arc<Agent>) -> Look {
    let at_s = stage.at();
    let (listed, callable) = tokio::join!(listed(&stage, &agent), callable(&stage, &agent));
    let tools = stage.menu.tools.len() as u32;
    Look { at_s, listed, callable: if callable { tools } else { 0 } }
}

async fn listed(stage: &Stage, agent: &Agent) -> u32 {
    let within = stage.scenario.probe.listed_within.whole();
    let Ok(Ok(tools)) = timeout(within, ask::list_tools(agent, within)).await else { return 0 };
    let is_there = |name: &&String| tools.iter().any(|tool| tool["name"] == name.as_str());
    stage.menu.tools.iter().filter(is_there).count() as u32
}

async fn callable(stage: &Stage, agent: &Agent) -> bool {
    let within = stage.scenario.probe.callable_within.whole();
    match &stage.menu.harmless {
        Some((tool, arguments)) => {
            let called = ask::call_tool(agent, tool, arguments, within, true);
            timeout(within, called).await.is_ok_and(|ended| ended.outcome == Outcome::Ok)
        }
        None => agent.ping(within).await,
    }
}

/// Looks at what the target uses and tells of itself until told to stop.
pub(super) async fn resources(stage: Arc<Stage>, mut stop: watch::Receiver<bool>) {
    let lasts = stage.scenario.duration.scaled(stage.scale);
    let mut ticks = interval(SAMPLE.max(lasts.div_f64(SAMPLES)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let scraper = Scraper::new(&stage);
    let mut last_scrape: Option<Instant> = None;
    loop {
        let stopped = tokio::select! {
            biased;
            _told = stop.wait_for(|stop| *stop) => true,
            _tick = ticks.tick() => false,
        };
        // Scrapes cost the target more than looks do.
        let due = last_scrape.is_none_or(|last| last.elapsed() >= 4 * SAMPLE);
        if stopped || due {
            last_scrape = Some(Instant::now());
            scraper.scrape(&stage).await;
        }
        let at_s = stage.at();
        if let Some(id) = stage.process_id().await
            && let Some(sample) = process::sample(id, at_s)
        {
            let (rss_bytes, fds) = (sample.rss_bytes, sample.fds);
            stage.tell(None, What::Resources { rss_bytes, fds });
            let mut notes = stage.notes();
            notes.sampled_from = ResourceSource::Process;
            notes.samples.push(sample);
        }
        if stopped {
            return;
        }
    }
}

/// Reads the metrics of a target that has some.
struct Scraper {
    http: Option<reqwest::Client>,
}

impl Scraper {
    fn new(stage: &Stage) -> Self {
        let plain = stage.place.metrics_url().is_some_and(|url| url.scheme() == "http");
        Self { http: plain_http(SCRAPE).filter(|_| plain) }
    }

    async fn scrape(&self, stage: &Stage) {
        let Some(values) = self.read(stage).await else { return };
        let at_s = stage.at();
        let mut notes = stage.notes();
        if notes.first_metrics.is_empty() {
            notes.first_metrics.clone_from(&values);
        }
        if !stage.place.is_spawned()
            && let Some(sample) = metrics::resources(&values, at_s)
        {
            notes.sampled_from = ResourceSource::Metrics;
            notes.samples.push(sample);
        }
        notes.last_metrics = values;
    }

    async fn read(&self, stage: &Stage) -> Option<metrics::Values> {
        let mut request = self.http.as_ref()?.get(stage.place.metrics_url()?);
        if let Some(token) = stage.place.token() {
            request = request.bearer_auth(token.expose());
        }
        let mut response = request.send().await.ok()?.error_for_status().ok()?;
        let mut text = Vec::new();
        while let Some(chunk) = response.chunk().await.ok()? {
            if text.len() + chunk.len() > metrics::LARGEST {
                return None;
            }
            text.extend_from_slice(&chunk);
        }
        Some(metrics::parse(std::str::from_utf8(&text).ok()?)).filter(|values| !values.is_empty())
    }
}

//! Many idle sessions: what each costs in memory, whether calls are as fast with them as
//! without, and whether the memory comes back. What an allocator keeps after a close is reused by
//! the next round, so a leak shows in growth from one round to the next, once the first two have
//! settled where things lie.

use crate::{
    client::{Client, Target, patiently},
    http::{Kept, Stream},
    latency::{Failures, Latencies, rounded},
    process, scrape,
};
use serde_json::{Value, json};
use std::{cell::RefCell, rc::Rc, time::Duration};
use tokio::{
    task::LocalSet,
    time::{Instant, sleep},
};

/// Clients that open and close at the same time.
const WORKERS: usize = 32;
/// Calls are timed in batches, whose median p99 is told: one hiccup must not decide.
const BATCHES: usize = 5;

/// What to do.
pub(crate) struct Plan {
    pub(crate) count: usize,
    pub(crate) streams: bool,
    pub(crate) rounds: usize,
    pub(crate) probes: usize,
    pub(crate) settle: Duration,
}

/// An open session with nothing going on.
enum Idle {
    Http { kept: Kept, stream: Option<Box<Stream>> },
    Ws(Box<Client>),
}

type Shared<T> = Rc<RefCell<T>>;

/// Runs the plan against one server.
pub(crate) async fn hold(target: &Target, plan: &Plan, pid: Option<u32>) -> anyhow::Result<Value> {
    let failures: Shared<Failures> = Rc::default();
    let memory = || pid.and_then(process::resident);
    let mut alone = open_one(target, false, &mut None).await?;
    let probe_none = probe(target, std::slice::from_mut(&mut alone), plan.probes).await?;
    close_one(target, alone, &mut None).await?;

    let (mut rounds, mut probe_all, mut scrapes) = (Vec::new(), Vec::new(), Vec::new());
    sleep(plan.settle).await;
    for _ in 0..plan.rounds {
        let (before, start) = (memory(), Instant::now());
        let mut open = open_all(target, plan, &failures).await;
        let (opened, opening) = (open.len(), start.elapsed());
        sleep(plan.settle).await;
        let during = memory();
        probe_all.push(probe(target, &mut open, plan.probes).await?);
        scrapes.extend(scrape::longest(target).await?);
        close_all(target, open, &failures).await;
        sleep(plan.settle).await;
        rounds.push(Round { opened, opening, before, during, after: memory() });
    }
    let mut report = json!({
        "sessions": plan.count,
        "streams": plan.streams,
        "probe_none_p99_ms": probe_none,
        "probe_all_p99_ms": median(&mut probe_all),
        "scrape_ms": median(&mut scrapes),
        "rounds": rounds.iter().map(Round::report).collect::<Vec<_>>(),
    });
    if let [.., before, last] = &rounds[..] {
        report["growth"] = growth(before.during, last.during).into();
    }
    if let Some(each) = rounds.first().and_then(Round::each) {
        report["kib_each"] = each.into();
    }
    failures.borrow().tell(&mut report);
    Ok(report)
}

struct Round {
    opened: usize,
    opening: Duration,
    before: Option<f64>,
    during: Option<f64>,
    after: Option<f64>,
}

impl Round {
    /// KiB that each session took.
    fn each(&self) -> Option<f64> {
        let count = f64::from(u32::try_from(self.opened).ok()?.max(1));
        Some(rounded((self.during? - self.before?) / count))
    }

    fn report(&self) -> Value {
        json!({
            "opened": self.opened,
            "opening_s": rounded(self.opening.as_secs_f64()),
            "rss_before_kib": self.before,
            "rss_open_kib": self.during,
            "rss_closed_kib": self.after,
        })
    }
}

fn growth(before: Option<f64>, last: Option<f64>) -> Option<f64> {
    before.zip(last).map(|(before, last)| rounded(last / before.max(1.0)))
}

fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Calls through one session after the other; the median of the batches' p99, in milliseconds.
async fn probe(target: &Target, open: &mut [Idle], probes: usize) -> anyhow::Result<f64> {
    let mut shared = if target.is_ws { None } else { Some(Client::connect(target).await?) };
    let mut p99 = Vec::with_capacity(BATCHES);
    let each = (probes / BATCHES).max(1);
    // A stride that no table is laid out in.
    let mut turn = (0..open.len().max(1)).cycle().step_by(37);
    for _ in 0..BATCHES {
        let mut latencies = Latencies::new()?;
        for _ in 0..each {
            let idle = turn.next().and_then(|at| open.get_mut(at));
            let client = match (idle, &mut shared) {
                (Some(Idle::Ws(client)), _) => client,
                (Some(Idle::Http { kept, .. }), Some(client)) => {
                    client.resume(kept);
                    client
                }
                _ => anyhow::bail!("there is no session to call through"),
            };
            let start = Instant::now();
            patiently(client.call()).await?;
            latencies.record(start.elapsed());
        }
        p99.push(latencies.at(0.99));
    }
    Ok(median(&mut p99).unwrap_or_default())
}

async fn open_all(target: &Target, plan: &Plan, failures: &Shared<Failures>) -> Vec<Idle> {
    let (left, opened) = (Rc::new(RefCell::new(plan.count)), Rc::new(RefCell::new(Vec::new())));
    let tasks = LocalSet::new();
    for _ in 0..WORKERS.min(plan.count) {
        let (target, streams) = (target.clone(), plan.streams);
        let (left, opened, failures) = (Rc::clone(&left), Rc::clone(&opened), Rc::clone(failures));
        tasks.spawn_local(async move {
            let mut shared = None;
            while take(&left) {
                match open_one(&target, streams, &mut shared).await {
                    Ok(idle) => opened.borrow_mut().push(idle),
                    Err(error) => {
                        shared = None;
                        failures.borrow_mut().add(&error);
                    }
                }
            }
        });
    }
    tasks.await;
    opened.take()
}

fn take(left: &RefCell<usize>) -> bool {
    let mut left = left.borrow_mut();
    let is_left = *left > 0;
    *left = left.saturating_sub(1);
    is_left
}

/// Opens one session; those without a stream share their worker's connection.
async fn open_one(
    target: &Target,
    with_stream: bool,
    shared: &mut Option<Client>,
) -> anyhow::Result<Idle> {
    let mut client = match shared.take() {
        Some(client) => client,
        None => Client::connect(target).await?,
    };
    client.begin().await?;
    match client {
        Client::Ws(_) => Ok(Idle::Ws(Box::new(client))),
        Client::Http(http) if with_stream => {
            let kept = http.keep()?;
            let stream = patiently(http.listen()).await?;
            Ok(Idle::Http { kept, stream: Some(Box::new(stream)) })
        }
        Client::Http(http) => {
            let kept = http.keep()?;
            *shared = Some(Client::Http(http));
            Ok(Idle::Http { kept, stream: None })
        }
    }
}

async fn close_all(target: &Target, open: Vec<Idle>, failures: &Shared<Failures>) {
    let open = Rc::new(RefCell::new(open));
    let tasks = LocalSet::new();
    for _ in 0..WORKERS {
        let target = target.clone();
        let (open, failures) = (Rc::clone(&open), Rc::clone(failures));
        tasks.spawn_local(async move {
            let mut shared = None;
            loop {
                let Some(idle) = open.borrow_mut().pop() else { return };
                if let Err(error) = close_one(&target, idle, &mut shared).await {
                    failures.borrow_mut().add(&error);
                }
            }
        });
    }
    tasks.await;
}

async fn close_one(target: &Target, idle: Idle, shared: &mut Option<Client>) -> anyhow::Result<()> {
    match idle {
        Idle::Ws(mut client) => client.end().await,
        Idle::Http { kept, stream } => {
            let mut client = match shared.take() {
                Some(client) => client,
                None => Client::connect(target).await?,
            };
            client.resume(&kept);
            client.end().await?;
            drop(stream);
            *shared = Some(client);
            Ok(())
        }
    }
}

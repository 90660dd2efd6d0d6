//! A steady load for a time: calls or handshakes, as fast as answers come or at a rate.

use crate::{
    Load,
    client::{Client, Target},
    latency::{Failures, Latencies, rounded},
    process,
};
use serde_json::{Value, json};
use std::{cell::Cell, rc::Rc, time::Duration};
use tokio::{
    task::LocalSet,
    time::{Instant, sleep, sleep_until, timeout},
};

/// How long workers get to end what they are in after the window.
const LAST_EXCHANGES: Duration = Duration::from_secs(20);
/// Pause after a failure, so that a server that is gone is not hammered.
const AFTER_FAILURE: Duration = Duration::from_millis(10);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    WarmUp,
    Counting,
    Over,
}

#[derive(Clone, Copy)]
enum Operation {
    Call,
    Handshake,
}

/// What one connection does.
struct Worker {
    target: Target,
    operation: Operation,
    phase: Rc<Cell<Phase>>,
    /// When its first operation is due, and the time between two.
    schedule: Option<(Instant, Duration)>,
    done: Done,
}

struct Done {
    /// From sending to the answer's end.
    latency: Latencies,
    /// From when it was due, which is earlier if the one before was late.
    since_due: Latencies,
    failures: Failures,
}

impl Done {
    fn new() -> anyhow::Result<Self> {
        let (latency, since_due) = (Latencies::new()?, Latencies::new()?);
        Ok(Self { latency, since_due, failures: Failures::default() })
    }

    fn merge(&mut self, other: Self) -> anyhow::Result<()> {
        self.failures.merge(other.failures);
        self.since_due.add(&other.since_due)?;
        self.latency.add(&other.latency)
    }
}

/// Calls a tool; at `rate` calls per second in all if there is one.
pub(crate) async fn call(
    target: &Target,
    load: Load,
    rate: Option<f64>,
    pid: Option<u32>,
) -> anyhow::Result<Value> {
    run(target, Operation::Call, load, rate, pid).await
}

/// Opens and ends sessions.
pub(crate) async fn handshake(
    target: &Target,
    load: Load,
    pid: Option<u32>,
) -> anyhow::Result<Value> {
    run(target, Operation::Handshake, load, None, pid).await
}

async fn run(
    target: &Target,
    operation: Operation,
    load: Load,
    rate: Option<f64>,
    pid: Option<u32>,
) -> anyhow::Result<Value> {
    let phase = Rc::new(Cell::new(Phase::WarmUp));
    let mut clients = Vec::with_capacity(load.connections);
    for _ in 0..load.connections {
        clients.push(operation.client(target).await?);
    }
    let tasks = LocalSet::new();
    let mut working = Vec::with_capacity(load.connections);
    for (at, client) in clients.into_iter().enumerate() {
        let schedule = rate.map(|rate| schedule(rate, load.connections, at));
        let phase = Rc::clone(&phase);
        let target = target.clone();
        let worker = Worker { target, operation, phase, schedule, done: Done::new()? };
        working.push(tasks.spawn_local(worker.work(client)));
    }
    let window = tasks.run_until(window(load, &phase, pid)).await;
    let ended = tasks.run_until(async {
        let mut all = Done::new()?;
        for worker in working {
            all.merge(worker.await?)?;
        }
        anyhow::Ok(all)
    });
    let all = timeout(LAST_EXCHANGES, ended).await??;
    Ok(report(&all, &window, load, rate))
}

/// A window's length, and the CPU time that the server and the loader used in it.
struct Window {
    elapsed: Duration,
    server: Option<Duration>,
    loader: Duration,
    resident: Option<f64>,
}

async fn window(load: Load, phase: &Cell<Phase>, pid: Option<u32>) -> Window {
    sleep(Duration::from_secs_f64(load.warm_up)).await;
    let own = std::process::id();
    let (server, loader, start) = (pid.map(process::cpu), process::cpu(own), Instant::now());
    phase.set(Phase::Counting);
    sleep(Duration::from_secs_f64(load.seconds)).await;
    phase.set(Phase::Over);
    Window {
        elapsed: start.elapsed(),
        server: pid.zip(server).map(|(pid, before)| process::cpu(pid).saturating_sub(before)),
        loader: process::cpu(own).saturating_sub(loader),
        resident: pid.and_then(process::resident),
    }
}

/// Spreads `rate` over the connections, each a fraction of a period behind the one before.
fn schedule(rate: f64, connections: usize, at: usize) -> (Instant, Duration) {
    let share = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    let period = Duration::from_secs_f64(share(connections) / rate);
    (Instant::now() + period.mul_f64(share(at) / share(connections)), period)
}

impl Operation {
    async fn client(self, target: &Target) -> anyhow::Result<Client> {
        match self {
            Self::Call => Client::open(target).await,
            Self::Handshake => Client::connect(target).await,
        }
    }

    async fn run(self, client: &mut Client, target: &Target) -> anyhow::Result<()> {
        match self {
            Self::Call => client.call().await,
            Self::Handshake => {
                // A socket is its session, so every session has a socket of its own.
                if target.is_ws {
                    *client = Client::connect(target).await?;
                }
                client.begin().await?;
                client.end().await
            }
        }
    }
}

impl Worker {
    /// Works until the window is over.
    async fn work(mut self, client: Client) -> Done {
        let mut client = Some(client);
        while self.phase.get() != Phase::Over {
            let Some(open) = &mut client else {
                client = self.again().await;
                continue;
            };
            let due = self.due().await;
            if self.step(open, due).await.is_err() {
                client = None;
            }
        }
        if let (Operation::Call, Some(mut client)) = (self.operation, client)
            && let Err(error) = client.end().await
        {
            self.done.failures.add(&error);
        }
        self.done
    }

    /// Waits until the next operation is due: at once without a schedule.
    async fn due(&mut self) -> Instant {
        let Some((due, period)) = &mut self.schedule else { return Instant::now() };
        let now = *due;
        *due += *period;
        if now > Instant::now() {
            sleep_until(now).await;
        }
        now
    }

    /// One operation, counted if it began and ended within the window.
    async fn step(&mut self, client: &mut Client, due: Instant) -> Result<(), ()> {
        let (counts, start) = (self.phase.get() == Phase::Counting, Instant::now());
        match self.operation.run(client, &self.target).await {
            Ok(()) if counts && self.phase.get() == Phase::Counting => {
                self.done.latency.record(start.elapsed());
                self.done.since_due.record(due.elapsed());
                Ok(())
            }
            Ok(()) => Ok(()),
            Err(error) => {
                self.done.failures.add(&error);
                Err(())
            }
        }
    }

    async fn again(&mut self) -> Option<Client> {
        sleep(AFTER_FAILURE).await;
        let client = self.operation.client(&self.target).await;
        client.inspect_err(|error| self.done.failures.add(error)).ok()
    }
}

fn report(done: &Done, window: &Window, load: Load, rate: Option<f64>) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "fewer than 2^52 operations")]
    let count = done.latency.count() as f64;
    let each = |cpu: Duration| rounded(cpu.as_secs_f64() * 1e6 / count.max(1.0));
    let share = |cpu: Duration| rounded(cpu.as_secs_f64() / window.elapsed.as_secs_f64());
    let mut report = json!({
        "connections": load.connections,
        "seconds": rounded(window.elapsed.as_secs_f64()),
        "ops": done.latency.count(),
        "ops_per_s": rounded(count / window.elapsed.as_secs_f64()),
        "latency_ms": done.latency.report(),
        "loader_cpu": share(window.loader),
    });
    if let Some(rate) = rate {
        report["rate"] = rate.into();
        report["since_due_ms"] = done.since_due.report();
    }
    if let Some(server) = window.server {
        report["cpu_us"] = each(server).into();
        report["server_cpu"] = share(server).into();
    }
    if let Some(resident) = window.resident {
        report["rss_kib"] = resident.into();
    }
    done.failures.tell(&mut report);
    report
}

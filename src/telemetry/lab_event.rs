//! What a run of the lab says of itself while it goes on. Its metrics are on the lab's own
//! `/metrics`, beside those of the faults that it injects: [`crate::Telemetry::for_lab`].

use crate::{
    ChaosEvent, LabOutcome, LabTools, LabVerdict, MetricInfo, Success, TelemetryError,
    chaos_event::ChaosSeries,
    family::{Counters, Gauges, Histograms, Instrument, MetricKind, Open, Vector},
    label::Label,
};
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry};
use std::{collections::BTreeMap, time::Duration};

/// Most scenarios that go by their own name.
const MAX_SCENARIOS: usize = 1_000;
const OTHER: &str = "_OTHER";

/// What can happen in a run of the lab.
#[derive(Debug, Clone, Copy)]
pub enum LabEvent<'a> {
    /// A scenario began.
    ScenarioBegan {
        /// Its name.
        scenario: &'a str,
    },
    /// A scenario ended, and with it all its faults.
    ScenarioEnded {
        /// Its name.
        scenario: &'a str,
        /// How.
        verdict: LabVerdict,
    },
    /// A client sent a call.
    CallStarted,
    /// A call ended, as its client saw it.
    CallEnded {
        /// How.
        outcome: LabOutcome,
        /// Since it was sent.
        elapsed: Duration,
    },
    /// Another number of the target's tools is there.
    ToolsSeen {
        /// Tools that it had at the start.
        known: u32,
        /// Those that are listed.
        listed: u32,
        /// Those that can be called.
        callable: u32,
    },
    /// Something went wrong that is no call.
    StepFailed,
    /// Something happened to a fault that it injects.
    Fault(ChaosEvent<'a>),
}

const CALL_SECONDS: &[f64] =
    &[0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

const fn info(
    name: &'static str,
    kind: MetricKind,
    labels: &'static [&'static str],
    help: &'static str,
) -> MetricInfo {
    MetricInfo { name, kind, labels, buckets: None, help }
}

const TABLE: [MetricInfo; 7] = [
    MetricInfo {
        buckets: Some(CALL_SECONDS),
        ..info(
            "mcp_lab_call_duration_seconds",
            MetricKind::Histogram,
            &["outcome"],
            "Duration of calls as the lab's clients saw it, from the moment they were sent.",
        )
    },
    info(
        "mcp_lab_calls_started_total",
        MetricKind::Counter,
        &[],
        "Calls that the lab's clients sent.",
    ),
    info(
        "mcp_lab_calls_total",
        MetricKind::Counter,
        &["outcome"],
        "Calls of the lab's clients that ended, by how it looked to them.",
    ),
    info(
        "mcp_lab_failures_total",
        MetricKind::Counter,
        &[],
        "What went wrong for the lab's clients beside calls.",
    ),
    info(
        "mcp_lab_scenario_running",
        MetricKind::Gauge,
        &["scenario"],
        "1 for the scenario that is played now.",
    ),
    info(
        "mcp_lab_scenarios_total",
        MetricKind::Counter,
        &["scenario", "verdict"],
        "Scenarios that ended, by verdict.",
    ),
    info(
        "mcp_lab_tools",
        MetricKind::Gauge,
        &["state"],
        "Tools of the target as the lab saw them last: those that it had at the start, those that are listed, those that can be called.",
    ),
];

/// Every metric of the lab's own, by name; it exposes those of its faults, `process_*` and the build
/// too.
#[must_use]
pub fn lab_catalogue() -> Vec<MetricInfo> {
    TABLE.to_vec()
}

/// The metrics of one run.
pub(crate) struct LabSeries {
    duration: Histograms<Success>,
    started: Counters<()>,
    calls: Counters<LabOutcome>,
    failures: Counters<()>,
    scenarios: BTreeMap<String, ScenarioSeries>,
    tools: Gauges<LabTools>,
}

/// The series of one scenario.
struct ScenarioSeries {
    running: IntGauge,
    verdicts: Vec<IntCounter>,
}

impl LabSeries {
    pub(crate) fn register(registry: &Registry, names: &[String]) -> Result<Self, TelemetryError> {
        let [duration, started, calls, failures, running, ended, tools] = &TABLE;
        let running: Open<IntGaugeVec> = Instrument::register(running, registry)?;
        let ended: Open<IntCounterVec> = Instrument::register(ended, registry)?;
        let mut scenarios = BTreeMap::new();
        for (place, name) in names.iter().enumerate() {
            let label = if place < MAX_SCENARIOS { name } else { OTHER };
            let verdict = |verdict: &LabVerdict| ended.0.handle(&[label, verdict.text()]);
            let verdicts = LabVerdict::ALL.iter().map(verdict).collect::<Result<_, _>>()?;
            let running = running.0.handle(&[label])?;
            scenarios.insert(name.clone(), ScenarioSeries { running, verdicts });
        }
        Ok(Self {
            duration: Instrument::register(duration, registry)?,
            started: Instrument::register(started, registry)?,
            calls: Instrument::register(calls, registry)?,
            failures: Instrument::register(failures, registry)?,
            scenarios,
            tools: Instrument::register(tools, registry)?,
        })
    }

    pub(crate) fn record(&self, event: LabEvent<'_>, faults: &ChaosSeries) {
        match event {
            LabEvent::ScenarioBegan { scenario } => {
                self.scenarios.get(scenario).inspect(|series| series.running.set(1));
            }
            LabEvent::ScenarioEnded { scenario, verdict } => {
                LabTools::ALL.iter().for_each(|state| self.tools.of(*state).set(0));
                faults.all_ended();
                if let Some(series) = self.scenarios.get(scenario) {
                    series.running.set(0);
                    series.verdicts[verdict.slot()].inc();
                }
            }
            LabEvent::CallStarted => self.started.of(()).inc(),
            LabEvent::CallEnded { outcome, elapsed } => {
                self.calls.of(outcome).inc();
                let success = Success::of(outcome == LabOutcome::Ok);
                self.duration.of(success).observe(elapsed.as_secs_f64());
            }
            LabEvent::ToolsSeen { known, listed, callable } => {
                self.tools.of(LabTools::Known).set(known.into());
                self.tools.of(LabTools::Listed).set(listed.into());
                self.tools.of(LabTools::Callable).set(callable.into());
            }
            LabEvent::StepFailed => self.failures.of(()).inc(),
            LabEvent::Fault(event) => faults.record(event),
        }
    }
}

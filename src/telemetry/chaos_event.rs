//! What can happen to an injected fault. Its metrics are those of the chaos proxy and of the
//! lab, so no server exposes them: [`crate::Telemetry::for_chaos`].

use crate::{
    ChaosDirection, ChaosFault, MetricInfo, TelemetryError,
    family::{Counters, Gauges, Instrument, MetricKind},
};
use prometheus::Registry;

/// What can happen to an injected fault.
#[derive(Debug, Clone, Copy)]
pub enum ChaosEvent<'a> {
    /// It is in force from here on.
    FaultBegan {
        /// What it does.
        fault: ChaosFault,
        /// Which way.
        direction: ChaosDirection,
        /// The name it was given.
        name: &'a str,
    },
    /// It did something to a message, a connection or a process.
    FaultInjected {
        /// What it does.
        fault: ChaosFault,
        /// Which way.
        direction: ChaosDirection,
        /// The name it was given.
        name: &'a str,
        /// The ordinal of the connection; 0 where there is none.
        connection: u64,
        /// The ordinal of the message in its direction; 0 where there is none.
        message: u64,
    },
    /// It is in force no longer.
    FaultEnded {
        /// What it does.
        fault: ChaosFault,
        /// Which way.
        direction: ChaosDirection,
        /// The name it was given.
        name: &'a str,
    },
}

const TABLE: [MetricInfo; 2] = [
    MetricInfo {
        name: "mcp_chaos_faults_injected_total",
        kind: MetricKind::Counter,
        labels: &["fault", "direction"],
        buckets: None,
        help: "Faults done to a message, a connection or a process.",
    },
    MetricInfo {
        name: "mcp_chaos_fault_active",
        kind: MetricKind::Gauge,
        labels: &["fault", "direction"],
        buckets: None,
        help: "Faults in force now.",
    },
];

/// Every metric of the chaos proxy's own, by name; it exposes `process_*` and the build too, and the
/// lab exposes all of them.
#[must_use]
pub fn chaos_catalogue() -> Vec<MetricInfo> {
    TABLE.iter().rev().copied().collect()
}

/// The metrics of one chaos proxy.
pub(crate) struct ChaosSeries {
    injected: Counters<(ChaosFault, ChaosDirection)>,
    active: Gauges<(ChaosFault, ChaosDirection)>,
}

impl ChaosSeries {
    pub(crate) fn register(registry: &Registry) -> Result<Self, TelemetryError> {
        let [injected, active] = &TABLE;
        Ok(Self {
            injected: Instrument::register(injected, registry)?,
            active: Instrument::register(active, registry)?,
        })
    }

    pub(crate) fn record(&self, event: ChaosEvent<'_>) {
        match event {
            ChaosEvent::FaultBegan { fault, direction, .. } => {
                self.active.of((fault, direction)).inc();
            }
            ChaosEvent::FaultInjected { fault, direction, .. } => {
                self.injected.of((fault, direction)).inc();
            }
            ChaosEvent::FaultEnded { fault, direction, .. } => {
                self.active.of((fault, direction)).dec();
            }
        }
    }

    /// Notes that what injected them is over.
    pub(crate) fn all_ended(&self) {
        let directions = |fault: &ChaosFault| {
            let fault = *fault;
            ChaosDirection::ALL.iter().map(move |direction| (fault, *direction))
        };
        let all = ChaosFault::ALL.iter().flat_map(directions);
        all.for_each(|labels| self.active.of(labels).set(0));
    }
}

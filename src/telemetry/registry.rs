//! Names that may be labels because configuration bounds them: upstreams and tools. A label
//! holds its metric handles, resolved once at registration; a name that was never registered,
//! or one too many, is `_OTHER`.

use crate::{
    AttemptOutcome, OutageCause, Outcome, Replay, RestartCause, UpstreamState,
    catalogue::{ATTEMPT_OUTCOMES, Catalogue, OUTCOMES},
    family::{Open, Vector},
    label::Label,
};
use prometheus::{Counter, Gauge, Histogram, IntCounter, IntGauge};
use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

const OTHER: &str = "_OTHER";
const BUILTIN: &str = "builtin";
const MAX_UPSTREAMS: usize = 1_000;
const MAX_TOOLS: usize = 10_000;

/// An upstream's name as a metric label.
#[derive(Clone)]
pub struct UpstreamLabel(Arc<Upstream>);

struct Upstream {
    name: Arc<str>,
    series: Option<UpstreamSeries>,
}

impl UpstreamLabel {
    /// The upstream that built-in tools belong to.
    #[must_use]
    pub fn builtin() -> Self {
        Self(Arc::new(Upstream { name: BUILTIN.into(), series: None }))
    }

    /// The label value.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    pub(crate) fn series(&self) -> Option<&UpstreamSeries> {
        self.0.series.as_ref()
    }
}

impl fmt::Debug for UpstreamLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UpstreamLabel").field(&self.name()).finish()
    }
}

/// The series of one upstream.
pub(crate) struct UpstreamSeries {
    states: [IntGauge; UpstreamState::ALL.len()],
    state: AtomicUsize,
    attempts: [IntCounter; ATTEMPT_OUTCOMES],
    attempt_duration: [Histogram; ATTEMPT_OUTCOMES],
    restarts: [IntCounter; RestartCause::ALL.len()],
    recovery: [Histogram; RestartCause::ALL.len()],
    replays: [IntCounter; Replay::ALL.len()],
    unknown: IntCounter,
    refreshed: Gauge,
    tool_seconds: Counter,
    tool_unavailable: [Counter; OutageCause::ALL.len()],
}

impl UpstreamSeries {
    fn resolve(metrics: &Catalogue, name: &str) -> prometheus::Result<Self> {
        let states: [IntGauge; UpstreamState::ALL.len()] =
            per_label::<UpstreamState, _, _>(&metrics.upstream_state, &[name])?;
        states[UpstreamState::Connecting.slot()].set(1);
        Ok(Self {
            states,
            state: AtomicUsize::new(UpstreamState::Connecting.slot()),
            attempts: per_label::<AttemptOutcome, _, _>(&metrics.upstream_attempts, &[name])?,
            attempt_duration: per_label::<AttemptOutcome, _, _>(
                &metrics.upstream_attempt_duration,
                &[name],
            )?,
            restarts: per_label::<RestartCause, _, _>(&metrics.upstream_restarts, &[name])?,
            recovery: per_label::<RestartCause, _, _>(&metrics.recovery_duration, &[name])?,
            replays: per_label::<Replay, _, _>(&metrics.replays, &[name])?,
            unknown: metrics.outcome_unknown.0.handle(&[name])?,
            refreshed: metrics.catalogue_refreshed.0.handle(&[name])?,
            tool_seconds: metrics.tool_seconds.0.handle(&[name])?,
            tool_unavailable: per_label::<OutageCause, _, _>(&metrics.tool_unavailable, &[name])?,
        })
    }

    pub(crate) fn enter(&self, state: UpstreamState) {
        let previous = self.state.swap(state.slot(), Ordering::AcqRel);
        self.states[previous].set(0);
        self.states[state.slot()].set(1);
    }

    pub(crate) fn attempt_finished(&self, outcome: AttemptOutcome, elapsed: Duration) {
        self.attempts[outcome.slot()].inc();
        self.attempt_duration[outcome.slot()].observe(elapsed.as_secs_f64());
    }

    pub(crate) fn restarted(&self, cause: RestartCause, after: Duration) {
        self.restarts[cause.slot()].inc();
        self.recovery[cause.slot()].observe(after.as_secs_f64());
    }

    pub(crate) fn replay_decided(&self, decision: Replay) {
        self.replays[decision.slot()].inc();
    }

    pub(crate) fn outcome_unknown(&self) {
        self.unknown.inc();
    }

    pub(crate) fn passed(&self, seconds: f64, unavailable: &[(OutageCause, f64)]) {
        self.tool_seconds.inc_by(seconds);
        for (cause, seconds) in unavailable {
            self.tool_unavailable[cause.slot()].inc_by(*seconds);
        }
    }

    pub(crate) fn refreshed(&self, unix_seconds: f64) {
        self.refreshed.set(unix_seconds);
    }
}

/// A tool's name as a metric label: its upstream's own name for it.
#[derive(Clone)]
pub struct ToolLabel(Option<Arc<Tool>>);

struct Tool {
    upstream: Arc<str>,
    name: Arc<str>,
    series: ToolSeries,
}

impl ToolLabel {
    /// The label of a name nothing is registered under.
    #[must_use]
    pub const fn unknown() -> Self {
        Self(None)
    }

    /// The tool's name; `_OTHER` if it is unknown or one too many.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.as_ref().map_or(OTHER, |tool| &tool.name)
    }

    /// Its upstream's name; `_OTHER` if it is unknown.
    #[must_use]
    pub fn upstream(&self) -> &str {
        self.0.as_ref().map_or(OTHER, |tool| &tool.upstream)
    }
}

impl fmt::Debug for ToolLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ToolLabel").field(&self.upstream()).field(&self.name()).finish()
    }
}

/// The series of one tool.
pub(crate) struct ToolSeries {
    calls: [IntCounter; OUTCOMES],
    duration: Histogram,
    available: Option<IntGauge>,
}

impl ToolSeries {
    fn resolve(metrics: &Catalogue, upstream: &str, tool: &str) -> prometheus::Result<Self> {
        // Our own tools are there as long as we are.
        let available = if tool == OTHER || upstream == BUILTIN {
            None
        } else {
            Some(metrics.tool_available.0.handle(&[upstream, tool])?)
        };
        Ok(Self {
            calls: per_label::<Outcome, _, _>(&metrics.tool_calls, &[upstream, tool])?,
            duration: metrics.tool_call_duration.0.handle(&[upstream, tool])?,
            available,
        })
    }

    pub(crate) fn call_finished(&self, outcome: Outcome, elapsed: Duration) {
        self.calls[outcome.slot()].inc();
        self.duration.observe(elapsed.as_secs_f64());
    }

    pub(crate) fn available(&self, available: bool) {
        if let Some(gauge) = &self.available {
            gauge.set(available.into());
        }
    }
}

/// One handle for each value of the last label, the others being fixed.
fn per_label<L: Label, V: Vector, const N: usize>(
    family: &Open<V>,
    fixed: &[&str],
) -> prometheus::Result<[V::Handle; N]> {
    let handle = |value: &L| family.0.handle(&[fixed, &[value.text()]].concat());
    let handles = L::ALL.iter().map(handle).collect::<prometheus::Result<Vec<_>>>()?;
    handles
        .try_into()
        .map_err(|_| prometheus::Error::InconsistentCardinality { expect: N, got: L::ALL.len() })
}

type ByName<T> = HashMap<Arc<str>, T>;

/// All names registered so far.
pub(crate) struct Names {
    upstreams: Mutex<ByName<UpstreamLabel>>,
    tools: Mutex<ByName<ByName<ToolLabel>>>,
    tool_count: AtomicUsize,
    unknown: ToolSeries,
}

impl Names {
    pub(crate) fn new(metrics: &Catalogue) -> prometheus::Result<Self> {
        Ok(Self {
            upstreams: Mutex::default(),
            tools: Mutex::default(),
            tool_count: AtomicUsize::new(0),
            unknown: ToolSeries::resolve(metrics, OTHER, OTHER)?,
        })
    }

    /// The series of a tool.
    pub(crate) fn series<'a>(&'a self, tool: &'a ToolLabel) -> &'a ToolSeries {
        tool.0.as_ref().map_or(&self.unknown, |tool| &tool.series)
    }

    pub(crate) fn upstream(&self, metrics: &Catalogue, name: &str) -> UpstreamLabel {
        let mut upstreams = self.upstreams.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = upstreams.get(name) {
            return known.clone();
        }
        let name: Arc<str> =
            if upstreams.len() < MAX_UPSTREAMS { name.into() } else { OTHER.into() };
        let series = UpstreamSeries::resolve(metrics, &name).ok();
        let label = UpstreamLabel(Arc::new(Upstream { name: Arc::clone(&name), series }));
        upstreams.entry(name).or_insert(label).clone()
    }

    pub(crate) fn tool(
        &self,
        metrics: &Catalogue,
        upstream: &UpstreamLabel,
        tool: &str,
    ) -> ToolLabel {
        let mut tools = self.tools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = tools.get(upstream.name()).and_then(|tools| tools.get(tool)) {
            return known.clone();
        }
        let room = self.tool_count.load(Ordering::Relaxed) < MAX_TOOLS;
        let name: Arc<str> = if room { tool.into() } else { OTHER.into() };
        let of_upstream = tools.entry(Arc::clone(&upstream.0.name)).or_default();
        if let Some(known) = of_upstream.get(&name) {
            return known.clone();
        }
        let Ok(series) = ToolSeries::resolve(metrics, upstream.name(), &name) else {
            return ToolLabel::unknown();
        };
        self.tool_count.fetch_add(1, Ordering::Relaxed);
        let known =
            Tool { upstream: Arc::clone(&upstream.0.name), name: Arc::clone(&name), series };
        of_upstream.entry(name).or_insert(ToolLabel(Some(Arc::new(known)))).clone()
    }
}

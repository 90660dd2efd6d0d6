//! Metric families whose handles are resolved once: a closed family is an array indexed by its
//! labels, so that counting is one atomic add, without hashing or allocation.

use crate::label::LabelSet;
use prometheus::{
    Counter, CounterVec, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter,
    IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, proto::MetricFamily,
};
use std::marker::PhantomData;

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// Only goes up.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts in buckets.
    Histogram,
}

impl MetricKind {
    /// The word of the text format.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One line of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetricInfo {
    /// The name on `/metrics`.
    pub name: &'static str,
    /// What it is.
    pub kind: MetricKind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// The upper bounds of its buckets; histograms only.
    pub buckets: Option<&'static [f64]>,
    /// What it means.
    pub help: &'static str,
}

impl MetricInfo {
    fn opts(&self) -> Opts {
        Opts::new(self.name, self.help)
    }
}

/// A metric with labels, in the words of the `prometheus` crate.
pub(crate) trait Vector: Clone + prometheus::core::Collector + 'static {
    type Handle;
    const KIND: MetricKind;
    fn build(info: &MetricInfo) -> prometheus::Result<Self>;
    fn handle(&self, labels: &[&str]) -> prometheus::Result<Self::Handle>;
}

macro_rules! vectors {
    ($( $vector:ty => $handle:ty, $kind:ident; )*) => { $(
        impl Vector for $vector {
            type Handle = $handle;
            const KIND: MetricKind = MetricKind::$kind;
            fn build(info: &MetricInfo) -> prometheus::Result<Self> {
                Self::new(info.opts(), info.labels)
            }
            fn handle(&self, labels: &[&str]) -> prometheus::Result<$handle> {
                self.get_metric_with_label_values(labels)
            }
        }
    )* };
}

vectors! {
    IntCounterVec => IntCounter, Counter;
    CounterVec => Counter, Counter;
    IntGaugeVec => IntGauge, Gauge;
    GaugeVec => Gauge, Gauge;
}

impl Vector for HistogramVec {
    type Handle = Histogram;
    const KIND: MetricKind = MetricKind::Histogram;
    fn build(info: &MetricInfo) -> prometheus::Result<Self> {
        let opts =
            HistogramOpts::from(info.opts()).buckets(info.buckets.unwrap_or_default().to_vec());
        Self::new(opts, info.labels)
    }
    fn handle(&self, labels: &[&str]) -> prometheus::Result<Histogram> {
        self.get_metric_with_label_values(labels)
    }
}

/// What the catalogue can hold.
pub(crate) trait Instrument: Sized {
    const KIND: MetricKind;
    fn register(info: &MetricInfo, registry: &Registry) -> prometheus::Result<Self>;
}

/// A family whose labels are all closed sets; every series exists from the start.
pub(crate) struct Closed<L, V: Vector> {
    vector: V,
    handles: Box<[V::Handle]>,
    labels: PhantomData<L>,
}

impl<L: LabelSet, V: Vector> Closed<L, V> {
    /// The series with these labels.
    pub(crate) fn of(&self, labels: L) -> &V::Handle {
        &self.handles[labels.slot()]
    }

    /// All of it as it is now, in the order of the exposition.
    pub(crate) fn now(&self) -> Vec<MetricFamily> {
        let mut families = self.vector.collect();
        for family in &mut families {
            family.mut_metric().sort_by_cached_key(|metric| {
                let labels = metric.get_label().iter();
                labels.map(|label| label.value().to_owned()).collect::<Vec<_>>()
            });
        }
        families
    }
}

impl<L> Closed<L, IntCounterVec> {
    /// Takes a series out of the exposition that its definition excludes.
    pub(crate) fn exclude(&self, labels: &[&str]) -> prometheus::Result<()> {
        self.vector.remove_label_values(labels)
    }
}

impl<L: LabelSet, V: Vector> Instrument for Closed<L, V> {
    const KIND: MetricKind = V::KIND;
    fn register(info: &MetricInfo, registry: &Registry) -> prometheus::Result<Self> {
        let vector = V::build(info)?;
        registry.register(Box::new(vector.clone()))?;
        let handles =
            (0..L::SIZE).map(|slot| vector.handle(&L::texts(slot))).collect::<Result<_, _>>()?;
        Ok(Self { vector, handles, labels: PhantomData })
    }
}

/// A family with a label whose values configuration bounds: handles are resolved in `registry`.
pub(crate) struct Open<V>(pub(crate) V);

impl<V: Vector> Instrument for Open<V> {
    const KIND: MetricKind = V::KIND;
    fn register(info: &MetricInfo, registry: &Registry) -> prometheus::Result<Self> {
        let vector = V::build(info)?;
        registry.register(Box::new(vector.clone()))?;
        Ok(Self(vector))
    }
}

pub(crate) type Counters<L> = Closed<L, IntCounterVec>;
pub(crate) type Gauges<L> = Closed<L, IntGaugeVec>;
pub(crate) type FloatGauges<L> = Closed<L, GaugeVec>;
pub(crate) type Histograms<L> = Closed<L, HistogramVec>;

//! Latencies in a histogram of three significant digits, and failures.

use hdrhistogram::Histogram;
use serde_json::{Value, json};
use std::time::Duration;

/// Nanoseconds.
const LOWEST: u64 = 1_000;
const HIGHEST: u64 = 120_000_000_000;

/// What was timed.
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self(Histogram::new_with_bounds(LOWEST, HIGHEST, 3)?))
    }

    pub(crate) fn record(&mut self, took: Duration) {
        self.0.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(crate) fn add(&mut self, other: &Self) -> anyhow::Result<()> {
        Ok(self.0.add(&other.0)?)
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// Milliseconds at a quantile.
    pub(crate) fn at(&self, quantile: f64) -> f64 {
        milliseconds(self.0.value_at_quantile(quantile))
    }

    /// Quantiles in milliseconds.
    pub(crate) fn report(&self) -> Value {
        json!({
            "p50": self.at(0.5), "p90": self.at(0.9), "p99": self.at(0.99),
            "p999": self.at(0.999), "max": milliseconds(self.0.max()), "count": self.count(),
        })
    }
}

/// Failed exchanges: how many, and why the first.
#[derive(Default)]
pub(crate) struct Failures {
    count: u64,
    first: Option<String>,
}

impl Failures {
    pub(crate) fn add(&mut self, error: &anyhow::Error) {
        self.count += 1;
        self.first.get_or_insert_with(|| format!("{error:#}"));
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.first = self.first.take().or(other.first);
    }

    /// Puts `errors` and `first_error` into a report.
    pub(crate) fn tell(&self, report: &mut Value) {
        report["errors"] = self.count.into();
        if let Some(first) = &self.first {
            report["first_error"] = first.as_str().into();
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 nanoseconds")]
fn milliseconds(nanos: u64) -> f64 {
    rounded(nanos as f64 / 1e6)
}

/// Four digits after the point are more than any figure here is worth.
pub(crate) fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

//! How long calls took, from when they were due and from when they were sent.

use crate::result::{Latency, Percentiles};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hdrhistogram::{
    Histogram,
    serialization::{Serializer as _, V2Serializer},
};

/// Longest time that is told apart, in microseconds: an hour.
const LONGEST_US: u64 = 3_600_000_000;

/// The durations of calls, in two histograms of microseconds with three digits.
#[derive(Debug)]
pub struct Durations {
    corrected: Histogram<u64>,
    raw: Histogram<u64>,
}

impl Durations {
    /// None yet; `None` where histograms cannot be made.
    #[must_use]
    pub fn new() -> Option<Self> {
        let histogram = || Histogram::new_with_max(LONGEST_US, 3).ok();
        Some(Self { corrected: histogram()?, raw: histogram()? })
    }

    /// Adds a call.
    pub fn add(&mut self, due_s: f64, sent_s: f64, ended_s: f64) {
        self.corrected.saturating_record(micros(ended_s - due_s));
        self.raw.saturating_record(micros(ended_s - sent_s));
    }

    /// In the form of results; `None` when there was none.
    #[must_use]
    pub fn latency(&self) -> Option<Latency> {
        let percentiles = |histogram| percentiles(histogram);
        (!self.raw.is_empty()).then(|| Latency {
            corrected: percentiles(&self.corrected),
            raw: percentiles(&self.raw),
        })
    }
}

fn micros(seconds: f64) -> u64 {
    (seconds.max(0.0) * 1e6) as u64
}

fn percentiles(histogram: &Histogram<u64>) -> Percentiles {
    let at = |percent: f64| histogram.value_at_percentile(percent) as f64 / 1e3;
    let mut bytes = Vec::new();
    let written = V2Serializer::new().serialize(histogram, &mut bytes);
    Percentiles {
        count: histogram.len(),
        p50_ms: at(50.0),
        p90_ms: at(90.0),
        p99_ms: at(99.0),
        p99_9_ms: at(99.9),
        max_ms: histogram.max() as f64 / 1e3,
        hdr: written.is_ok().then(|| STANDARD.encode(&bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hdrhistogram::serialization::Deserializer;

    #[test]
    fn a_call_that_could_not_be_sent_counts_from_when_it_was_due() {
        let mut durations = Durations::new().expect("histograms");
        for nth in 0..99 {
            durations.add(f64::from(nth), f64::from(nth), f64::from(nth) + 0.01);
        }
        durations.add(99.0, 101.0, 101.01);
        let found = durations.latency().expect("calls");
        assert_eq!((found.raw.count, found.corrected.count), (100, 100));
        assert!((found.raw.max_ms - 10.0).abs() < 0.1, "{}", found.raw.max_ms);
        assert!((found.corrected.max_ms - 2_010.0).abs() < 3.0, "{}", found.corrected.max_ms);
        assert!((found.corrected.p50_ms - 10.0).abs() < 0.1);
    }

    #[test]
    fn the_histogram_can_be_read_again() {
        let mut durations = Durations::new().expect("histograms");
        durations.add(0.0, 0.0, 0.25);
        let text = durations.latency().and_then(|found| found.raw.hdr).expect("a histogram");
        let bytes = STANDARD.decode(text).expect("Base64");
        let read: Histogram<u64> =
            Deserializer::new().deserialize(&mut bytes.as_slice()).expect("form V2");
        assert_eq!(read.len(), 1);
        assert!((read.max() as f64 - 250_000.0).abs() < 500.0);
        assert!(Durations::new().expect("histograms").latency().is_none());
    }
}

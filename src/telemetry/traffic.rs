//! The calls of the last five minutes: how many ended, how many of them failed, and how long they
//! took. For who begins to look only now.

use prometheus::proto::MetricFamily;
use serde::Serialize;
use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// How often [`Telemetry::note_traffic`](crate::Telemetry::note_traffic) should be called.
pub const TRAFFIC_EVERY: Duration = Duration::from_secs(2);
/// Points that are kept: five minutes of them.
const KEPT: usize = 150;

/// The calls that ended between two looks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TrafficPoint {
    /// All of them, per second.
    pub calls_per_second: f64,
    /// Those that ended otherwise than well, per second.
    pub failed_per_second: f64,
    /// Half of them took no longer, in milliseconds; `None` where none ended but streams, which take
    /// no time that counts.
    pub p50_ms: Option<f64>,
    /// 95 of 100 took no longer, in milliseconds; `None` likewise.
    pub p95_ms: Option<f64>,
}

/// The points of the last five minutes.
#[derive(Default)]
pub(crate) struct Traffic(Mutex<Noted>);

#[derive(Default)]
struct Noted {
    points: VecDeque<TrafficPoint>,
    last: Option<Look>,
}

/// What was counted up to a moment.
struct Look {
    at: Instant,
    ended: u64,
    failed: u64,
    /// Calls that took no longer than so many seconds, for each bound; the last has none.
    within: Vec<(f64, u64)>,
}

impl Traffic {
    /// Adds a point, from the last look on: of all calls and those that failed, and of how long they
    /// took.
    pub(crate) fn note(&self, (ended, failed): (u64, u64), durations: &[MetricFamily]) {
        self.add(Look { at: Instant::now(), ended, failed, within: within(durations) });
    }

    /// The points, the oldest first.
    pub(crate) fn points(&self) -> Vec<TrafficPoint> {
        self.noted().points.iter().copied().collect()
    }

    fn add(&self, look: Look) {
        let mut noted = self.noted();
        if let Some(last) = noted.last.as_ref() {
            let point = between(last, &look);
            if noted.points.len() == KEPT {
                noted.points.pop_front();
            }
            noted.points.push_back(point);
        }
        noted.last = Some(look);
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Calls by bound, of all series together.
fn within(durations: &[MetricFamily]) -> Vec<(f64, u64)> {
    let mut sums: Vec<(f64, u64)> = Vec::new();
    let mut all = 0;
    for metric in durations.iter().flat_map(MetricFamily::get_metric) {
        let histogram = metric.get_histogram();
        all += histogram.get_sample_count();
        let buckets = histogram.get_bucket();
        sums.resize_with(buckets.len(), Default::default);
        for (sum, bucket) in sums.iter_mut().zip(buckets) {
            *sum = (bucket.upper_bound(), sum.1 + bucket.cumulative_count());
        }
    }
    sums.push((f64::INFINITY, all));
    sums
}

#[expect(clippy::cast_precision_loss, reason = "rates for people to read")]
fn between(last: &Look, look: &Look) -> TrafficPoint {
    let seconds = look.at.duration_since(last.at).as_secs_f64().max(f64::EPSILON);
    let per_second = |now: u64, then: u64| now.saturating_sub(then) as f64 / seconds;
    let fresh: Vec<(f64, f64)> = look
        .within
        .iter()
        .enumerate()
        .map(|(place, (bound, count))| {
            let before = last.within.get(place).map_or(0, |(_, count)| *count);
            (*bound, count.saturating_sub(before) as f64)
        })
        .collect();
    TrafficPoint {
        calls_per_second: per_second(look.ended, last.ended),
        failed_per_second: per_second(look.failed, last.failed),
        p50_ms: quantile(&fresh, 0.5),
        p95_ms: quantile(&fresh, 0.95),
    }
}

/// The time below which that share lies, in milliseconds, as Prometheus' `histogram_quantile`
/// finds it: even inside a bucket, and the last bound for what is beyond all.
fn quantile(within: &[(f64, f64)], share: f64) -> Option<f64> {
    let all = within.last().map(|(_, count)| *count).filter(|count| *count > 0.0)?;
    let rank = share * all;
    let (mut low, mut under) = (0.0, 0.0);
    for (bound, count) in within {
        if *count >= rank {
            let part = (rank - under) / (count - under).max(f64::EPSILON);
            let reached = if bound.is_finite() { low + (bound - low) * part } else { low };
            return Some(reached * 1_000.0);
        }
        (low, under) = (*bound, *count);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(after: u64, ended: u64, failed: u64, within: [u64; 3]) -> Look {
        let at = Instant::now() + Duration::from_secs(after);
        let bounds = [0.1, 0.2, f64::INFINITY];
        Look { at, ended, failed, within: bounds.into_iter().zip(within).collect() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_point_tells_of_what_came_since_the_last_look() {
        let traffic = Traffic::default();
        traffic.add(look(0, 10, 1, [10, 10, 10]));
        assert!(traffic.points().is_empty());
        traffic.add(look(2, 110, 5, [60, 110, 110]));
        traffic.add(look(4, 110, 5, [60, 110, 110]));
        traffic.add(look(6, 120, 5, [60, 110, 120]));
        let [busy, quiet, slow] = traffic.points()[..] else { panic!("three") };
        assert_eq!((busy.calls_per_second, busy.failed_per_second), (50.0, 2.0));
        assert_eq!((busy.p50_ms, busy.p95_ms), (Some(100.0), Some(190.0)));
        assert_eq!((quiet.calls_per_second, quiet.p50_ms, quiet.p95_ms), (0.0, None, None));
        assert_eq!(slow.p50_ms, Some(200.0), "beyond all bounds it is the last of them");
    }

    #[tokio::test(start_paused = true)]
    async fn five_minutes_are_kept() {
        let traffic = Traffic::default();
        (0..1_000).for_each(|n| traffic.add(look(2 * n, n, 0, [n, n, n])));
        assert_eq!(traffic.points().len(), KEPT);
    }

    #[test]
    fn durations_are_those_of_all_series_together() {
        let opts = prometheus::HistogramOpts::new("t", "t").buckets(vec![0.1, 0.2]);
        let durations = prometheus::HistogramVec::new(opts, &["l"]).expect("declared rightly");
        for (series, seconds) in [("a", 0.05), ("a", 0.15), ("b", 0.15), ("b", 9.0)] {
            durations.with_label_values(&[series]).observe(seconds);
        }
        let families = prometheus::core::Collector::collect(&durations);
        assert_eq!(within(&families), [(0.1, 1), (0.2, 3), (f64::INFINITY, 4)]);
    }
}

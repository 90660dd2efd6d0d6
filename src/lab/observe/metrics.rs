//! What a target tells of itself in Prometheus' text form: each metric summed over its labels.

use crate::result::ResourceSample;
use std::collections::BTreeMap;

/// Most metrics that are kept.
const MOST: usize = 512;
/// Largest answer that is read, in bytes.
pub const LARGEST: usize = 16 << 20;

/// Values by the name of the metric.
pub type Values = BTreeMap<String, f64>;

/// Reads a scrape. Buckets are left out, as is what is no number.
#[must_use]
pub fn parse(text: &str) -> Values {
    let mut values = Values::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, value)) = sample(line) else { continue };
        if name.ends_with("_bucket") || (values.len() >= MOST && !values.contains_key(name)) {
            continue;
        }
        *values.entry(name.to_owned()).or_default() += value;
    }
    values
}

fn sample(line: &str) -> Option<(&str, f64)> {
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(end);
    // A label may hold anything, also a brace.
    let rest = if rest.starts_with('{') { &rest[rest.rfind('}')? + 1..] } else { rest };
    let value: f64 = rest.split_whitespace().next()?.parse().ok()?;
    value.is_finite().then_some((name, value))
}

/// What it says that its process uses.
#[must_use]
pub fn resources(values: &Values, at_s: f64) -> Option<ResourceSample> {
    let whole = |name: &str| values.get(name).map(|value| *value as u64);
    Some(ResourceSample {
        at_s,
        rss_bytes: whole("process_resident_memory_bytes")?,
        fds: whole("process_open_fds"),
        cpu_seconds: values.get("process_cpu_seconds_total").copied(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_of_a_metric_are_summed_and_buckets_left_out() {
        let text = "# HELP a what\n# TYPE a counter\na{x=\"}\"} 2\na{x=\"2\"} 3 1700000000\n\
                    b_bucket{le=\"1\"} 9\nc NaN\nprocess_resident_memory_bytes 4096\n\
                    process_open_fds 7\nprocess_cpu_seconds_total 0.5\n";
        let values = parse(text);
        assert_eq!(values.get("a"), Some(&5.0));
        assert!(!values.contains_key("b_bucket") && !values.contains_key("c"));
        let used = resources(&values, 1.0).expect("it tells");
        assert_eq!((used.rss_bytes, used.fds, used.cpu_seconds), (4096, Some(7), Some(0.5)));
    }
}

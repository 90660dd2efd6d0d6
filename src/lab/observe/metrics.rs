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
    let rest = if rest.starts_with('{') { behind_labels(rest)? } else { rest };
    let value: f64 = rest.split_whitespace().next()?.parse().ok()?;
    value.is_finite().then_some((name, value))
}

/// What follows the labels. The text of one may hold anything, also a brace, and so may what follows.
fn behind_labels(labels: &str) -> Option<&str> {
    let (mut is_text, mut is_escaped) = (false, false);
    let end = labels.find(|letter| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match letter {
            '\\' => is_escaped = is_text && !was_escaped,
            '"' => is_text ^= !was_escaped,
            _ => {}
        }
        letter == '}' && !is_text
    })?;
    labels.get(end + 1..)
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
    fn neither_labels_nor_exemplars_hide_a_value() {
        let text = "a_total{x=\"} # \\\"{\"} 2 # {trace_id=\"1\"} 0.5 17\n";
        assert_eq!(parse(text).get("a_total"), Some(&2.0));
    }

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

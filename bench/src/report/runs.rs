//! The runs, found by label and side, and what is made of several of them.

use anyhow::Context as _;
use serde_json::Value;

/// All runs in the order they were made.
pub(crate) struct Runs(Vec<Value>);

/// What to make of the same figure of several runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pick {
    Median,
    Most,
}

impl Runs {
    /// Reads one JSON object a line.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let runs = lines
            .map(|line| serde_json::from_str(line).with_context(|| format!("not JSON: {line}")));
        runs.collect::<anyhow::Result<_>>().map(Self)
    }

    pub(crate) fn all(&self) -> &[Value] {
        &self.0
    }

    /// The figure at a JSON pointer over all runs of a side; `None` without any.
    pub(crate) fn figure(&self, label: &str, side: &str, at: &str, pick: Pick) -> Option<f64> {
        let of_side = self.0.iter().filter(|run| run["label"] == label && run["side"] == side);
        let mut values: Vec<f64> =
            of_side.filter_map(|run| run.pointer(at).and_then(Value::as_f64)).collect();
        values.sort_by(f64::total_cmp);
        match pick {
            Pick::Median => values.get(values.len() / 2).copied(),
            Pick::Most => values.last().copied(),
        }
    }

    /// Why there are no figures under a label yet, if somebody said so.
    pub(crate) fn pending(&self, label: &str) -> Option<&str> {
        let mut labelled = self.0.iter().filter(|run| run["label"] == label);
        labelled.find_map(|run| run["pending"].as_str())
    }

    /// Runs in which something failed, a sentence each.
    pub(crate) fn failures(&self) -> Vec<String> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let failed = self.0.iter().filter(|run| run["errors"].as_u64().is_some_and(|n| n > 0));
        let sentence = |run: &Value| {
            let (label, side) = (text(&run["label"]), text(&run["side"]));
            format!("{label} ({side}): {} errors: {}", run["errors"], text(&run["first_error"]))
        };
        failed.map(sentence).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"label":"a","side":"server","x":{"y":3},"errors":0}
        {"label":"a","side":"server","x":{"y":1},"errors":2,"first_error":"no"}
        {"label":"a","side":"server","x":{"y":2},"errors":0}
        {"label":"a","side":"floor","x":{"y":9},"errors":0}
        {"label":"b","pending":"later"}"#;

    #[test]
    fn figures_are_medians_of_a_side() {
        let runs = Runs::parse(TEXT).unwrap();
        assert_eq!(runs.figure("a", "server", "/x/y", Pick::Median), Some(2.0));
        assert_eq!(runs.figure("a", "server", "/x/y", Pick::Most), Some(3.0));
        assert_eq!(runs.figure("a", "floor", "/x/y", Pick::Median), Some(9.0));
        assert_eq!(runs.figure("b", "floor", "/x/y", Pick::Median), None);
        assert_eq!(runs.pending("b"), Some("later"));
        assert_eq!(runs.failures(), ["a (server): 2 errors: no"]);
    }

    #[test]
    fn what_is_no_json_is_refused() {
        assert!(Runs::parse("{}\nthread panicked").is_err());
    }
}

//! `metrics list`: the catalogue as a table, as JSON, and as the page `docs/metrics.md`.

use crate::{
    cli::{ListFormat, MetricsCommand},
    commands::print,
    failure::Failure,
    table,
};
use mcp_telemetry::MetricInfo;
use serde_json::json;

/// `metrics …`
pub(crate) fn metrics(command: &MetricsCommand) -> Result<(), Failure> {
    let MetricsCommand::List { format } = command;
    let catalogue = catalogue();
    print(&match format {
        ListFormat::Table => table::table(&rows(&catalogue), table::width()),
        ListFormat::Json => json_list(&catalogue),
        ListFormat::Markdown => page(&catalogue),
    })
}

/// What the server exposes, and what `chaos` and the lab do.
fn catalogue() -> Vec<MetricInfo> {
    let mut all = mcp_telemetry::catalogue();
    all.extend(mcp_telemetry::chaos_catalogue());
    all.extend(mcp_telemetry::lab_catalogue());
    all
}

fn json_list(catalogue: &[MetricInfo]) -> String {
    let metrics = catalogue.iter().map(|metric| {
        json!({
            "name": metric.name, "type": metric.kind.as_str(), "labels": metric.labels,
            "buckets": metric.buckets, "help": metric.help,
        })
    });
    format!("{:#}\n", metrics.collect::<serde_json::Value>())
}

fn rows(catalogue: &[MetricInfo]) -> Vec<[String; 5]> {
    let head = ["NAME", "TYPE", "LABELS", "BUCKETS", "MEANING"].map(str::to_owned);
    let row = |metric: &MetricInfo| {
        let or_none = |text: String| if text.is_empty() { "-".to_owned() } else { text };
        [
            metric.name.to_owned(),
            metric.kind.as_str().to_owned(),
            or_none(metric.labels.join(",")),
            or_none(span(metric)),
            metric.help.to_owned(),
        ]
    };
    std::iter::once(head).chain(catalogue.iter().map(row)).collect()
}

/// The first and the last bucket, and how many there are.
fn span(metric: &MetricInfo) -> String {
    match metric.buckets.unwrap_or_default() {
        [first, .., last] => {
            format!("{first}..{last} ({})", metric.buckets.map_or(0, <[f64]>::len))
        }
        [] | [_] => String::new(),
    }
}

const PREFACE: &str = "\
# Metrics

What `/metrics` exposes, as `mcp-orchestrator metrics list --format markdown` prints it; `mcp_chaos_*`
is on the `/metrics` of `mcp-orchestrator chaos`, and with `mcp_lab_*` on that of `lab run --metrics`.
Seconds and bytes throughout; a counter ends with `_total`. Every label is a closed set that is there from the first scrape, or a name that the
configuration bounds (upstreams and their tools).
";

fn page(catalogue: &[MetricInfo]) -> String {
    let mut page = PREFACE.to_owned();
    for metric in catalogue {
        page.push_str(&format!(
            "\n## {}\n\n{}{}\n\n{}\n",
            metric.name,
            metric.kind.as_str(),
            with_labels(metric),
            metric.help
        ));
        if let Some(buckets) = metric.buckets {
            let bounds: Vec<String> = buckets.iter().map(ToString::to_string).collect();
            page.push_str(&format!("\nBuckets up to: {}\n", bounds.join(", ")));
        }
    }
    page
}

fn with_labels(metric: &MetricInfo) -> String {
    let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
    if labels.is_empty() { String::new() } else { format!(" by {}", labels.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_a_line_and_columns_line_up() {
        let catalogue = catalogue();
        let table = table::table(&rows(&catalogue), None);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), catalogue.len() + 1);
        for head in ["TYPE", "LABELS", "BUCKETS", "MEANING"] {
            let column = lines[0].find(head).expect("a head");
            assert!(lines.iter().all(|line| line.as_bytes()[column - 1] == b' '), "{head}");
        }
        assert!(table.contains("mcp_requests_total "));
        assert!(table.contains(" 0.00025..300 (19) "));
    }

    #[test]
    fn every_form_holds_every_metric() {
        let catalogue = catalogue();
        let parsed: serde_json::Value = serde_json::from_str(&json_list(&catalogue)).expect("JSON");
        assert_eq!(parsed.as_array().map(Vec::len), Some(catalogue.len()));
        let page = page(&catalogue);
        assert_eq!(page.matches("\n## ").count(), catalogue.len());
        assert!(page.contains(
            "\n## mcp_connections_total\n\ncounter by `transport`, `status`\n\nAttempts of clients"
        ));
    }
}

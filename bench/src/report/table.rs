//! Rows with their figures filled in, and the table as text that is Markdown too.

use crate::{
    rows::{Against, Row, Target},
    runs::{Pick, Runs},
};
use serde_json::{Value, json};

/// A row and its figures.
pub(crate) struct Line {
    row: &'static Row,
    here: Option<f64>,
    beside: Option<f64>,
    pending: Option<String>,
}

/// How a row stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Reached,
    Missed,
    Pending,
    Told,
    NoFigures,
}

impl Line {
    /// Fills a row in.
    pub(crate) fn of(row: &'static Row, runs: &Runs) -> Self {
        let figure = |side, at, pick| {
            runs.figure(row.label, side, at, pick).map(|value| value / row.divisor)
        };
        Self {
            row,
            here: figure("server", row.at, row.pick),
            beside: match row.against {
                Against::Other(_) => figure("floor", row.at, row.pick),
                Against::Own(_, at) => figure("server", at, Pick::Median),
                Against::Nothing => None,
            },
            pending: runs.pending(row.label).map(ToOwned::to_owned),
        }
    }

    fn ratio(&self) -> Option<f64> {
        self.here
            .zip(self.beside.filter(|beside| *beside > 0.0))
            .map(|(here, beside)| here / beside)
    }

    fn verdict(&self) -> Verdict {
        let Some(here) = self.here else {
            return if self.pending.is_some() { Verdict::Pending } else { Verdict::NoFigures };
        };
        let more = self.beside.map(|beside| here - beside);
        let reached = match self.row.target {
            Target::TimesAtMost(most) => self.ratio().map(|ratio| ratio <= most),
            Target::TimesAtLeast(least) => self.ratio().map(|ratio| ratio >= least),
            Target::MoreAtMost(most) => more.map(|more| more <= most),
            Target::AtMost(most) => Some(here <= most),
            Target::AtLeast(least) => Some(here >= least),
            Target::None => return Verdict::Told,
        };
        match reached {
            Some(true) => Verdict::Reached,
            Some(false) => Verdict::Missed,
            None => Verdict::NoFigures,
        }
    }

    pub(crate) fn is_missed(&self) -> bool {
        self.verdict() == Verdict::Missed
    }

    pub(crate) fn waits(&self) -> bool {
        self.verdict() == Verdict::Pending
    }

    pub(crate) fn lacks_figures(&self) -> bool {
        self.verdict() == Verdict::NoFigures
    }

    fn target(&self) -> String {
        match self.row.target {
            Target::TimesAtMost(most) => format!("≤ {most} ×"),
            Target::TimesAtLeast(least) => format!("≥ {least} ×"),
            Target::MoreAtMost(most) => format!("≤ +{most}"),
            Target::AtMost(most) => format!("≤ {most}"),
            Target::AtLeast(least) => format!("≥ {least}"),
            Target::None => "–".to_owned(),
        }
    }

    fn compared(&self) -> String {
        match (self.row.target, self.here.zip(self.beside), self.ratio()) {
            (Target::MoreAtMost(_), Some((here, beside)), _) => format!("{:+.3}", here - beside),
            (_, _, Some(ratio)) => format!("{ratio:.2} ×"),
            _ => "–".to_owned(),
        }
    }

    fn word(&self) -> String {
        match self.verdict() {
            Verdict::Reached => "yes".to_owned(),
            Verdict::Missed => "no".to_owned(),
            Verdict::Told => "–".to_owned(),
            Verdict::NoFigures => "no figures".to_owned(),
            Verdict::Pending => {
                format!("pending: {}", self.pending.as_deref().unwrap_or_default())
            }
        }
    }

    fn beside_text(&self) -> String {
        let name = match self.row.against {
            Against::Other("floor") | Against::Nothing => return number(self.beside),
            Against::Other(name) | Against::Own(name, _) => name,
        };
        if self.beside.is_none() {
            number(None)
        } else {
            format!("{} ({name})", number(self.beside))
        }
    }

    fn cells(&self) -> [String; 7] {
        [
            self.row.work.to_owned(),
            self.row.figure.to_owned(),
            number(self.here),
            self.beside_text(),
            self.compared(),
            self.target(),
            self.word(),
        ]
    }

    /// The line for whoever reads figures by program.
    pub(crate) fn to_json(&self) -> Value {
        let beside = match self.row.against {
            Against::Other(name) | Against::Own(name, _) => Some(name),
            Against::Nothing => None,
        };
        json!({
            "work": self.row.work,
            "figure": self.row.figure,
            "here": self.here,
            "beside": self.beside,
            "beside_what": beside,
            "ratio": self.ratio(),
            "target": self.target(),
            "reached": self.word(),
        })
    }
}

/// Three digits that count, and no more after the point than they need.
fn number(value: Option<f64>) -> String {
    match value {
        None => "–".to_owned(),
        Some(value) if value.abs() >= 100.0 => format!("{value:.0}"),
        Some(value) if value.abs() >= 10.0 => format!("{value:.1}"),
        Some(value) if value.abs() >= 1.0 => format!("{value:.2}"),
        Some(value) => format!("{value:.3}"),
    }
}

const HEADS: [&str; 7] = ["work", "figure", "measured", "floor", "ratio", "target", "reached"];

/// The table, in columns of equal width.
pub(crate) fn render(lines: &[Line]) -> String {
    let rows: Vec<[String; 7]> = std::iter::once(HEADS.map(ToOwned::to_owned))
        .chain(lines.iter().map(Line::cells))
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: [usize; 7] = std::array::from_fn(|column| width(column).unwrap_or_default());
    let mut text = String::new();
    for (at, row) in rows.iter().enumerate() {
        text.push_str(&joined(row, &widths));
        if at == 0 {
            text.push_str(&joined(&widths.map(|width| "-".repeat(width)), &widths));
        }
    }
    text
}

fn joined(cells: &[String; 7], widths: &[usize; 7]) -> String {
    let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
    format!("| {} |\n", padded.collect::<Vec<_>>().join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::ROWS;

    fn lines(text: &str) -> Vec<Line> {
        let runs = Runs::parse(text).unwrap();
        ROWS.iter().map(|row| Line::of(row, &runs)).collect()
    }

    fn words(lines: &[Line], label: &str) -> Vec<String> {
        lines.iter().filter(|line| line.row.label == label).map(Line::word).collect()
    }

    #[test]
    fn a_row_is_reached_missed_pending_or_without_figures() {
        let lines = lines(
            r#"{"label":"call-http-16","side":"server","cpu_us":13.0,"ops_per_s":70,"latency_ms":{"p99":2}}
            {"label":"call-http-16","side":"floor","cpu_us":10.0,"ops_per_s":100,"latency_ms":{"p99":1}}
            {"label":"idle-plain","side":"server","kib_each":1.9,"probe_none_p99_ms":1,"probe_all_p99_ms":2.5}
            {"label":"forward","side":"server","latency_ms":{"p50":1.1,"p99":3}}
            {"label":"forward","side":"floor","latency_ms":{"p50":1,"p99":1}}
            {"label":"call-ws-16","pending":"no /ws"}"#,
        );
        assert_eq!(words(&lines, "call-http-16"), ["yes", "no", "no"]);
        assert_eq!(words(&lines, "idle-plain"), ["yes", "no", "no figures", "no figures"]);
        assert_eq!(words(&lines, "forward"), ["yes", "no", "no figures"]);
        assert_eq!(words(&lines, "call-ws-16"), ["pending: no /ws", "pending: no /ws"]);
    }

    #[test]
    fn a_table_has_a_line_for_every_row() {
        let text = render(&lines(r#"{"label":"binary","side":"server","bytes":10485760}"#));
        assert_eq!(text.lines().count(), ROWS.len() + 2);
        assert!(text.contains("| binary "), "{text}");
        assert!(text.contains("| 10.0 "), "{text}");
        let widths: Vec<usize> = text.lines().map(|line| line.chars().count()).collect();
        assert!(widths.windows(2).all(|pair| pair[0] == pair[1]), "{widths:?}");
    }
}

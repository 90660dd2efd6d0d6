//! Charts, drawn without a script: shapes as SVG that stretches with the page, text as HTML beside
//! them, so it keeps its size on a narrow screen. Colours are the page's, so they follow its
//! light or dark scheme, and no chart tells anything by colour alone.
//!
//! A library would bring its own colours into the picture, text that shrinks with it, or a script
//! of its own; what is needed here is two forms: something over time (`plot`), and spans in rows
//! (`rows`).

mod availability;
mod axis;
mod latency;
mod plot;
mod recovery;
mod resources;
mod rows;

pub(crate) use availability::availability;
pub(crate) use latency::latency;
pub(crate) use recovery::recovery;
pub(crate) use resources::{files, memory};

use maud::{Markup, html};

/// What stands around a chart.
struct Figure<'a> {
    title: &'a str,
    /// What it shows, in a sentence, for those who cannot see it.
    says: String,
    /// Classes of marks, and what each means.
    legend: &'a [(&'a str, &'a str)],
}

impl Figure<'_> {
    fn around(&self, chart: &Markup) -> Markup {
        html! {
            figure.chart {
                figcaption {
                    h4 { (self.title) }
                    p { (self.says) }
                    @if !self.legend.is_empty() {
                        ul.legend { @for (class, means) in self.legend { li { span.key.(class) {} (means) } } }
                    }
                }
                (chart)
            }
        }
    }
}

/// A share as a percentage for CSS, within the picture.
fn css(share: f64) -> String {
    format!("{:.3}%", (share * 100.0).clamp(0.0, 100.0))
}

//! A table as a value, and the two ways it is written: Markdown and HTML.

use super::words::count;
use maud::{Markup, html};

/// Rows that are shown; all are in `result.json`.
const ROWS: usize = 200;

/// A table. Its texts are clean but not escaped.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Table {
    /// What it is about.
    pub(crate) title: String,
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    left_out: usize,
}

#[derive(Debug, Clone, PartialEq)]
struct Column {
    name: String,
    is_figure: bool,
}

/// A cell of a table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

/// What a cell means, for its colour; its text says so too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Nothing.
    Plain,
    /// As it should be.
    Good,
    /// Not as it should be.
    Bad,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, tone: Tone::Plain }
    }
}

impl Cell {
    /// A text with a meaning.
    pub(crate) fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone }
    }

    /// A text that is bad if `is_bad`.
    pub(crate) fn bad_if(is_bad: bool, text: impl Into<String>) -> Self {
        Self::toned(text, if is_bad { Tone::Bad } else { Tone::Plain })
    }
}

impl Table {
    /// A table; the name of a column of figures begins with `#`.
    pub(crate) fn new<'a>(title: &str, columns: impl IntoIterator<Item = &'a str>) -> Self {
        let column = |name: &str| match name.strip_prefix('#') {
            Some(name) => Column { name: name.to_owned(), is_figure: true },
            None => Column { name: name.to_owned(), is_figure: false },
        };
        let columns = columns.into_iter().map(column).collect();
        Self { title: title.to_owned(), columns, ..Self::default() }
    }

    /// Adds a row; beyond what is shown it is only counted.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        if self.rows.len() < ROWS {
            self.rows.push(cells.into_iter().collect());
        } else {
            self.left_out += 1;
        }
    }

    /// Counts rows that nobody has any more.
    pub(crate) fn leave_out(&mut self, rows: u64) {
        self.left_out = self.left_out.saturating_add(usize::try_from(rows).unwrap_or(usize::MAX));
    }

    /// Whether it has no row.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether something in it is not as it should be.
    pub(crate) fn has_bad(&self) -> bool {
        self.rows.iter().flatten().any(|cell| cell.tone == Tone::Bad)
    }

    fn rest(&self) -> Option<String> {
        let rest = self.left_out;
        (rest > 0).then(|| format!("and {} more", count(rest as u64)))
    }

    /// As a table of GitHub's Markdown, with an empty line after it.
    pub(crate) fn markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let mut text = line(self.columns.iter().map(|column| escape(&column.name)).collect());
        let ruler = self.columns.iter().map(|c| if c.is_figure { "---:" } else { "---" });
        text.push_str(&line(ruler.map(str::to_owned).collect()));
        for row in &self.rows {
            let mark = |cell: &Cell| match cell.tone {
                Tone::Bad => format!("**{}**", escape(&cell.text)),
                Tone::Plain | Tone::Good => escape(&cell.text),
            };
            text.push_str(&line(row.iter().map(mark).collect()));
        }
        if let Some(rest) = self.rest() {
            text.push_str(&format!("\n{rest}\n"));
        }
        text.push('\n');
        text
    }

    /// As a table of HTML that scrolls by itself where it is too wide.
    pub(crate) fn html(&self) -> Markup {
        html! {
            div.scroll role="region" tabindex="0" aria-label=(self.title) {
                table {
                    thead { tr { @for column in &self.columns {
                        th scope="col" class=[column.is_figure.then_some("figure")] { (column.name) }
                    } } }
                    tbody { @for row in &self.rows { (self.html_row(row)) } }
                }
            }
            @if let Some(rest) = self.rest() { p.rest { (rest) } }
        }
    }

    fn html_row(&self, row: &[Cell]) -> Markup {
        html! {
            tr { @for (at, (cell, column)) in row.iter().zip(&self.columns).enumerate() {
                @if at == 0 {
                    th scope="row" class=(classes(cell, column)) { (cell.text) }
                } @else {
                    td class=(classes(cell, column)) { (cell.text) }
                }
            } }
        }
    }
}

fn classes(cell: &Cell, column: &Column) -> String {
    let figure = if column.is_figure { "figure " } else { "" };
    let tone = match cell.tone {
        Tone::Plain => "",
        Tone::Good => "good",
        Tone::Bad => "bad",
    };
    format!("{figure}{tone}")
}

/// Text that Markdown is to show as it is, within a line.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if "\\`*_[]<>|~&#!".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

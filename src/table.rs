//! Tables for people: columns that line up, folded to the width of the terminal. Where nobody looks
//! (a pipe, a file) a row is one line, so that it can be searched.

use std::{io, iter, os::fd::AsFd};

/// Least room that the last column is given beside the others.
const LEAST: usize = 30;
/// What stands before the further lines of a row.
const INDENT: usize = 4;
/// Between two columns.
const GAP: usize = 2;

/// The columns of the terminal on standard output; none where there is no terminal.
pub(crate) fn width() -> Option<usize> {
    columns(io::stdout())
}

/// A line for standard error: folded between words where that is a terminal.
pub(crate) fn for_stderr(line: &str) -> String {
    sentence(line, columns(io::stderr()))
}

fn columns(of: impl AsFd) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(of).ok()?;
    // Some terminals do not know.
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

fn sentence(line: &str, width: Option<usize>) -> String {
    match width {
        Some(width) if signs(line) > width => {
            let room = width.saturating_sub(INDENT).max(1);
            wrapped(line, room).join(&format!("\n{}", " ".repeat(INDENT)))
        }
        Some(_) | None => line.to_owned(),
    }
}

/// The rows, the first of which is the head.
pub(crate) fn table<const N: usize>(rows: &[[String; N]], width: Option<usize>) -> String {
    let columns: Vec<Column> =
        (0..N).map(|at| Column::of(rows.iter().map(|row| &*row[at]))).collect();
    let lines = folded(&columns, width.unwrap_or(usize::MAX));
    let every = |row| lines.iter().map(move |line| (line, row));
    rows.iter().flat_map(every).map(|(line, row): (&Line, _)| line.of(row, &columns)).collect()
}

struct Column {
    width: usize,
    /// Numbers stand at the right.
    is_number: bool,
}

impl Column {
    fn of<'a>(cells: impl Iterator<Item = &'a str> + Clone) -> Self {
        let digits =
            |cell: &str| !cell.is_empty() && cell.bytes().all(|byte| byte.is_ascii_digit());
        Self {
            width: cells.clone().map(signs).max().unwrap_or(0),
            is_number: cells.clone().count() > 1 && cells.skip(1).all(digits),
        }
    }

    fn padded(&self, cell: &str) -> String {
        let width = self.width;
        if self.is_number { format!("{cell:>width$}") } else { format!("{cell:width$}") }
    }
}

/// Which columns stand on one line, and what room the last of them has.
struct Line {
    indent: usize,
    columns: Vec<usize>,
    room: usize,
}

/// Puts columns on as few lines as there is room for; the last column's text may be wrapped.
fn folded(columns: &[Column], width: usize) -> Vec<Line> {
    let (mut lines, mut used) = (Vec::new(), 0);
    let mut line = Line { indent: 0, columns: Vec::new(), room: width };
    for (at, column) in columns.iter().enumerate() {
        let is_last = at + 1 == columns.len();
        let least = if is_last { LEAST.min(column.width) } else { column.width };
        let gap = if line.columns.is_empty() { 0 } else { GAP };
        if !line.columns.is_empty() && used + gap + least > width {
            lines.push(line);
            used = INDENT;
            line = Line { indent: INDENT, columns: Vec::new(), room: width };
        } else {
            used += gap;
        }
        line.room = width.saturating_sub(used).max(1);
        line.columns.push(at);
        used += column.width;
    }
    lines.push(line);
    lines
}

impl Line {
    fn of(&self, row: &[String], columns: &[Column]) -> String {
        let Some((last, before)) = self.columns.split_last() else { return String::new() };
        let mut text = " ".repeat(self.indent);
        for at in before {
            text.push_str(&columns[*at].padded(&row[*at]));
            text.push_str(&" ".repeat(GAP));
        }
        let below = format!("\n{}", " ".repeat(signs(&text)));
        let cell = columns[*last].padded(&row[*last]);
        text.push_str(&wrapped(cell.trim_end(), self.room).join(&below));
        let text = text.trim_end();
        if text.is_empty() { String::new() } else { format!("{text}\n") }
    }
}

fn signs(text: &str) -> usize {
    text.chars().count()
}

/// The text in lines of so many signs; a longer word is a line of its own.
fn wrapped(text: &str, room: usize) -> Vec<String> {
    if signs(text) <= room {
        return vec![text.to_owned()];
    }
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && signs(&line) + 1 + signs(word) > room {
            lines.push(std::mem::take(&mut line));
        }
        let gap = if line.is_empty() { "" } else { " " };
        line.extend([gap, word]);
    }
    lines.extend(iter::once(line));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<[String; 4]> {
        [
            ["NAME", "TYPE", "CALLS", "MEANING"],
            ["one_of_the_longer_names", "counter", "7", "What it is, in é few words more."],
            ["short", "gauge", "1200", ""],
        ]
        .map(|row| row.map(str::to_owned))
        .to_vec()
    }

    #[test]
    fn a_row_is_one_line_where_nobody_looks_or_there_is_room() {
        let text = "\
NAME                     TYPE     CALLS  MEANING
one_of_the_longer_names  counter      7  What it is, in é few words more.
short                    gauge     1200
";
        assert_eq!(table(&rows(), None), text);
        assert_eq!(table(&rows(), Some(73)), text);
    }

    #[test]
    fn a_sentence_is_folded_between_words_where_somebody_looks() {
        let text = "availability 12 %, expected at least 99 %";
        for width in [None, Some(41)] {
            assert_eq!(sentence(text, width), text);
        }
        let folded = "availability 12 %,\n    expected at least\n    99 %";
        assert_eq!(sentence(text, Some(22)), folded);
    }

    #[test]
    fn the_last_column_is_wrapped_under_itself() {
        let text = "\
NAME                     TYPE     CALLS  MEANING
one_of_the_longer_names  counter      7  What it is, in é few words
                                         more.
short                    gauge     1200
";
        assert_eq!(table(&rows(), Some(72)), text);
    }

    #[test]
    fn columns_that_do_not_fit_stand_below_and_line_up_there() {
        let text = "\
NAME                     TYPE
    CALLS
    MEANING
one_of_the_longer_names  counter
        7
    What it is, in é few words more.
short                    gauge
     1200
";
        assert_eq!(table(&rows(), Some(36)), text);
        let narrower = text.replace("words more.", "words\n    more.");
        assert_eq!(table(&rows(), Some(35)), narrower);
        assert!(table(&rows(), Some(0)).contains("one_of_the_longer_names"));
    }
}

//! Figures and names as they are shown to people. Names come from strangers: what could steer a
//! terminal or turn text around is taken out here; what a form gives a meaning to (`<`, `|`) is
//! escaped where that form is written.

use std::fmt::Write as _;

/// What is shown of a name or a message, in characters.
const LONGEST: usize = 400;

/// Text of a stranger, on one line, without what steers terminals or the direction of text.
pub(crate) fn clean(text: &str) -> String {
    let mut shown: String =
        text.chars().take(LONGEST).map(|c| if steers(c) { ' ' } else { c }).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown.trim().to_owned()
}

fn steers(c: char) -> bool {
    let turns =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// A duration: `350 ms`, `4.2 s`, `2 min 5 s`, `1 h 3 min`.
pub(crate) fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0);
    if seconds == 0.0 {
        return "0 s".to_owned();
    }
    if seconds < 0.9995 {
        return millis(seconds * 1000.0);
    }
    if seconds < 59.95 {
        return format!("{} s", short(seconds));
    }
    let whole = seconds.round();
    let (hours, minutes, rest) = (whole / 3600.0, whole / 60.0 % 60.0, whole % 60.0);
    let parts = [(hours.floor(), "h"), (minutes.floor(), "min"), (rest, "s")];
    let mut text = String::new();
    for (amount, unit) in parts.into_iter().skip_while(|(amount, _)| *amount == 0.0).take(2) {
        if amount > 0.0 {
            let gap = if text.is_empty() { "" } else { " " };
            // Writing to a string cannot fail.
            let _always = write!(text, "{gap}{amount:.0} {unit}");
        }
    }
    text
}

/// Milliseconds with three digits: `0.42 ms`, `12.3 ms`; from a second on as [`duration`].
pub(crate) fn millis(millis: f64) -> String {
    if millis >= 999.5 { duration(millis / 1000.0) } else { format!("{} ms", short(millis)) }
}

/// A figure with about three digits and no zeros after them.
pub(crate) fn short(figure: f64) -> String {
    let digits = match figure.abs() {
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        _ => 2,
    };
    let text = format!("{figure:.digits$}");
    let text = if digits > 0 { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// A percentage, rounded down so that only all is `100 %`.
pub(crate) fn percent(percent: f64) -> String {
    let shown = (percent.clamp(0.0, 100.0) * 1000.0 + 1e-6).floor() / 1000.0;
    let text = format!("{shown:.3}");
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// An amount of memory, in binary units.
pub(crate) fn bytes(bytes: f64) -> String {
    let (mut amount, mut unit) = (bytes, "B");
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if amount.abs() < 1024.0 {
            break;
        }
        (amount, unit) = (amount / 1024.0, larger);
    }
    format!("{} {unit}", short(amount))
}

/// A count, with commas between thousands.
pub(crate) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 tool`, `2 tools`.
pub(crate) fn many(amount: u64, one: &str) -> String {
    let s = if amount == 1 { "" } else { "s" };
    format!("{} {one}{s}", count(amount))
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        let table = [
            (0.0, "0 s"),
            (0.000_42, "0.42 ms"),
            (0.35, "350 ms"),
            (0.9996, "1 s"),
            (4.25, "4.25 s"),
            (59.96, "1 min"),
            (125.0, "2 min 5 s"),
            (3600.0, "1 h"),
            (3780.0, "1 h 3 min"),
            (-3.0, "0 s"),
        ];
        for (seconds, text) in table {
            assert_eq!(duration(seconds), text, "{seconds}");
        }
    }

    #[test]
    fn only_all_is_a_hundred_percent() {
        let table = [
            (100.0, "100 %"),
            (99.9999, "99.999 %"),
            (99.5, "99.5 %"),
            (0.0, "0 %"),
            (120.0, "100 %"),
        ];
        for (share, text) in table {
            assert_eq!(percent(share), text);
        }
    }

    #[test]
    fn counts_and_bytes_read_well() {
        assert_eq!(count(0), "0");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(bytes(1536.0), "1.5 KiB");
        assert_eq!(bytes(-3.0 * 1024.0 * 1024.0), "-3 MiB");
        assert_eq!(many(1, "tool"), "1 tool");
        assert_eq!(list(&["a".into(), "b".into(), "c".into()]), "a, b and c");
    }

    #[test]
    fn a_name_cannot_steer_a_terminal_or_turn_text_around() {
        assert_eq!(clean("a\u{1b}[31m\nb\u{202e}c"), "a [31m b c");
        assert_eq!(clean(&"x".repeat(500)).chars().count(), LONGEST + 1);
    }
}

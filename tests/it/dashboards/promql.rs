//! Expressions as they are asked outside Grafana, and the parts of an alert that always have an
//! answer: what it compares.

/// An expression with Grafana's variables filled in: everything, over a short time.
pub(super) fn filled(expression: &str) -> String {
    let mut text = expression.to_owned();
    for (variable, value) in [
        ("$__rate_interval", "30s"),
        ("$__range", "1m"),
        ("$instance", ".*"),
        ("$transport", ".*"),
        ("$upstream", ".*"),
    ] {
        text = text.replace(variable, value);
    }
    assert!(!text.contains('$'), "a variable that is not filled in: {text}");
    text
}

/// What an alert compares. Operators are known by the spaces around them.
pub(super) fn compared(expression: &str) -> Vec<String> {
    let text = expression.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = unwrapped(&text);
    for operator in [" or ", " unless ", " and "] {
        if let Some((left, right)) = split(text, operator) {
            return [compared(left), compared(after_matching(right))].concat();
        }
    }
    for operator in [" > ", " < ", " == ", " != ", " >= ", " <= "] {
        if let Some((left, _)) = split(text, operator) {
            return vec![left.to_owned()];
        }
    }
    vec![text.to_owned()]
}

/// `on (…)` belongs to the operator before it.
fn after_matching(text: &str) -> &str {
    let matching = ["on (", "ignoring ("].iter().any(|word| text.starts_with(word));
    if matching { text.split_once(')').map_or(text, |(_, rest)| rest.trim_start()) } else { text }
}

/// The text without parentheses around all of it.
fn unwrapped(text: &str) -> &str {
    let inside = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    match inside {
        Some(inside) if depths(inside).all(|(_, depth)| depth >= 0) => unwrapped(inside.trim()),
        _ => text,
    }
}

/// Both sides of the first operator that stands in no parentheses, braces or quotes.
fn split<'a>(text: &'a str, operator: &str) -> Option<(&'a str, &'a str)> {
    let at = depths(text)
        .find(|(at, depth)| *depth == 0 && text[*at..].starts_with(operator))
        .map(|(at, _)| at)?;
    Some((&text[..at], &text[at + operator.len()..]))
}

/// How deep each character stands; within quotes it is never at the top.
fn depths(text: &str) -> impl Iterator<Item = (usize, i32)> {
    let (mut depth, mut quoted) = (0, false);
    text.char_indices().map(move |(at, letter)| {
        match letter {
            '"' => quoted = !quoted,
            '(' | '{' | '[' if !quoted => depth += 1,
            ')' | '}' | ']' if !quoted => depth -= 1,
            _ => {}
        }
        (at, if quoted { depth.max(0) + 1 } else { depth })
    })
}

#[test]
fn an_alert_is_taken_apart_at_its_top() {
    assert_eq!(
        compared(
            "(a / b > 2\n  and on (x)\n    sum by (x) (rate(c{d=\" or \"}[5m])) > 5) or (e) == 0"
        ),
        ["a / b", "sum by (x) (rate(c{d=\" or \"}[5m]))", "(e)"]
    );
    assert_eq!(compared("(a) + (b) < 1"), ["(a) + (b)"]);
    assert_eq!(compared("absent(up{a=\"b\"})"), ["absent(up{a=\"b\"})"]);
}

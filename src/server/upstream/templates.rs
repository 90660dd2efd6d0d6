//! URI templates (RFC 6570): does a URI come from one? Enough for routing, no values taken.

/// Longest URI that is matched, in bytes.
const LONGEST: usize = 8_192;

/// A template, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// Text that stands as it is.
    Literal(Box<str>),
    /// `{name}`: at least one character, none of `/?#`.
    Segment,
    /// An expression with an operator, `{+path}` or `{?query}`: anything, also nothing.
    Anything,
}

impl Template {
    /// Takes a template apart; `None` if its braces do not match.
    pub(super) fn parse(template: &str) -> Option<Self> {
        let mut parts = Vec::new();
        let mut rest = template;
        while let Some((literal, tail)) = rest.split_once('{') {
            let (expression, tail) = tail.split_once('}')?;
            if !literal.is_empty() {
                parts.push(Part::Literal(literal.into()));
            }
            let operator = expression.starts_with(['+', '#', '.', '/', ';', '?', '&']);
            parts.push(if operator { Part::Anything } else { Part::Segment });
            rest = tail;
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.into()));
        }
        (!template.is_empty() && !rest.contains('}')).then_some(Self(parts))
    }

    /// Whether the URI may come from this template. Linear in parts times length.
    pub(super) fn matches(&self, uri: &str) -> bool {
        if uri.len() > LONGEST {
            return false;
        }
        let text = uri.as_bytes();
        let mut reached = vec![false; text.len() + 1];
        reached[0] = true;
        for part in &self.0 {
            reached = part.advance(text, &reached);
        }
        reached[text.len()]
    }
}

impl Part {
    /// The places that can be reached through this part from those reached before it.
    fn advance(&self, text: &[u8], reached: &[bool]) -> Vec<bool> {
        let mut next = vec![false; reached.len()];
        match self {
            Self::Literal(literal) => {
                for at in (0..text.len()).filter(|at| reached[*at]) {
                    if text[at..].starts_with(literal.as_bytes()) {
                        next[at + literal.len()] = true;
                    }
                }
            }
            Self::Segment => {
                let mut open = false;
                for at in 0..text.len() {
                    open = (open || reached[at]) && !b"/?#".contains(&text[at]);
                    next[at + 1] = open;
                }
            }
            Self::Anything => {
                let mut open = false;
                for (at, place) in next.iter_mut().enumerate() {
                    open |= reached[at];
                    *place = open;
                }
            }
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::Template;

    fn matches(template: &str, uri: &str) -> bool {
        Template::parse(template).unwrap().matches(uri)
    }

    #[test]
    fn a_simple_expression_is_one_segment() {
        assert!(matches("test://template/{id}/data", "test://template/123/data"));
        assert!(!matches("test://template/{id}/data", "test://template//data"));
        assert!(!matches("test://template/{id}/data", "test://template/1/2/data"));
        assert!(!matches("test://template/{id}/data", "test://template/123/data/more"));
        assert!(!matches("test://template/{id}", "test://other/1"));
    }

    #[test]
    fn several_expressions_find_their_places() {
        assert!(matches("a://{x}-{y}", "a://1-2-3"));
        assert!(!matches("a://{x}-{y}", "a://12"));
        assert!(matches("repo://{owner}/{name}/file{?ref}", "repo://o/n/file?ref=main"));
        assert!(matches("repo://{owner}/{name}/file{?ref}", "repo://o/n/file"));
    }

    #[test]
    fn a_reserved_expression_takes_slashes() {
        assert!(matches("file:///{+path}", "file:///a/b/c.txt"));
        assert!(!matches("file:///{path}", "file:///a/b/c.txt"));
    }

    #[test]
    fn no_template() {
        assert_eq!(Template::parse("a://{x"), None);
        assert_eq!(Template::parse("a://x}"), None);
        assert_eq!(Template::parse(""), None);
    }

    #[test]
    fn a_hostile_uri_costs_little() {
        let template = "{a}-".repeat(100);
        assert!(!matches(&template, &format!("{}/", "-".repeat(8_000))));
        assert!(!matches("{+a}", &"x".repeat(10_000)));
    }
}

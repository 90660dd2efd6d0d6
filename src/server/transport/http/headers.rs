//! What HTTP headers say, as far as MCP asks.

use crate::call::{Refusal, Rejection};
use axum::http::{
    HeaderMap, HeaderName,
    header::{ACCEPT, AsHeaderName, CONTENT_ENCODING, CONTENT_TYPE},
};
use mcp_protocol::{Revision, headers as names, headers::Found};

const PROTOCOL_VERSION: HeaderName = HeaderName::from_static(names::PROTOCOL_VERSION);
/// What clients usually accept, word for word, which need not be taken apart to be understood.
const BOTH: &[u8] = b"application/json, text/event-stream";

/// What the `MCP-Protocol-Version` header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stated {
    /// Nothing.
    Absent,
    /// A revision that exists.
    Known(Revision),
    /// Something else.
    Unknown,
}

/// Reads `MCP-Protocol-Version`.
pub(super) fn revision(headers: &HeaderMap) -> Stated {
    match find(headers, PROTOCOL_VERSION) {
        Found::None => Stated::Absent,
        Found::Many => Stated::Unknown,
        Found::One(value) => {
            let name = std::str::from_utf8(value).unwrap_or_default().trim();
            Revision::parse(name).map_or(Stated::Unknown, Stated::Known)
        }
    }
}

/// Looks a header up for the ladder of the modern era.
pub(super) fn find(headers: &HeaderMap, name: impl AsHeaderName) -> Found<'_> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Found::None,
        (Some(value), None) => Found::One(value.as_bytes()),
        (Some(_), Some(_)) => Found::Many,
    }
}

/// Checks that a POST carries JSON and takes both kinds of answer.
pub(super) fn check_post(headers: &HeaderMap) -> Result<(), Rejection> {
    let content_type =
        headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        return Err(Rejection::new(
            Refusal::UnsupportedMediaType,
            "Send `Content-Type: application/json`.",
        ));
    }
    // Nothing is inflated here: a few bytes could become any number of them.
    let encoding = headers.get(CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Rejection::new(
            Refusal::UnsupportedMediaType,
            "Send the body as it is, without `Content-Encoding`: no compression is understood.",
        ));
    }
    let both = headers.get(ACCEPT).is_some_and(|accept| accept.as_bytes() == BOTH);
    let accepts_both =
        || accepts(headers, "application/json") && accepts(headers, "text/event-stream");
    if !(both || accepts_both()) {
        return Err(Rejection::new(
            Refusal::NotAcceptable,
            "Send `Accept: application/json, text/event-stream`: an answer may come as either.",
        ));
    }
    Ok(())
}

/// Checks that a GET takes an event stream.
pub(super) fn check_get(headers: &HeaderMap) -> Result<(), Rejection> {
    if accepts(headers, "text/event-stream") {
        return Ok(());
    }
    Err(Rejection::new(
        Refusal::NotAcceptable,
        "Send `Accept: text/event-stream`: this is a stream of events.",
    ))
}

fn accepts(headers: &HeaderMap, wanted: &str) -> bool {
    let family = wanted.split('/').next().unwrap_or_default();
    headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|part| part.split(';').next().unwrap_or_default().trim())
        .any(|media| {
            media.eq_ignore_ascii_case(wanted)
                || media == "*/*"
                || media.strip_suffix("/*").is_some_and(|own| own == family)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    fn accepting(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([
            (ACCEPT, HeaderValue::from_static(value)),
            (CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8")),
        ])
    }

    #[test]
    fn a_post_takes_both_kinds_of_answer() {
        for value in [
            "application/json, text/event-stream",
            "text/event-stream;q=0.5,application/json",
            "*/*",
        ] {
            assert!(check_post(&accepting(value)).is_ok(), "{value}");
        }
        for value in ["application/json", "text/event-stream", "text/*", ""] {
            assert!(check_post(&accepting(value)).is_err(), "{value}");
        }
        assert!(check_get(&accepting("text/event-stream")).is_ok());
        assert!(check_get(&accepting("application/json")).is_err());
    }

    proptest! {
        #[test]
        fn a_header_is_found_in_any_case_and_never_one_of_two(
            upper in proptest::collection::vec(any::<bool>(), 24), value in "[!-~]{0,9}", which in 0..3_usize
        ) {
            let wanted = [names::PROTOCOL_VERSION, names::NAME, "mcp-param-some-thing"][which];
            let cased = |flip: bool| {
                let letters = wanted.bytes().zip(&upper).map(|(letter, up)| {
                    if *up == flip { letter.to_ascii_uppercase() } else { letter }
                });
                HeaderName::from_bytes(&letters.collect::<Vec<u8>>()).expect("a name")
            };
            let value = HeaderValue::from_str(&value).expect("visible");
            let mut headers = HeaderMap::new();
            prop_assert_eq!(find(&headers, wanted), Found::None);
            headers.append(cased(true), value.clone());
            prop_assert_eq!(find(&headers, wanted), Found::One(value.as_bytes()));
            headers.append(cased(false), value);
            prop_assert_eq!(find(&headers, wanted), Found::Many);
        }
    }
}

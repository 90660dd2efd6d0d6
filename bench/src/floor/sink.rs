//! A live receiver of traces: takes OTLP over HTTP with protobuf, counts the spans, keeps nothing.
//! `GET /spans` tells how many came.

use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    http::{HeaderName, header::CONTENT_TYPE},
    routing::{get, post},
};
use bytes::Bytes;
use serde_json::json;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

const MOST_BYTES: usize = 64 << 20;

#[derive(Default)]
struct Received {
    exports: AtomicU64,
    spans: AtomicU64,
}

/// The receiver's paths.
pub(crate) fn router() -> Router {
    Router::new()
        .route("/v1/traces", post(export))
        .route("/spans", get(spans))
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .with_state(Arc::new(Received::default()))
}

/// An empty answer is a message with no field set: all was taken.
async fn export(
    State(received): State<Arc<Received>>,
    body: Bytes,
) -> [(HeaderName, &'static str); 1] {
    received.exports.fetch_add(1, Relaxed);
    received.spans.fetch_add(count(&body, &PATH), Relaxed);
    [(CONTENT_TYPE, "application/x-protobuf")]
}

async fn spans(State(received): State<Arc<Received>>) -> String {
    let (exports, spans) = (received.exports.load(Relaxed), received.spans.load(Relaxed));
    json!({ "exports": exports, "spans": spans }).to_string()
}

/// Field numbers from an export request down to a span: `resource_spans`, `scope_spans`, `spans`.
const PATH: [u64; 3] = [1, 2, 2];

/// How many messages stand at the end of `path`.
fn count(mut message: &[u8], path: &[u64]) -> u64 {
    let Some((wanted, rest)) = path.split_first() else { return 1 };
    let mut found = 0;
    while let Some((number, value)) = field(&mut message) {
        if number == *wanted {
            found += value.map_or(0, |inner| count(inner, rest));
        }
    }
    found
}

/// Takes one protobuf field off `message`: its number, and its bytes if it is delimited.
/// `None` at the end, and where the message is malformed.
fn field<'a>(message: &mut &'a [u8]) -> Option<(u64, Option<&'a [u8]>)> {
    let tag = varint(message)?;
    let fixed = match tag & 7 {
        0 => return varint(message).map(|_| (tag >> 3, None)),
        1 => 8,
        5 => 4,
        2 => {
            let length = usize::try_from(varint(message)?).ok()?;
            return Some((tag >> 3, Some(message.split_off(..length)?)));
        }
        _ => return None,
    };
    message.split_off(..fixed).map(|_| (tag >> 3, None))
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *message.split_off_first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_counted_wherever_they_stand() {
        let scope = [&[0x12, 1, 0][..], &[0x12, 0], &[0x1a, 2, b'x', b'y']].concat();
        let resource = [&[0x0a, 0][..], &[0x12, 9][..], &scope[..]].concat();
        let twice = [&[0x0a, 13][..], &resource[..], &[0x0a, 13], &resource[..]].concat();
        assert_eq!(count(&twice, &PATH), 4);
        assert_eq!(count(&twice[..10], &PATH), 0);
        assert_eq!(count(&[], &PATH), 0);
    }
}

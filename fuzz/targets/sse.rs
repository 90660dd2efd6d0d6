//! Any bytes as an event stream, in any pieces: the same events as a plain reading of the standard
//! gives, and what we write is read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_protocol::sse::{KEEP_ALIVE, SseEvent, SseReader, encode_event, encode_priming};

/// Bound on one event here: small, so that inputs reach it.
const LIMIT: usize = 256;

fuzz_target!(|input: &[u8]| {
    // The first bytes say where to cut.
    let (cuts, stream) = input.split_at(input.len().min(4));
    let whole = read(stream, &[usize::MAX]);
    let bytewise = read(stream, &[1]);
    let cuts: Vec<usize> = cuts.iter().map(|cut| usize::from(*cut).max(1)).collect();
    assert_eq!(whole, bytewise);
    assert_eq!(whole, read(stream, if cuts.is_empty() { &[3] } else { &cuts }));
    let expected = plain_reading(&String::from_utf8_lossy(stream));
    let (events, is_too_large) = whole;
    if is_too_large {
        assert!(expected.starts_with(&events), "{events:?} {expected:?}");
        assert!(stream.len() > LIMIT);
    } else {
        assert_eq!(events, expected);
    }
    for event in &events {
        // A byte that is no UTF-8 becomes a character of three.
        let name = event.event.as_ref().map_or(0, String::len);
        assert!(event.data.len() + name <= 3 * LIMIT);
    }
    round_trip(stream);
});

/// All events, and whether one was too large.
fn read(mut stream: &[u8], cuts: &[usize]) -> (Vec<SseEvent>, bool) {
    let (mut reader, mut events) = (SseReader::new(LIMIT), Vec::new());
    for cut in cuts.iter().cycle() {
        if stream.is_empty() {
            break;
        }
        let (piece, rest) = stream.split_at((*cut).min(stream.len()));
        if reader.push(piece, &mut events).is_err() {
            return (events, true);
        }
        stream = rest;
    }
    (events, false)
}

/// WHATWG HTML, section 9.2.6, save that an event needs no data: one with an id alone opens a
/// stream.
fn plain_reading(stream: &str) -> Vec<SseEvent> {
    let stream = stream.strip_prefix('\u{feff}').unwrap_or(stream);
    let stream = stream.replace("\r\n", "\n").replace('\r', "\n");
    // What follows the last line break is no line yet.
    let Some((lines, _rest)) = stream.rsplit_once('\n') else { return Vec::new() };
    let (mut events, mut last_id) = (Vec::new(), None);
    let (mut event, mut data, mut is_event) = (SseEvent::default(), Vec::new(), false);
    for line in lines.split('\n') {
        if line.is_empty() {
            event.data = std::mem::take(&mut data).join("\n");
            event.id.clone_from(&last_id);
            let event = std::mem::take(&mut event);
            if std::mem::take(&mut is_event) {
                events.push(event);
            }
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        match field {
            "data" => data.push(value.to_owned()),
            "event" => event.event = Some(value.to_owned()),
            "id" if !value.contains('\0') => last_id = Some(value.to_owned()),
            "retry" if digits && value.parse::<u64>().is_ok() => {
                event.retry_ms = value.parse().ok()
            }
            _ => continue,
        }
        is_event = true;
    }
    events
}

/// What we write is read, whatever the data, as long as it holds no line break.
fn round_trip(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).replace(['\n', '\r'], " ");
    let id: String = text.chars().filter(|letter| *letter != '\0').take(8).collect();
    let written = format!(
        "{}{KEEP_ALIVE}{}{}",
        encode_priming(&id, 500),
        encode_event(Some(&id), &text),
        encode_event(None, &text)
    );
    let event = SseEvent { id: Some(id), event: None, data: String::new(), retry_ms: Some(500) };
    let message =
        SseEvent { event: Some("message".to_owned()), data: text, retry_ms: None, ..event.clone() };
    let mut events = Vec::new();
    SseReader::new(written.len()).push(written.as_bytes(), &mut events).expect("room for all");
    assert_eq!(events, [event, message.clone(), message]);
}

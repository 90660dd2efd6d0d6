//! Whole conversations, cut at every place.

use super::*;

const CALL: &str = "POST /mcp HTTP/1.1\r\nHost: x\r\nMcp-Session-Id: s1\r\nContent-Length: 36\r\n\r\n\
                    {\"id\":1,\"method\":\"tools/call\"}      ";
const JSON: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
const STREAM: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                      Transfer-Encoding: chunked\r\n\r\n";

fn frame(framer: &mut Framer, exchange: &mut Exchange, text: &str, cut: usize) -> Vec<Unit> {
    text.as_bytes().chunks(cut).flat_map(|piece| framer.push(piece, exchange)).collect()
}

fn names(units: &[Unit]) -> Vec<&'static str> {
    let name = |unit: &Unit| match unit.view {
        View::Opaque => "opaque",
        View::Request(_) => "request",
        View::Response(_) => "response",
        View::Event(..) => "event",
        View::Message(..) => "message",
        View::Upkeep => "upkeep",
    };
    units.iter().map(name).collect()
}

fn sent(units: &[Unit]) -> String {
    String::from_utf8(units.iter().flat_map(|unit| unit.bytes.to_vec()).collect()).expect("text")
}

fn ways() -> (Framer, Framer, Exchange) {
    let up = Framer::Up(Requests::default());
    (up, Framer::Down(Responses::default()), Exchange::default())
}

#[test]
fn requests_and_responses_are_whole_however_they_are_cut() {
    for cut in 1..300 {
        let (mut up, mut down, mut exchange) = ways();
        let asked = frame(&mut up, &mut exchange, &CALL.repeat(2), cut);
        assert_eq!(names(&asked), ["request"; 2]);
        assert_eq!(sent(&asked), CALL.repeat(2));
        let View::Request(first) = &asked[0].view else { panic!("a request") };
        assert_eq!(first.session.as_deref(), Some("s1"));
        assert_eq!(said(&first.body)[0].method.as_deref(), Some("tools/call"));
        let answered = frame(&mut down, &mut exchange, &JSON.repeat(2), cut);
        assert_eq!((names(&answered), sent(&answered)), (vec!["response"; 2], JSON.repeat(2)));
        let View::Response(answer) = &answered[1].view else { panic!("a response") };
        assert_eq!(said(&answer.asked.body)[0].method.as_deref(), Some("tools/call"));
        assert!(exchange.asked.is_empty());
    }
}

#[test]
fn what_a_body_answers_that_is_too_large_to_keep_is_known() {
    let (mut up, mut down, mut exchange) = ways();
    let body = "x".repeat(MOST_KEPT);
    let large = format!("HTTP/1.1 200 OK\r\nContent-Length: {MOST_KEPT}\r\n\r\n{body}");
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let large_chunked = format!("{chunked}{:x}\r\n{body}", MOST_KEPT + 1);
    for large in [large, large_chunked] {
        frame(&mut up, &mut exchange, CALL, 300);
        let units = frame(&mut down, &mut exchange, &large, 1 << 16);
        assert_eq!(
            (names(&units)[..2].to_vec(), sent(&units)),
            (vec!["response", "opaque"], large)
        );
        let View::Response(answer) = &units[0].view else { panic!("a response") };
        assert_eq!(answer.asked.method, "POST");
    }
}

#[test]
fn each_event_of_a_stream_is_a_chunk_however_it_was_cut() {
    let body = ": hi\n\nid: 1\ndata: {\"a\":1}\n\ndata: {\"b\":2}\n\n";
    let chunks: String = body
        .as_bytes()
        .chunks(7)
        .map(|c| format!("{:x}\r\n{}\r\n", c.len(), String::from_utf8_lossy(c)))
        .collect();
    let whole = format!("{STREAM}{chunks}0\r\n\r\n{JSON}");
    for cut in 1..whole.len() {
        let (mut up, mut down, mut exchange) = ways();
        let _asked = frame(&mut up, &mut exchange, &CALL.repeat(2), 1_000);
        let units = frame(&mut down, &mut exchange, &whole, cut);
        assert_eq!(names(&units), ["response", "upkeep", "event", "event", "upkeep", "response"]);
        assert_eq!(
            sent(&units),
            format!(
                "{STREAM}6\r\n: hi\n\n\r\n15\r\nid: 1\ndata: {{\"a\":1}}\n\n\r\nf\r\ndata: {{\"b\":2}}\n\n\r\n0\r\n\r\n{JSON}"
            )
        );
    }
}

#[test]
fn half_an_event_is_sent_when_the_stream_breaks() {
    let (mut up, mut down, mut exchange) = ways();
    let _asked = frame(&mut up, &mut exchange, CALL, 1_000);
    let _units = frame(&mut down, &mut exchange, &format!("{STREAM}5\r\ndata:\r\n"), 1_000);
    assert_eq!(down.rest().map(|unit| unit.bytes), Some("5\r\ndata:\r\n".into()));
}

#[test]
fn nothing_is_lost_where_a_stream_is_no_longer_chunked_properly() {
    let broken = format!("{STREAM}6\r\ndata: \r\n2\r\n1\nxyz\r\n");
    for cut in 1..broken.len() {
        let (mut up, mut down, mut exchange) = ways();
        let _asked = frame(&mut up, &mut exchange, CALL, 1_000);
        let units = frame(&mut down, &mut exchange, &broken, cut);
        assert_eq!(sent(&units), format!("{STREAM}8\r\ndata: 1\n\r\nxyz\r\n"), "cut at {cut}");
    }
}

#[test]
fn after_an_upgrade_messages_pass_and_their_methods_are_known() {
    let (mut up, mut down, mut exchange) = ways();
    let asks = "GET /mcp HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n";
    assert_eq!(names(&frame(&mut up, &mut exchange, asks, 5)), ["request"]);
    let agrees = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";
    assert_eq!(names(&frame(&mut down, &mut exchange, agrees, 5)), ["upkeep"]);
    let call = frames::message(br#"{"id":7,"method":"ping"}"#, Masked(true));
    assert_eq!(names(&up.push(&call, &mut exchange)), ["message"]);
    assert_eq!(exchange.methods.get("7").map(String::as_str), Some("ping"));
    let reply = frames::message(br#"{"id":7,"result":{}}"#, Masked(false));
    assert_eq!(names(&down.push(&reply, &mut exchange)), ["message"]);
}

#[test]
fn what_is_not_understood_passes_as_it_is() {
    let (mut up, mut down, mut exchange) = ways();
    assert_eq!(names(&frame(&mut up, &mut exchange, "\u{16}\u{3}hello", 3)), ["opaque"; 3]);
    assert_eq!(names(&frame(&mut down, &mut exchange, "SSH-2.0", 100)), ["opaque"]);
    let (mut up, _, mut exchange) = ways();
    let large = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n", 2 << 20);
    let units =
        frame(&mut up, &mut exchange, &(large.clone() + &"x".repeat(2 << 20) + CALL), 1 << 16);
    assert_eq!(units.last().map(|unit| matches!(unit.view, View::Request(_))), Some(true));
    assert_eq!(sent(&units).len(), large.len() + (2 << 20) + CALL.len());
}

#[test]
fn requests_that_wait_for_an_answer_are_remembered_within_a_number_and_a_size() {
    for (size, most) in [(0, MOST_ASKED), (MOST_KEPT / 2, 2 * MOST_LARGE)] {
        let mut exchange = Exchange::default();
        for count in 1..=most + 1 {
            assert!(!exchange.opaque, "{count} of {size} bytes");
            exchange.asks(Arc::new(Asked { body: vec![0; size].into(), ..Asked::default() }));
        }
        assert!(exchange.opaque, "one more than {most} of {size} bytes");
        assert_eq!(exchange.asked.len(), most);
    }
}

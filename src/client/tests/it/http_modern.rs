//! Streamable HTTP in the modern era.

use crate::support::{
    DISCOVERED, Memory, Peer, Seen, begin_stream, call, identity, open, open_with, options,
    respond, respond_json, until, write,
};
use mcp_client::{ClientError, Connection, Options, OutCall, Ran, Sink, Target};
use mcp_protocol::{Era, headers::encode_value};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};

async fn discovered(seen: Seen, mut socket: TcpStream) -> Option<(Seen, TcpStream)> {
    if seen.is("server/discover") {
        respond_json(&mut socket, "200 OK", &seen.result(DISCOVERED)).await;
        return None;
    }
    Some((seen, socket))
}

#[tokio::test]
async fn headers_say_what_the_body_says() {
    let peer = Peer::start(|seen, socket| async move {
        let Some((seen, mut socket)) = discovered(seen, socket).await else { return };
        respond_json(&mut socket, "200 OK", &seen.result(r#"{"resultType":"complete"}"#)).await;
    })
    .await;
    let (connection, _) = open(&peer.target_with(&[("Authorization", "Bearer t")])).await;
    assert_eq!(connection.era(), Era::Modern);
    assert_eq!(connection.server().instructions.as_deref(), Some("hi"));
    let headers = vec![("Mcp-Param-City".to_owned(), "Zürich".to_owned())];
    let tool = OutCall { headers, ..call("tools/call", r#"{"name":"wetter"}"#) };
    connection.call(tool).await.expect("an answer").expect("a result");
    let sent = peer.requests(|seen| seen.is("tools/call")).remove(0);
    for (name, value) in [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "wetter"),
        ("mcp-param-city", encode_value("Zürich").as_ref()),
        ("authorization", "Bearer t"),
        ("accept", "application/json, text/event-stream"),
        ("content-type", "application/json"),
        ("mcp-session-id", ""),
    ] {
        assert_eq!(sent.header(name), value, "{name}");
    }
    connection.close().await;
    assert!(peer.requests(|seen| seen.method != "POST").is_empty(), "neither GET nor DELETE");
}

#[tokio::test]
async fn a_server_that_refuses_our_revision_and_offers_it_is_asked_again() {
    let refused = Arc::new(AtomicBool::new(false));
    let peer = Peer::start(move |seen, mut socket| {
        let first = !refused.swap(true, Ordering::SeqCst);
        async move {
            if !first {
                respond_json(&mut socket, "200 OK", &seen.result(DISCOVERED)).await;
                return;
            }
            let data = r#"{"supported":["2026-07-28"],"requested":"2026-07-28"}"#;
            let error = format!(r#"{{"code":-32022,"message":"no","data":{data}}}"#);
            let body = format!(r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#, seen.id());
            respond_json(&mut socket, "400 Bad Request", &body).await;
        }
    })
    .await;
    let (connection, _) = open(&peer.target()).await;
    assert_eq!(connection.era(), Era::Modern);
    assert_eq!(peer.requests(|seen| seen.is("server/discover")).len(), 2);
    assert!(peer.requests(|seen| seen.is("initialize")).is_empty());
}

#[tokio::test]
async fn an_error_in_the_body_is_the_answer_whatever_the_status() {
    let peer = Peer::start(|seen, socket| async move {
        let Some((seen, mut socket)) = discovered(seen, socket).await else { return };
        match seen.header("mcp-name") {
            "unknown" => {
                respond_json(&mut socket, "404 Not Found", &seen.error(-32601, "no")).await
            }
            "header" => {
                respond_json(&mut socket, "400 Bad Request", &seen.error(-32020, "differs")).await
            }
            "limit" => {
                respond(&mut socket, "429 Too Many Requests", "retry-after: 7\r\n", "slow down")
                    .await
            }
            _ => respond(&mut socket, "503 Service Unavailable", "", "gone").await,
        }
    })
    .await;
    let (connection, _) = open(&peer.target()).await;
    let get = |name: &str| connection.call(call("tools/call", &format!(r#"{{"name":"{name}"}}"#)));
    assert_eq!(get("unknown").await.expect("an answer").expect_err("an error").code, -32601);
    assert_eq!(get("header").await.expect("an answer").expect_err("an error").code, -32020);
    let limited = get("limit").await.expect_err("no answer");
    assert_eq!((limited.ran(), limited.retry_after()), (Ran::No, Some(Duration::from_secs(7))));
    let gone = get("gone").await.expect_err("no answer");
    assert_eq!(
        (gone.ran(), gone),
        (Ran::Unknown, ClientError::Http { status: 503, retry_after: None })
    );
}

#[tokio::test]
async fn a_stream_brings_progress_to_its_call_and_dropping_the_call_closes_it() {
    let closed = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&closed);
    let peer = Peer::start(move |seen, socket| {
        let flag = Arc::clone(&flag);
        async move {
            let Some((seen, mut socket)) = discovered(seen, socket).await else { return };
            begin_stream(&mut socket).await;
            let id = seen.id();
            write(&mut socket, &format!("data: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{{\"progressToken\":{id},\"progress\":1}}}}\n\n")).await;
            write(&mut socket, "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{}}\n\n").await;
            if seen.header("mcp-name") == "quick" {
                write(&mut socket, &format!("data: {}\n\n", seen.result("{}"))).await;
                return;
            }
            let mut rest = Vec::new();
            flag.store(socket.read_to_end(&mut rest).await.is_ok(), Ordering::SeqCst);
        }
    })
    .await;
    let (connection, memory) = open(&peer.target()).await;
    let own = Arc::new(Memory::default());
    let tool = |name: &str| OutCall {
        progress: true,
        sink: Some(Arc::clone(&own) as Arc<dyn Sink>),
        ..call("tools/call", &format!(r#"{{"name":"{name}"}}"#))
    };
    connection.call(tool("quick")).await.expect("an answer").expect("a result");
    assert_eq!(own.names(), ["notifications/progress", "notifications/message"]);
    assert!(timeout(Duration::from_millis(300), connection.call(tool("slow"))).await.is_err());
    until("the stream is closed", || closed.load(Ordering::SeqCst)).await;
    assert!(peer.requests(|seen| seen.is("notifications/cancelled")).is_empty());
    assert!(memory.names().is_empty());
}

#[tokio::test]
async fn a_stream_that_breaks_is_not_resumed() {
    let peer = Peer::start(|seen, socket| async move {
        let Some((_, mut socket)) = discovered(seen, socket).await else { return };
        begin_stream(&mut socket).await;
        write(&mut socket, "id: 1\ndata: \n\n").await;
    })
    .await;
    let (connection, _) = open(&peer.target()).await;
    let error =
        connection.call(call("tools/call", r#"{"name":"x"}"#)).await.expect_err("no answer");
    assert_eq!(error.ran(), Ran::Unknown);
    assert!(peer.requests(|seen| seen.method == "GET").is_empty());
}

#[tokio::test]
async fn answers_are_bounded() {
    let peer = Peer::start(|seen, socket| async move {
        let Some((seen, mut socket)) = discovered(seen, socket).await else { return };
        let answer = seen.result(&format!(r#""{}""#, "x".repeat(20_000)));
        if seen.header("mcp-name") == "stream" {
            begin_stream(&mut socket).await;
            write(&mut socket, &format!("data: {answer}\n\n")).await;
        } else {
            respond_json(&mut socket, "200 OK", &answer).await;
        }
    })
    .await;
    let (connection, _) =
        open_with(&peer.target(), &Options { max_message: 10_000, ..options() }).await;
    for name in ["stream", "body"] {
        let error = connection
            .call(call("tools/call", &format!(r#"{{"name":"{name}"}}"#)))
            .await
            .expect_err("too large");
        assert_eq!(error, ClientError::TooLarge { limit: 10_000 }, "{name}");
    }
}

#[tokio::test]
async fn a_redirect_to_someone_else_is_not_followed() {
    let other =
        Peer::start(|_, mut socket| async move { respond(&mut socket, "200 OK", "", "").await })
            .await;
    let port = other.port;
    let peer = Peer::start(move |_, mut socket| async move {
        let location = format!("location: http://127.0.0.1:{port}/mcp\r\n");
        respond(&mut socket, "307 Temporary Redirect", &location, "").await;
    })
    .await;
    let target = peer.target_with(&[("authorization", "Bearer hunter2")]);
    let opened =
        Connection::open(&target, None, &identity(), Arc::new(Memory::default()), &options()).await;
    assert_eq!(opened.err(), Some(ClientError::Http { status: 307, retry_after: None }));
    assert!(other.requests(|_| true).is_empty());
}

#[tokio::test]
async fn nobody_there_and_nobody_let_in_are_told_apart() {
    let target =
        Target::http("http://127.0.0.1:1/mcp?key=hunter2", std::collections::BTreeMap::default())
            .expect("a URL");
    let opened =
        Connection::open(&target, None, &identity(), Arc::new(Memory::default()), &options()).await;
    let error = opened.err().expect("nobody there");
    assert!(matches!(error, ClientError::Connect(_)) && error.ran() == Ran::No, "{error}");
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    let peer = Peer::start(|_, mut socket| async move {
        respond(&mut socket, "401 Unauthorized", "", "").await
    })
    .await;
    let opened = Connection::open(
        &peer.target(),
        None,
        &identity(),
        Arc::new(Memory::default()),
        &options(),
    )
    .await;
    assert_eq!(opened.err(), Some(ClientError::Auth { status: 401 }));
    assert_eq!(peer.requests(|_| true).len(), 1, "not tried twice");
}

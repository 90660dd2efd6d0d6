//! Clients that do not come in in time.

use super::{Client, connect, ended};
use crate::support::{Setup, until, within};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};

fn is_told(message: &Value) {
    assert_eq!((&message["id"], &message["error"]["code"]), (&Value::Null, &json!(1408)));
    assert!(message["error"]["message"].as_str().is_some_and(|text| text.len() > 20), "{message}");
}

#[tokio::test]
async fn a_socket_that_says_nothing_is_closed_and_counted_as_refused() {
    let server = Setup::new().set("limits.handshake_timeout", 0.5).start().await;
    let mut silent = connect(&server, server.token()).await;
    let told = within(10, "the error", silent.next()).await.unwrap().unwrap();
    is_told(&serde_json::from_str(told.to_text().unwrap()).unwrap());
    let close = within(10, "the close frame", silent.next()).await.unwrap().unwrap();
    let Message::Close(Some(frame)) = close else { panic!("{close:?}") };
    assert_eq!(frame.code, CloseCode::Policy);
    let refused = [("transport", "websocket"), ("status", "protocol_error")];
    assert_eq!(server.scrape().await.sum("mcp_connections_total", &refused), 1.0);
    drop(silent);
    server.finish().await;
}

#[tokio::test]
async fn a_handshake_that_is_not_completed_is_closed_and_counted_as_ended() {
    let server = Setup::new().set("limits.handshake_timeout", 0.5).start().await;
    for (wish, times) in [(Value::Null, 1.0), (json!({}), 2.0)] {
        let mut client = Client::hello(&server, wish, server.token()).await;
        is_told(&client.next().await);
        assert_eq!(client.close_code().await, Some(CloseCode::Policy));
        until("it ended", || async { ended(&server.scrape().await, "handshake_timeout") == times })
            .await;
    }
    // A session that was in order is in order when its client is back.
    let mut client = Client::open(&server).await;
    client.nothing_more(&server).await;
    let way = client.cut(&server).await;
    let mut client = Client::back(&server, &way).await;
    tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
    client.nothing_more(&server).await;
    client.stream.close(None).await.unwrap();
    server.finish().await;
}

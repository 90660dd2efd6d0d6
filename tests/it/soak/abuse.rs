//! The abuses of `abuse`, whole.

use crate::abuse::{WHOLE, flood, large, slow};

#[tokio::test]
async fn slow_heads_and_bodies() {
    slow::loris(&WHOLE).await;
}

#[tokio::test]
async fn requests_whose_answers_nobody_reads() {
    slow::pipelining(&WHOLE).await;
}

#[tokio::test]
async fn websockets_that_are_never_read() {
    slow::sockets(&WHOLE).await;
}

#[tokio::test]
async fn event_streams_that_are_never_read() {
    slow::streams(&WHOLE).await;
}

#[tokio::test]
async fn bodies_of_a_gib() {
    large::bodies(&WHOLE).await;
}

#[tokio::test]
async fn json_a_million_deep() {
    large::depth(&WHOLE).await;
}

#[tokio::test]
async fn what_is_compressed() {
    large::bombs(&WHOLE).await;
}

#[tokio::test]
async fn messages_too_large_or_without_end() {
    large::frames(&WHOLE).await;
}

#[tokio::test]
async fn a_hundred_thousand_sockets_opened_and_dropped() {
    flood::connections(&WHOLE).await;
}

#[tokio::test]
async fn websockets_that_go_after_their_handshake() {
    flood::handshakes(&WHOLE).await;
}

#[tokio::test]
async fn floods_of_headers_and_requests() {
    flood::headers(&WHOLE).await;
}

#[tokio::test]
async fn guesses_of_sessions_and_tokens() {
    flood::guesses(&WHOLE).await;
}

#[tokio::test]
async fn more_clients_than_places() {
    flood::places(&WHOLE).await;
}

//! Diagnosis: the first thing that is wrong is found and named.

use super::server::{Place, config, start};
use crate::{port::Port, support::until};
use mcp_client::{Check, Client, ClientConfig, ErrorKind, Target};
use std::{collections::BTreeMap, time::Duration};
use tokio::{io::AsyncWriteExt, net::TcpListener, task::JoinSet};

fn at(url: &str) -> Client {
    let target = Target::http(url, BTreeMap::new()).expect("a URL");
    start(ClientConfig { target, ..config(&Place::new()) }).0
}

/// The last step, and what kind of error it ended with.
async fn found(client: &Client) -> (Check, Option<ErrorKind>) {
    let diagnosis = client.diagnose().await;
    let last = diagnosis.steps.last().expect("a step");
    assert_eq!(diagnosis.is_well(), last.outcome.is_ok());
    (last.what, last.outcome.as_ref().err().map(mcp_client::ClientError::kind))
}

#[tokio::test]
async fn all_is_well_and_each_step_is_told() {
    let mut place = Place::new();
    place.up().await;
    let (client, _) = start(config(&place));
    let diagnosis = client.diagnose().await;
    let checks: Vec<_> = diagnosis.steps.iter().map(|step| step.what).collect();
    assert_eq!(checks, [Check::Resolve, Check::Connect, Check::Handshake, Check::Tools]);
    assert!(diagnosis.is_well(), "{diagnosis:?}");
    assert_eq!(diagnosis.steps[3].outcome, Ok("2 tools".to_owned()));
    assert!(diagnosis.steps.iter().all(|step| step.took < Duration::from_secs(20)));
    until("its session is ended", || place.deletions() == 1).await;
}

#[tokio::test]
async fn a_name_that_is_none_and_a_port_where_nobody_listens() {
    let nowhere = at("http://nothing.invalid/mcp");
    assert_eq!(found(&nowhere).await, (Check::Resolve, Some(ErrorKind::Network)));
    let port = Port::reserve();
    let closed = at(&format!("http://{}/mcp", port.address()));
    assert_eq!(found(&closed).await, (Check::Connect, Some(ErrorKind::Network)));
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_and_one_that_refuses_us() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _gone = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.is_ok();
        }
    });
    let plain = at(&format!("https://127.0.0.1:{port}/mcp"));
    assert_eq!(found(&plain).await, (Check::Tls, Some(ErrorKind::Tls)));
    until("the client itself says so too", || {
        plain.trouble().is_some_and(|why| why.kind() == ErrorKind::Tls)
    })
    .await;
    let mut place = Place::new();
    place.set(|server| server.gate = Some("401 Unauthorized"));
    place.up().await;
    let (refused, _) = start(config(&place));
    assert_eq!(found(&refused).await, (Check::Handshake, Some(ErrorKind::Authentication)));
}

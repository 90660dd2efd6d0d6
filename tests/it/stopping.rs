//! After a stop: nobody is let in, and nothing stays open.

use crate::support::{Raw, Setup, until};
use futures_util::future::join_all;
use std::{io::ErrorKind, time::Duration};
use tokio::{net::TcpStream, time::Instant};

/// Sockets open at the stop, in all.
const SOCKETS: usize = 1_000;

#[tokio::test]
async fn a_stop_refuses_whoever_comes_and_closes_every_socket() {
    let mut server = Setup::new().start().await;
    let address = server.base().trim_start_matches("http://").to_owned();
    // Some have sent nothing, some were answered, some hold a session with an open stream.
    let mut clients = Vec::new();
    for number in 0..SOCKETS {
        let mut client = Raw::connect(&server).await;
        match number % 5 {
            // Also lets the server keep up: one too many in its queue would not really be there.
            0 => assert_eq!(client.send("GET", "/health", "", "").await.status, 200),
            1 => {
                let session = client.handshake().await;
                let more = format!("Mcp-Session-Id: {session}\r\n");
                client.start("GET", "/mcp", &more, "").await;
            }
            _ => {}
        }
        clients.push(client);
    }
    until("every socket is accepted", || async {
        server.scrape().await.sum("mcp_sockets_open", &[]) > SOCKETS as f64
    })
    .await;

    let begun = Instant::now();
    server.signal("TERM");
    let refused_after = loop {
        match TcpStream::connect(&address).await {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => break begun.elapsed(),
            // It came before the signal did, or was cut on the way.
            Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
        assert!(begun.elapsed() < Duration::from_secs(3), "still let in");
    };
    join_all(clients.iter_mut().map(|client| client.closed(10))).await;
    let closed_after = begun.elapsed();
    assert_eq!(server.exit_code().await, Some(0), "{}", server.log());
    println!(
        "refused after {refused_after:?}, all closed after {closed_after:?}, ended after {:?}",
        begun.elapsed()
    );
    assert!(TcpStream::connect(&address).await.is_err(), "the port is closed");
}

//! A server that is a child process: it dies, or stands still, and another is started.

use super::server::{config, event, returned, stands, start};
use crate::support::{Folder, call, script, until};
use mcp_client::{
    Client, ClientConfig, ClientError, ClientEvent, Pulse, Ran, Return, State, Terms, Unfinished,
};
use std::time::Duration;

/// Answers until it is told to end or to stand still; writes a line for each start.
fn mortal(folder: &Folder) -> ClientConfig {
    let body = format!(
        r#"echo start >> {log}; shake; while read -r line; do case "$line" in
            *die*) exit 3;; *freeze*) sleep 600;; *'"id"'*) ok '{{}}';; esac; done"#,
        log = folder.path("log")
    );
    ClientConfig { target: script(&body), ..config(&super::server::Place::new()) }
}

async fn ask(client: &Client, word: &str, terms: Terms) -> Result<(), ClientError> {
    let answer = client.call(call("tools/call", &format!(r#"{{"name":"{word}"}}"#)), terms).await;
    answer.map(|payload| assert!(payload.is_ok()))
}

#[tokio::test]
async fn a_child_that_dies_is_started_again_and_the_next_call_is_answered() {
    let folder = Folder::new("lasting-dies");
    let (client, _) = start(mortal(&folder));
    let mut events = client.events();
    ask(&client, "a", Terms::default()).await.expect("an answer");
    for death in 1..4 {
        let lost = ask(&client, "die", Terms::default()).await.expect_err("it died");
        assert_eq!(lost.ran(), Ran::Unknown, "{lost:?}");
        ask(&client, "a", Terms::default()).await.expect("an answer");
        assert_eq!(returned(&mut events).await.0, Return::Reinitialized);
        assert_eq!(folder.read("log").lines().count(), death + 1);
    }
    client.close().await;
}

#[tokio::test]
async fn a_child_that_stands_still_is_replaced_and_what_waited_is_told() {
    let folder = Folder::new("lasting-freezes");
    let pulse =
        Pulse { every: Duration::from_millis(100), within: Duration::from_secs(1), misses: 2 };
    let (client, _) = start(ClientConfig { health: Some(pulse), ..mortal(&folder) });
    let mut events = client.events();
    stands(&client, State::Connected).await;
    let frozen = ask(&client, "freeze", Terms::default()).await.expect_err("it stands still");
    assert!(matches!(frozen, ClientError::Unfinished(Unfinished::Unknown(_))), "{frozen:?}");
    until("another is there", || folder.read("log").lines().count() == 2).await;
    ask(&client, "a", Terms::default()).await.expect("an answer");
    let failed = event(&mut events, |event| {
        if let ClientEvent::State { to: State::Reconnecting, why, .. } = event { why } else { None }
    })
    .await;
    assert!(failed.to_string().contains("unanswered"), "{failed}");
    client.close().await;
}

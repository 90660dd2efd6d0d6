//! A disk that is full, and a store that is damaged: what was safe stays so, and everybody is served.

use crate::support::{Legacy, Server, Setup, http, text, until};
use serde_json::{Value, json};
use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::Path,
    process::Command,
};

const FILLER: &str = "filler";

/// A small disk, unmounted when dropped.
pub struct Disk(tempfile::TempDir);

impl Disk {
    /// `None`, with the reason told, where none may be mounted.
    pub fn small(test: &str) -> Option<Self> {
        let dir = tempfile::tempdir().expect("a folder");
        let arguments = ["-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs"];
        match Command::new("mount").args(arguments).arg(dir.path()).output() {
            Ok(output) if output.status.success() => Some(Self(dir)),
            Ok(output) => skipped(test, String::from_utf8_lossy(&output.stderr).trim()),
            Err(error) => skipped(test, &format!("mount: {error}")),
        }
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn fill(&self) {
        let full = fs::write(self.path().join(FILLER), vec![0_u8; 8 << 20]);
        full.expect_err("it is smaller than that");
    }

    pub fn make_room(&self) {
        fs::remove_file(self.path().join(FILLER)).expect("it is there");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let done = Command::new("umount").arg("--lazy").arg(self.path()).status();
        assert!(done.is_ok_and(|status| status.success()), "still mounted");
    }
}

/// Tells whoever runs the tests, and `./test`, which counts it.
fn skipped(test: &str, why: &str) -> Option<Disk> {
    eprintln!("skipped: {test}: {why}");
    if let Some(file) = std::env::var_os("MCP_TEST_SKIPS") {
        let mut file = OpenOptions::new().append(true).create(true).open(file).expect("ours");
        let line = format!("{test}: {}\n", why.lines().next().unwrap_or_default());
        file.write_all(line.as_bytes()).expect("room");
    }
    None
}

async fn shown(server: &Server, session: &str) -> Value {
    server.json(&format!("/api/sessions/{session}")).await
}

/// A session that the store does not have; those it has on the way are kept, too.
async fn one_not_persisted<'a>(server: &'a Server, kept: &mut Vec<String>) -> Legacy<'a> {
    for _ in 0..200 {
        let client = Legacy::open(server).await;
        if shown(server, &client.session).await["persisted"] == false {
            return client;
        }
        // What was reserved already is used up first.
        kept.push(client.session);
    }
    panic!("the disk takes all of them");
}

async fn echoes(client: &Legacy<'_>) {
    assert_eq!(text(&client.call("echo", json!({"message": "on"})).await), "on");
}

async fn store_is(server: &Server, state: &str) {
    until(&format!("the store is {state}"), || async {
        server.json("/readyz").await["components"]["store"] == state
    })
    .await;
}

/// The status of a ping in that session.
async fn ping(server: &Server, session: &str) -> u16 {
    server.sent("ping");
    let request = server.post(&http()).header("mcp-session-id", session);
    let ping = json!({"jsonrpc": "2.0", "id": "there?", "method": "ping"});
    request.json(&ping).send().await.expect("an answer").status().as_u16()
}

#[tokio::test]
async fn a_full_disk_costs_no_stored_session_and_no_call() {
    let Some(disk) = Disk::small("a full disk under the server") else { return };
    let mut server = Setup::new().data_dir(disk.path()).start().await;
    let mut kept = Vec::new();
    for _ in 0..10 {
        kept.push(Legacy::open(&server).await.session);
    }
    disk.fill();
    let lost = one_not_persisted(&server, &mut kept).await;
    echoes(&lost).await;
    let lost = lost.session;
    let ready = server.json("/readyz").await;
    let told = (&ready["status"], &ready["components"]["store"]);
    assert_eq!(told, (&json!("degraded"), &json!("degraded")), "{ready}");
    let status = server.json("/api/status").await;
    assert_eq!(status["sessions"]["notPersisted"], 1, "{status}");
    let error = status["store"]["error"].as_str().unwrap_or_default();
    assert!(error.contains("the disk is full; make room"), "{status}");
    for session in &kept {
        echoes(&Legacy::knowing(&server, session)).await;
    }
    server.signal("KILL");
    server.exit_code().await;
    disk.make_room();
    server.start_anew().await;
    for session in &kept {
        echoes(&Legacy::knowing(&server, session)).await;
    }
    assert_eq!(ping(&server, &lost).await, 404, "what was not safe is not pretended to be");
    assert_eq!(server.json("/readyz").await["components"]["store"], "ok");
    for session in &kept {
        Legacy::knowing(&server, session).close().await;
    }
    server.finish().await;
}

#[tokio::test]
async fn when_there_is_room_again_the_store_gets_what_it_lacks() {
    let Some(disk) = Disk::small("a disk that was full under the server") else { return };
    let mut server = Setup::new().data_dir(disk.path()).start().await;
    let mut kept = vec![Legacy::open(&server).await.session];
    disk.fill();
    let client = one_not_persisted(&server, &mut kept).await;
    let level = client.ask("logging/setLevel", json!({"level": "error"})).await;
    assert!(level["result"].is_object(), "{level}");
    kept.push(client.session);
    store_is(&server, "degraded").await;
    disk.make_room();
    store_is(&server, "ok").await;
    until("all are in the store", || async {
        server.json("/api/status").await["sessions"]["notPersisted"] == 0
    })
    .await;
    server.start_again("KILL").await;
    for session in &kept {
        let seen = shown(&server, session).await;
        assert_eq!((&seen["status"], &seen["persisted"]), (&json!("active"), &json!(true)));
        assert_eq!(seen["initialized"], true, "{seen}");
        let client = Legacy::knowing(&server, session);
        echoes(&client).await;
        client.close().await;
    }
    server.finish().await;
}

#[tokio::test]
async fn a_damaged_store_is_served_without_told_and_left_byte_for_byte() {
    let mut server = Setup::new().start().await;
    let file = server.dir().join("data/store.db");
    for _ in 0..30 {
        Legacy::open(&server).await;
    }
    server.signal("TERM");
    assert_eq!(server.exit_code().await, Some(0));
    let mut bytes = fs::read(&file).expect("the store");
    let pages = bytes.len() / 4096;
    assert!(pages > 4, "{pages} pages");
    bytes[4096..(pages - 1) * 4096].fill(0x5a);
    fs::write(&file, &bytes).expect("harm");

    server.start_anew().await;
    assert_eq!(server.json("/readyz").await["components"]["store"], "degraded");
    until("the log says what to do", || async {
        server.log().lines().any(|line| line.contains("store.db") && line.contains("move it away"))
    })
    .await;
    let client = Legacy::open(&server).await;
    echoes(&client).await;
    assert_eq!(shown(&server, &client.session).await["persisted"], false);
    drop(client);
    server.signal("TERM");
    assert_eq!(server.exit_code().await, Some(0));
    assert!(fs::read(&file).expect("it is there") == bytes, "it was left as it was");

    fs::rename(&file, file.with_extension("damaged")).expect("moved away");
    server.start_anew().await;
    let client = Legacy::open(&server).await;
    assert_eq!(shown(&server, &client.session).await["persisted"], true, "{}", server.log());
    client.close().await;
    server.finish().await;
}

//! Files that are looked at.

use super::reloads;
use crate::{
    cli,
    support::{CONFIG, Modern, Server, Setup, until},
};
use serde_json::json;
use std::{fs, os::unix::fs::symlink, path::Path};

fn setup(message: &str) -> Setup {
    Setup::new().set("reload_on_change", true).set("instructions", message)
}

async fn taken_over(server: &Server, times: f64) {
    until("the files were read again", || async { reloads(server, "ok").await >= times }).await;
    assert_eq!(reloads(server, "ok").await, times, "{}", server.log());
}

async fn instructions(server: &Server) -> String {
    let found = Modern::new(server).ask("server/discover", json!({})).await;
    found["result"]["instructions"].as_str().unwrap_or_default().to_owned()
}

/// A folder as a container mounts it: the file is a link into a folder that is itself a link.
fn mount(dir: &Path, version: &str, content: &str) {
    fs::create_dir(dir.join(version)).unwrap();
    fs::write(dir.join(version).join(CONFIG), content).unwrap();
    symlink(version, dir.join("..next")).unwrap();
    fs::rename(dir.join("..next"), dir.join("..data")).unwrap();
}

#[tokio::test]
async fn files_that_change_are_taken_over_however_they_are_put_there() {
    let server = setup("first").start().await;
    let dir = server.dir();
    assert_eq!(instructions(&server).await, "first");
    setup("in place").write(dir);
    taken_over(&server, 1.0).await;
    assert_eq!(instructions(&server).await, "in place");

    // As editors do it.
    let text = fs::read_to_string(dir.join(CONFIG)).unwrap();
    fs::write(dir.join("new"), text.replace("in place", "renamed")).unwrap();
    fs::rename(dir.join("new"), dir.join(CONFIG)).unwrap();
    taken_over(&server, 2.0).await;
    assert_eq!(instructions(&server).await, "renamed");

    mount(dir, "v1", &text.replace("in place", "mounted"));
    symlink(Path::new("..data").join(CONFIG), dir.join("link")).unwrap();
    fs::rename(dir.join("link"), dir.join(CONFIG)).unwrap();
    taken_over(&server, 3.0).await;
    assert_eq!(instructions(&server).await, "mounted");
    mount(dir, "v2", &text.replace("in place", "swapped"));
    taken_over(&server, 4.0).await;
    assert_eq!(instructions(&server).await, "swapped");

    // What is wrong is refused once, and watched on.
    fs::write(dir.join("v2").join(CONFIG), "nonsense").unwrap();
    until("it is refused", || async { reloads(&server, "refused").await == 1.0 }).await;
    assert_eq!(instructions(&server).await, "swapped");
    fs::write(dir.join("v2").join(CONFIG), text.replace("in place", "mended")).unwrap();
    taken_over(&server, 5.0).await;
    assert_eq!(instructions(&server).await, "mended");
    assert_eq!(reloads(&server, "refused").await, 1.0);
    server.finish().await;
}

#[tokio::test]
async fn the_token_and_the_file_of_servers_are_looked_at_too_unless_that_is_off() {
    let server = setup("x").with_own_token().start().await;
    let token = |server: &Server| {
        fs::read_to_string(server.dir().join("data/token")).unwrap().trim().to_owned()
    };
    let data = server.dir().join("data");
    let rotated =
        cli::run(server.dir(), &["token", "rotate", "--data-dir", data.to_str().unwrap()]);
    assert_eq!(rotated.code, Some(0), "{}", rotated.err);
    taken_over(&server, 1.0).await;
    let new = token(&server);
    let server = server.with_token(&new);
    assert_eq!(instructions(&server).await, "x");
    setup("x").fixture("fix", json!({})).write(server.dir());
    taken_over(&server, 2.0).await;
    server.upstreams(&["fix"], "connected").await;

    setup("x").set("reload_on_change", false).write(server.dir());
    taken_over(&server, 3.0).await;
    setup("unseen").write(server.dir());
    // As long as it takes to see a change, and half as long again.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(reloads(&server, "ok").await, 3.0);
    super::hang_up(&server, "ok").await;
    assert_eq!(instructions(&server).await, "unseen");
    server.finish().await;
}

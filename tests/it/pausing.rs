//! `deploy/pause.sh`: it stops a server and nothing else, and never leaves it stopped.

use crate::support::{Port, http, until};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// Our binary under a name of its own: other tests have servers, too, which are not to be stopped.
struct Named {
    name: String,
    dir: tempfile::TempDir,
}

impl Named {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let name = format!("paused-{}", std::process::id());
        let named = Self { name, dir };
        fs::copy(env!("CARGO_BIN_EXE_mcp-orchestrator"), named.path()).unwrap();
        named
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join(&self.name)
    }

    fn run(&self, arguments: &[&str]) -> Running {
        let mut command = Command::new(self.path());
        command.args(arguments).current_dir(self.dir.path()).stdin(Stdio::piped());
        Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    fn script(&self, arguments: &str, seconds: &str) -> Command {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/pause.sh");
        let mut command = Command::new(path);
        command.arg(arguments).env("NAME", &self.name);
        command.env("SECONDS_PAUSED", seconds).env("EVERY", seconds);
        command
    }

    fn found(&self) -> Vec<u32> {
        let output = self.script("find", "1").output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| line.parse().unwrap()).collect()
    }
}

/// A process that ends with the test.
struct Running(Child);

impl Running {
    fn is_stopped(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        stat.rsplit_once(") ").unwrap().1.starts_with('T')
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

async fn answers(address: &str) {
    until("it answers", || async {
        let asked = http().get(format!("http://{address}/livez")).send().await;
        asked.is_ok_and(|answer| answer.status() == 200)
    })
    .await;
}

#[tokio::test]
async fn a_server_is_stopped_for_a_while_and_goes_on_and_others_are_let_alone() {
    let (named, port) = (Named::new(), Port::reserve());
    let address = port.address().to_string();
    assert!(named.found().is_empty());
    let nobody = named.script("once", "1").output().unwrap();
    assert_eq!(nobody.status.code(), Some(1), "{nobody:?}");
    let server = named.run(&["serve", "--no-auth", "--listen", &address, "--data-dir", "data"]);
    let other = named.run(&["agent"]);
    answers(&address).await;
    assert_eq!(named.found(), [server.0.id()]);

    let mut once = named.script("once", "1").spawn().unwrap();
    until("it is stopped", || async { server.is_stopped() }).await;
    assert!(!other.is_stopped());
    assert!(once.wait().unwrap().success());
    assert!(!server.is_stopped(), "it goes on before the script ends");
    answers(&address).await;

    for (arguments, signal) in [("cycle", "TERM"), ("cycle", "HUP"), ("once", "HUP")] {
        let mut script = named.script(arguments, "600").spawn().unwrap();
        until("it is stopped", || async { server.is_stopped() }).await;
        let id = script.id().to_string();
        let told = Command::new("kill").args(["-s", signal, &id]).status().unwrap();
        assert!(told.success() && script.wait().unwrap().success());
        assert!(!server.is_stopped(), "whoever ends the script does not leave the server stopped");
        answers(&address).await;
    }
}

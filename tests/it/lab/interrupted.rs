//! A run that a signal ends leaves nothing behind.

use super::{Lab, within};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use std::{process::Stdio, time::Duration};
use tokio::{net::TcpStream, process::Command, time::sleep};

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(20);

#[tokio::test]
async fn a_signal_ends_a_run_and_its_target() {
    let lab = Lab::new();
    let noted = lab.path("target");
    // A wrapper that stays: what it started is the target.
    let target = format!("sh -c 'echo $$ {{port}} > {}; {}; true'", noted.display(), lab.server());
    let out = lab.path("out").display().to_string();
    let mut run = Command::new(env!("CARGO_BIN_EXE_mcp-orchestrator"));
    run.args(["lab", "run", "network-chaos", "--spawn", &target, "--out", &out]);
    run.current_dir(lab.path("")).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let mut run = run.spawn().expect("the binary starts");
    let (wrapper, port) = within(60, "the target answers", async {
        loop {
            let text = std::fs::read_to_string(&noted).unwrap_or_default();
            let words: Vec<i32> =
                text.split(' ').filter_map(|word| word.trim().parse().ok()).collect();
            if let [wrapper, port] = words[..]
                && TcpStream::connect(("127.0.0.1", port as u16)).await.is_ok()
            {
                return (Pid::from_raw(wrapper).expect("an id"), port as u16);
            }
            sleep(LOOK).await;
        }
    })
    .await;
    let id = run.id().and_then(|id| Pid::from_raw(id as i32)).expect("it runs");
    kill_process(id, Signal::TERM).expect("it runs");
    let status = within(30, "it ends", run.wait()).await.expect("it is ours");
    assert_eq!(status.code(), Some(130));
    within(30, "the target is gone", async {
        while test_kill_process(wrapper).is_ok()
            || TcpStream::connect(("127.0.0.1", port)).await.is_ok()
        {
            sleep(LOOK).await;
        }
    })
    .await;
}

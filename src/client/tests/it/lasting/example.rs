//! The example runs. `./test` builds it before the tests.

use std::{env::current_exe, time::Duration};
use tokio::{process::Command, time::timeout};

#[tokio::test]
async fn the_example_lists_the_tools_of_a_child() {
    let built = current_exe().expect("ourselves");
    let examples = built.ancestors().nth(2).expect("the build folder").join("examples");
    let run = Command::new(examples.join("lasting"))
        .arg(examples.join("fixture"))
        .kill_on_drop(true)
        .output();
    let output =
        timeout(Duration::from_secs(60), run).await.expect("it ends").expect("it is built");
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{shown}");
    assert_eq!(shown.matches("tools/list: ").count(), 10, "{shown}");
    assert!(shown.contains("Handshake after") && shown.contains("lost_pings: 0"), "{shown}");
}

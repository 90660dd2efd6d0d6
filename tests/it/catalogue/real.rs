//! Real upstreams, written by others, that can be taken away and given back.

use super::Switch;
use crate::support::{Port, node, tool, until};
use serde_json::{Value, json};
use std::{net::TcpStream, process::Stdio};
use tokio::process::{Child, Command};

const EVERYTHING: &str = "node_modules/@modelcontextprotocol/server-everything/dist/index.js";

/// server-everything over HTTP, which can be ended and started again.
pub(crate) struct Remote {
    port: Port,
    child: Option<Child>,
}

impl Remote {
    pub(crate) async fn start() -> Self {
        let mut remote = Self { port: Port::reserve(), child: None };
        remote.start_again().await;
        remote
    }

    pub(crate) async fn start_again(&mut self) {
        let address = self.port.address();
        let mut command = Command::new(node());
        command.arg(tool(EVERYTHING)).arg("streamableHttp");
        command.env("PORT", address.port().to_string()).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().unwrap());
        until("it listens", || async { TcpStream::connect(address).is_ok() }).await;
    }

    pub(crate) async fn kill(&mut self) {
        self.child.take().unwrap().kill().await.unwrap();
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/mcp", self.port.address())
    }
}

/// server-everything over stdio, which starts while the switch is on.
pub(crate) fn local(switch: &Switch) -> Value {
    let script = tool(EVERYTHING).display().to_string();
    switch.wrap("local", &node(), &[&script, "stdio"], &json!({}))
}

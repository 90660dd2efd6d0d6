//! The reference server, over both transports. `MCP_TEST_TOOLS` is a folder with its
//! `node_modules`; `./test` sets it.

use crate::{
    port::Port,
    support::{Memory, call, identity, json, open, until},
};
use mcp_client::{ClientError, Connection, Options, OutCall, Ran, Sink, Target};
use mcp_protocol::{Era, RawObject, Revision};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};
use tokio::time::{sleep, timeout};

fn program() -> PathBuf {
    let tools = std::env::var_os("MCP_TEST_TOOLS").expect(
        "MCP_TEST_TOOLS is not set: run `./test`, which installs the reference server and sets it",
    );
    Path::new(&tools).join("node_modules/@modelcontextprotocol/server-everything/dist/index.js")
}

fn over_stdio() -> Target {
    let args = vec![program().display().to_string(), "stdio".to_owned()];
    Target::stdio("node".to_owned(), args, BTreeMap::new(), None)
}

struct Server(Child);

impl Server {
    async fn start(port: u16) -> Self {
        let mut command = Command::new("node");
        command.arg(program()).arg("streamableHttp").env("PORT", port.to_string());
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("node");
        let server = Self(child);
        for _ in 0..400 {
            if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return server;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("the reference server does not listen");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn over_http(port: u16) -> Target {
    Target::http(&format!("http://127.0.0.1:{port}/mcp"), BTreeMap::new()).expect("a URL")
}

/// What any user does: list, call, call with progress, fail, cancel.
async fn use_it(connection: &Connection) {
    assert_eq!((connection.era(), connection.revision()), (Era::Legacy, Revision::V2025_11_25));
    let tools =
        connection.call(call("tools/list", "{}")).await.expect("an answer").expect("a result");
    assert!(RawObject::parse(&tools).expect("an object").contains("tools"));
    let echo = call("tools/call", r#"{"name":"echo","arguments":{"message":"grüezi"}}"#);
    let said = connection.call(echo).await.expect("an answer").expect("a result");
    assert!(said.get().contains("grüezi"), "{said}");
    let own = Arc::new(Memory::default());
    let sink: Arc<dyn Sink> = Arc::clone(&own) as _;
    let long = |seconds: u8| {
        let params = format!(
            r#"{{"name":"trigger-long-running-operation","arguments":{{"duration":{seconds},"steps":3}}}}"#
        );
        call("tools/call", &params)
    };
    let slow = OutCall { progress: true, sink: Some(sink), ..long(1) };
    connection.call(slow).await.expect("an answer").expect("a result");
    until("progress came", || own.names() == ["notifications/progress"; 3]).await;
    let unknown = connection
        .call(call("resources/read", r#"{"uri":"demo://nothing"}"#))
        .await
        .expect("an answer");
    assert!(unknown.is_err());
    assert!(timeout(Duration::from_millis(200), connection.call(long(60))).await.is_err());
    connection.call(call("ping", "{}")).await.expect("an answer").expect("a result");
}

#[tokio::test(flavor = "multi_thread")]
async fn over_the_pipes_of_a_child() {
    let memory = Arc::new(Memory::default());
    *memory.answer.lock().expect("no panic") =
        Some(json(r#"{"roots":[{"uri":"file:///tmp","name":"t"}]}"#));
    let patient = Options::default();
    let connection =
        Connection::open(&over_stdio(), None, &identity(), Arc::clone(&memory) as _, &patient)
            .await
            .expect("a connection");
    use_it(&connection).await;
    until("it asked for our roots", || memory.asked() > 0).await;
    connection.close().await;
    assert!(matches!(connection.closed().await, ClientError::Closed { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_and_over_a_restart_of_the_server() {
    let place = Port::reserve();
    let port = place.address().port();
    let server = Server::start(port).await;
    let (connection, _memory) = open(&over_http(port)).await;
    use_it(&connection).await;
    drop(server);
    let away = connection.call(call("tools/list", "{}")).await.expect_err("nobody there");
    assert!(!matches!(away, ClientError::SessionLost), "{away}");
    let _server = Server::start(port).await;
    let lost = connection.call(call("tools/list", "{}")).await.expect_err("another process");
    assert_eq!((lost.ran(), lost), (Ran::No, ClientError::SessionLost));
    let (again, _memory) = open(&over_http(port)).await;
    again.call(call("tools/list", "{}")).await.expect("an answer").expect("a result");
    again.close().await;
}

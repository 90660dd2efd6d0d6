//! TLS on the listener: who comes in, new files, files that cannot be used.

use crate::{
    cli::run,
    support::{Modern, Server, Setup, http, trust, until, within},
};
use futures_util::{SinkExt, StreamExt};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use serde_json::{Value, json};
use std::{fs, path::Path, sync::Arc};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

const EXPIRY: &str = "mcp_certificate_expiry_timestamp_seconds";
const START_OF_2040: f64 = 2_208_988_800.0;
const START_OF_2050: f64 = 2_524_608_000.0;

/// A certificate of this machine and its key, in a folder.
struct Pair(TempDir);

impl Pair {
    fn new() -> Self {
        let pair = Self(tempfile::tempdir().unwrap());
        pair.renew(2040);
        pair
    }

    /// A new pair that ends with that year's first day, and that our clients trust.
    fn renew(&self, year: i32) {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        trust(&certificate);
        fs::write(self.cert(), certificate).unwrap();
        fs::write(self.key(), key.serialize_pem()).unwrap();
    }

    fn cert(&self) -> String {
        self.0.path().join("cert.pem").to_str().unwrap().to_owned()
    }

    fn key(&self) -> String {
        self.0.path().join("key.pem").to_str().unwrap().to_owned()
    }

    fn setup(&self) -> Setup {
        Setup::new().set("tls.cert_file", self.cert()).set("tls.key_file", self.key())
    }
}

fn address(server: &Server) -> &str {
    server.base().strip_prefix("https://").expect("TLS is on")
}

/// A connection over TLS, and what the server shows on it.
async fn secure(server: &Server, pair: &Pair) -> TlsStream<TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(pair.cert()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let socket = TcpStream::connect(address(server)).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap()
}

#[tokio::test]
async fn over_https_tools_are_called_and_the_server_says_so() {
    let pair = Pair::new();
    let server = pair.setup().start().await;
    let client = Modern::new(&server);
    let result = client.call("echo", json!({"message": "in secret"})).await;
    assert!(result.to_string().contains("in secret"), "{result}");
    assert!(server.url().starts_with("https://"), "{}", server.url());
    assert_eq!(server.scrape().await.sum(EXPIRY, &[]), START_OF_2040);
    let key = fs::read_to_string(pair.key()).unwrap();
    let line = key.lines().nth(1).unwrap();
    assert!(!server.log().contains(line), "{}", server.log());
    server.finish().await;
}

#[tokio::test]
async fn a_websocket_comes_over_tls_too() {
    let pair = Pair::new();
    let server = pair.setup().start().await;
    let stream = secure(&server, &pair).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let mut request = format!("wss://{}/ws", address(&server)).into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert("authorization", format!("Bearer {}", server.token()).parse().unwrap());
    headers.insert("sec-websocket-protocol", "mcp".parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": {"name": "raw", "version": "1"}});
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
    server.sent("initialize");
    socket.send(Message::text(hello.to_string())).await.unwrap();
    let answer = within(20, "an answer", socket.next()).await.unwrap().unwrap();
    let answer: Value = serde_json::from_str(answer.to_text().unwrap()).unwrap();
    assert_eq!(answer["result"]["protocolVersion"], "2025-11-25", "{answer}");
    socket.close(None).await.unwrap();
    drop(socket);
    server.finish().await;
}

#[tokio::test]
async fn who_speaks_no_tls_or_nothing_at_all_is_let_go() {
    let pair = Pair::new();
    let server = pair.setup().set("limits.receive_timeout", 0.5).start().await;
    let mut plain = TcpStream::connect(address(&server)).await.unwrap();
    plain.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut silent = TcpStream::connect(address(&server)).await.unwrap();
    for socket in [&mut plain, &mut silent] {
        let mut told = Vec::new();
        // A reset is an end too.
        let _ended = within(20, "the end", socket.read_to_end(&mut told)).await;
        assert!(!told.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&told));
    }
    let labels = [("status", "protocol_error")];
    assert_eq!(server.scrape().await.sum("mcp_connections_total", &labels), 2.0);
    assert!(server.log().contains("no TLS"), "{}", server.log());
    server.finish().await;
}

#[tokio::test]
async fn new_files_are_taken_into_use_and_broken_ones_are_not() {
    let pair = Pair::new();
    let server = pair.setup().start().await;
    let open = secure(&server, &pair).await;
    fs::write(pair.cert(), "half a certif").unwrap();
    until("the broken file is refused", || async {
        server.log().contains("certificate_refused") && server.log().contains("cert.pem")
    })
    .await;
    assert_eq!(server.scrape().await.sum(EXPIRY, &[]), START_OF_2040);
    pair.renew(2050);
    until("the new certificate is shown", || async {
        server.scrape().await.sum(EXPIRY, &[]) == START_OF_2050
    })
    .await;
    // Trusts the new one alone.
    drop(secure(&server, &pair).await);
    drop(open);
    server.finish().await;
}

#[tokio::test]
async fn the_health_check_asks_over_tls() {
    let pair = Pair::new();
    let server = pair.setup().start().await;
    let home = tempfile::tempdir().unwrap();
    let ask = |certificate: &str| {
        let config = home.path().join("health.toml");
        let tls = format!("[tls]\ncert_file = '{certificate}'\nkey_file = '{}'\n", pair.key());
        fs::write(&config, tls).unwrap();
        run(home.path(), &["health", "--config", "health.toml", "--listen", address(&server)])
    };
    let well = ask(&pair.cert());
    assert!(well.code == Some(0) && well.out.contains("devs-orchestrator"), "{}", well.err);
    let other = Pair::new();
    let refused = ask(&other.cert());
    assert_eq!(refused.code, Some(1), "{}", refused.out);
    assert!(http().get(format!("{}/health", server.base())).send().await.is_ok());
    server.finish().await;
}

#[test]
fn files_that_cannot_be_used_end_the_start_with_a_sentence() {
    let (pair, other) = (Pair::new(), Pair::new());
    let refuses = |tls: String, words: &[&str]| {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("tls.toml"), format!("[tls]\n{tls}")).unwrap();
        let data: &Path = home.path();
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--config", "tls.toml"];
        let ended = run(data, &[&arguments[..], &["--data-dir", "data"]].concat());
        assert_eq!(ended.code, Some(2), "{tls}: {}", ended.err);
        for word in words {
            assert!(ended.err.contains(word), "{tls}: no `{word}` in {}", ended.err);
        }
        assert!(!ended.err.contains("listening on"), "{}", ended.err);
    };
    let both = |cert: &str, key: &str| format!("cert_file = '{cert}'\nkey_file = '{key}'\n");
    refuses(format!("cert_file = '{}'\n", pair.cert()), &["`tls.key_file` is missing"]);
    refuses(both("/nowhere/c.pem", &pair.key()), &["/nowhere/c.pem", "cannot be read"]);
    refuses(both(&pair.cert(), &pair.cert()), &["`tls.key_file`", "no private key"]);
    refuses(both(&pair.key(), &pair.key()), &["`tls.cert_file`", "no certificate"]);
    refuses(both(&pair.cert(), &other.key()), &["is not the key of", &other.key()]);
}

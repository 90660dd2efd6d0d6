//! Who may come in: tokens, what each principal has, pages, rates, and that no token is shown.

mod guesses;
mod rates;
mod secrets;
mod tokens;

use crate::support::{Reply, Server, Setup, http};
use serde_json::{Value, json};
use toml::Value as Toml;

const SECRET: &str = "a-secret-of-the-tests-0123456789abcdef";
const ISSUER: &str = "https://issuer.example";
const AUDIENCE: &str = "https://mcp.example/mcp";
const CI: &str = "token-of-ci-0123456789abcdef";
const OPS: &str = "token-of-ops-0123456789abcdef";
const OPS_SHA256: &str = "98a20329cac8ea3e6933d6c42785c8aa29fe693ac6b270e36fb1124317794dcf";

/// A TOML value.
fn toml(text: &str) -> Toml {
    let mut table: toml::Table = toml::from_str(&format!("value = {text}")).expect("TOML");
    table.remove("value").expect("just put there")
}

/// A server with tokens of two more principals.
fn guarded() -> Setup {
    let tokens = format!(
        "[{{ name = \"ci\", token = \"{CI}\" }}, {{ name = \"ops\", sha256 = \"{OPS_SHA256}\" }}]"
    );
    Setup::new().set("auth.tokens", toml(&tokens))
}

/// The same, with tokens that an issuer signs.
fn with_issuer(dir: &tempfile::TempDir) -> Setup {
    let file = dir.path().join("secret");
    std::fs::write(&file, SECRET).expect("a file in our own folder");
    guarded()
        .set("auth.jwt.issuer", ISSUER)
        .set("auth.jwt.audience", AUDIENCE)
        .set("auth.jwt.keys_file", file.to_str().expect("text"))
}

/// A token of the issuer that ends in so many seconds.
fn signed(seconds: i64) -> String {
    use jsonwebtoken::{EncodingKey, Header, encode, get_current_timestamp};
    let now = i64::try_from(get_current_timestamp()).expect("a date");
    let claims = json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "me", "exp": now + seconds});
    encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).expect("one")
}

/// A handshake with that token.
async fn hello(server: &Server, token: &str) -> Reply {
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": {"name": "raw", "version": "1"}});
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
    let request = http().post(server.url()).bearer_auth(token).json(&body);
    let request = request.header("accept", "application/json, text/event-stream");
    Reply::of(request.send().await.expect("an answer")).await
}

/// Sends a request in a session.
async fn ask(server: &Server, token: &str, session: &str, method: &str, params: Value) -> Reply {
    let body = json!({"jsonrpc": "2.0", "id": 2, "method": method, "params": params});
    let request = http().post(server.url()).bearer_auth(token).json(&body);
    let request = request.header("accept", "application/json, text/event-stream");
    let request = request.header("mcp-session-id", session);
    Reply::of(request.send().await.expect("an answer")).await
}

/// Ends a session.
async fn bye(server: &Server, token: &str, session: &str) {
    let request = http().delete(server.url()).bearer_auth(token).header("mcp-session-id", session);
    assert_eq!(request.send().await.expect("an answer").status(), 204);
}

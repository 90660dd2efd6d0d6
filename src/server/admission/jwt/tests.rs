//! A table of good and bad tokens, and what happens to the keys.

use super::*;
use crate::admission::tokens::digest;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use serde_json::{Value, json};
use std::{
    io::Write as _,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, AtomicUsize, Ordering},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinSet,
    time::timeout,
};

const ISSUER: &str = "https://issuer.example";
const AUDIENCE: &str = "https://mcp.example/mcp";
const SECRET: &[u8] = b"a secret of the tests, long enough";

macro_rules! pem {
    ($name:literal) => {
        include_bytes!(concat!("keys_for_tests/", $name, ".pem"))
    };
}

fn rsa() -> EncodingKey {
    EncodingKey::from_rsa_pem(pem!("rsa.private")).expect("a key")
}

fn ec() -> EncodingKey {
    EncodingKey::from_ec_pem(pem!("ec.private")).expect("a key")
}

fn ed() -> EncodingKey {
    EncodingKey::from_ed_pem(pem!("ed.private")).expect("a key")
}

fn other() -> EncodingKey {
    EncodingKey::from_ed_pem(pem!("other.private")).expect("a key")
}

/// A file that goes away with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(text: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("mcp-keys-{}", uuid::Uuid::new_v4()));
        std::fs::File::create(&path).and_then(|mut file| file.write_all(text)).expect("written");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _gone = std::fs::remove_file(&self.0).is_ok();
    }
}

fn config() -> JwtConfig {
    JwtConfig {
        issuer: Some(ISSUER.to_owned()),
        audience: AUDIENCE.to_owned(),
        ..JwtConfig::default()
    }
}

fn with_file(text: &[u8], algorithms: &[&str]) -> Result<Jwt, AuthError> {
    let file = Scratch::new(text);
    let algorithms = algorithms.iter().map(ToString::to_string).collect();
    Jwt::new(&JwtConfig { keys_file: Some(file.0.clone()), algorithms, ..config() }, None)
}

fn now() -> u64 {
    jsonwebtoken::get_current_timestamp()
}

fn claims() -> Value {
    json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": "me", "exp": now() + 600 })
}

fn but(key: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[key] = value;
    claims
}

fn without(key: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().expect("an object").remove(key);
    claims
}

fn signed(algorithm: Algorithm, key: &EncodingKey, claims: &Value) -> String {
    encode(&Header::new(algorithm), claims, key).expect("signed")
}

fn named(id: &str, key: &EncodingKey, claims: &Value) -> String {
    let header = Header { kid: Some(id.to_owned()), ..Header::new(Algorithm::EdDSA) };
    encode(&header, claims, key).expect("signed")
}

/// A token put together by hand.
fn raw(header: &Value, claims: &Value, signature: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
    let part = |value: &Value| BASE64.encode(value.to_string());
    format!("{}.{}.{signature}", part(header), part(claims))
}

async fn check(jwt: &Jwt, token: &str) -> Result<String, AuthCause> {
    let checked = jwt.check(token, digest(token), &Policies::default()).await;
    checked.map(|principal| principal.name().to_owned())
}

#[tokio::test]
async fn each_algorithm_is_taken_with_a_key_made_for_it() {
    let secret = EncodingKey::from_secret(SECRET);
    for (file, algorithm, key) in [
        (SECRET, Algorithm::HS256, &secret),
        (pem!("rsa"), Algorithm::RS256, &rsa()),
        (pem!("ec"), Algorithm::ES256, &ec()),
        (pem!("ed"), Algorithm::EdDSA, &ed()),
    ] {
        let jwt = with_file(file, &[]).expect("right");
        let token = signed(algorithm, key, &claims());
        assert_eq!(check(&jwt, &token).await.as_deref(), Ok("jwt:me"), "{algorithm:?}");
        assert!(jwt.remembered(&digest(&token)).is_some(), "{algorithm:?}");
    }
}

#[tokio::test]
async fn bad_tokens_are_refused_each_for_its_reason() {
    let jwt = with_file(pem!("ed"), &[]).expect("right");
    let good = signed(Algorithm::EdDSA, &ed(), &claims());
    let signature = good.rsplit('.').next().expect("a signature");
    let with = |claims: Value| signed(Algorithm::EdDSA, &ed(), &claims);
    let header = |algorithm: &str| json!({ "alg": algorithm, "typ": "JWT" });
    let crit = Header { crit: Some(vec!["exp".to_owned()]), ..Header::new(Algorithm::EdDSA) };
    let crit = encode(&crit, &claims(), &ed()).expect("signed");
    let mut flipped = good.clone().into_bytes();
    let last = flipped.len() - 10;
    flipped[last] = if flipped[last] == b'A' { b'B' } else { b'A' };
    let wrong: &[(&str, String)] = &[
        ("alg none", raw(&header("none"), &claims(), "")),
        ("alg None", raw(&header("None"), &claims(), "")),
        ("alg none, signed", raw(&header("none"), &claims(), signature)),
        ("no alg", raw(&json!({ "typ": "JWT" }), &claims(), signature)),
        ("no signature", format!("{}.", good.rsplit_once('.').expect("parts").0)),
        ("other algorithm", signed(Algorithm::RS256, &rsa(), &claims())),
        ("a header it must know and does not", crit),
        ("wrong audience", with(but("aud", json!("https://other.example")))),
        ("no audience", with(without("aud"))),
        ("empty audience", with(but("aud", json!([])))),
        ("other issuer", with(but("iss", json!("https://evil.example")))),
        ("no issuer", with(without("iss"))),
        ("not yet valid", with(but("nbf", json!(now() + 600)))),
        ("no expiry", with(without("exp"))),
        ("expiry is a text", with(but("exp", json!("tomorrow")))),
        ("expiry is negative", with(but("exp", json!(-1)))),
        ("no subject", with(without("sub"))),
        ("empty subject", with(but("sub", json!("")))),
        ("other key", signed(Algorithm::EdDSA, &other(), &claims())),
        ("flipped", String::from_utf8(flipped).expect("text")),
        ("other claims", raw(&header("EdDSA"), &but("sub", json!("root")), signature)),
        ("truncated", good[..good.len() - 1].to_owned()),
        ("half", good[..good.len() / 2].to_owned()),
        ("empty parts", "..".to_owned()),
        ("no parts", "abc".to_owned()),
        ("too long", format!("{good}{}", "A".repeat(LONGEST))),
    ];
    for (name, token) in wrong {
        assert_eq!(check(&jwt, token).await, Err(AuthCause::Wrong), "{name}");
        assert!(jwt.remembered(&digest(token)).is_none(), "{name}");
    }
    let expired = with(but("exp", json!(now() - 600)));
    assert_eq!(check(&jwt, &expired).await, Err(AuthCause::Expired));
    for (name, token) in [
        ("clocks differ a little", with(but("exp", json!(now() - 5)))),
        ("valid since now", with(but("nbf", json!(now())))),
        ("fractions", with(but("exp", json!(now() as f64 + 600.5)))),
        ("one of several audiences", with(but("aud", json!(["x", AUDIENCE])))),
    ] {
        assert_eq!(check(&jwt, &token).await.as_deref(), Ok("jwt:me"), "{name}");
    }
}

#[tokio::test]
async fn a_public_key_is_no_secret() {
    // The classic confusion: HS256 with the public key's own text as the secret.
    for public in [&pem!("rsa")[..], pem!("ec"), pem!("ed")] {
        let jwt = with_file(public, &[]).expect("right");
        for secret in [public, public.trim_ascii()] {
            let forged = signed(Algorithm::HS256, &EncodingKey::from_secret(secret), &claims());
            assert_eq!(check(&jwt, &forged).await, Err(AuthCause::Wrong));
        }
    }
}

#[test]
fn what_cannot_be_used_is_said_at_the_start() {
    for (file, algorithms, word) in [
        (&b"short"[..], &[][..], "32 bytes"),
        (pem!("ed.private"), &[], "private"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", &[], "no public key"),
        (b"{}", &[], "keys"),
        (b"{\"keys\":[]}", &[], "no key"),
        (pem!("rsa"), &["HS256"], "algorithms"),
        (pem!("rsa"), &["none"], "none of HS256"),
        (pem!("rsa"), &["HS512"], "none of HS256"),
    ] {
        let error = with_file(file, algorithms).err().expect(word).to_string();
        assert!(error.contains(word) && !error.contains("short"), "{error}");
    }
    let url = |url: &str| Jwt::new(&JwtConfig { jwks_url: Some(url.to_owned()), ..config() }, None);
    assert!(url("https://issuer.example/keys").is_ok() && url("http://127.0.0.1:1/").is_ok());
    for open in ["http://issuer.example/keys", "ftp://localhost/", "file:///etc/keys", "x"] {
        assert!(matches!(url(open), Err(AuthError::JwksUrl)), "{open}");
    }
    let no_audience = JwtConfig { audience: " ".to_owned(), ..config() };
    assert!(matches!(Jwt::new(&no_audience, None), Err(AuthError::Audience)));
    assert!(matches!(Jwt::new(&config(), None), Err(AuthError::KeysFrom)));
}

/// An issuer whose key set a test changes.
struct Issuer {
    url: String,
    status: Arc<AtomicU16>,
    asked: Arc<AtomicUsize>,
    body: Arc<Mutex<String>>,
    tasks: Mutex<JoinSet<()>>,
}

fn set(keys: &[(&str, &EncodingKey)]) -> String {
    let key = |(id, key): &(&str, &EncodingKey)| {
        let mut jwk = Jwk::from_encoding_key(key, Algorithm::EdDSA).expect("a key");
        jwk.common.key_id = Some((*id).to_owned());
        jwk
    };
    let keys: Vec<Jwk> = keys.iter().map(key).collect();
    json!({ "keys": keys }).to_string()
}

impl Issuer {
    async fn start(body: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/keys", listener.local_addr().expect("an address"));
        let (status, asked) = (Arc::new(AtomicU16::new(200)), Arc::new(AtomicUsize::new(0)));
        let body = Arc::new(Mutex::new(body));
        let this = Self { url, status, asked, body, tasks: Mutex::default() };
        let (status, asked, body) = (this.status.clone(), this.asked.clone(), this.body.clone());
        this.run(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                asked.fetch_add(1, Ordering::SeqCst);
                let body = body.lock().expect("not poisoned").clone();
                let status = status.load(Ordering::SeqCst);
                let mut request = [0; 4096];
                let _read = socket.read(&mut request).await;
                let head = format!(
                    "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                let _sent = socket.write_all((head + &body).as_bytes()).await;
            }
        });
        this
    }

    fn run(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.lock().expect("not poisoned").spawn(task);
    }

    fn say(&self, body: String) {
        *self.body.lock().expect("not poisoned") = body;
    }

    fn jwt(&self, every: Duration) -> (Jwt, Telemetry) {
        let jwks_url = Some(self.url.clone());
        let jwt = Jwt::new(&JwtConfig { jwks_url, jwks_refresh: every, ..config() }, None);
        let (jwt, telemetry) = (jwt.expect("right"), Telemetry::new().expect("made"));
        self.run(jwt.refresh(telemetry.clone()).expect("it fetches"));
        (jwt, telemetry)
    }
}

const RARELY: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn a_new_key_is_fetched_when_a_token_names_it() {
    let issuer = Issuer::start(set(&[("one", &ed())])).await;
    let (jwt, _) = issuer.jwt(RARELY);
    let first = named("one", &ed(), &claims());
    assert_eq!(check(&jwt, &first).await.as_deref(), Ok("jwt:me"), "waits for the first keys");
    issuer.say(set(&[("two", &other())]));
    let second = named("two", &other(), &claims());
    assert_eq!(check(&jwt, &second).await.as_deref(), Ok("jwt:me"));
    assert!(jwt.remembered(&digest(&first)).is_none(), "its key is gone");
    assert_eq!(check(&jwt, &first).await, Err(AuthCause::Wrong));
    // Names that nobody knows do not make us ask again and again.
    for number in 0..20 {
        let unknown = named(&format!("made-up-{number}"), &ed(), &claims());
        assert_eq!(check(&jwt, &unknown).await, Err(AuthCause::Wrong));
    }
    assert_eq!(issuer.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn the_last_good_keys_stay_while_the_issuer_is_away() {
    let issuer = Issuer::start(set(&[("one", &ed())])).await;
    let (jwt, _) = issuer.jwt(Duration::from_millis(20));
    let token = |number: usize| named("one", &ed(), &but("jti", json!(number)));
    assert!(check(&jwt, &token(0)).await.is_ok());
    for (number, (status, body)) in [
        (500, set(&[("two", &other())])),
        (200, "{\"keys\":[".to_owned()),
        (200, json!({ "keys": [] }).to_string()),
        (200, "x".repeat(2 << 20)),
        (302, String::new()),
    ]
    .into_iter()
    .enumerate()
    {
        issuer.status.store(status, Ordering::SeqCst);
        issuer.say(body);
        let before = issuer.asked.load(Ordering::SeqCst);
        let asked_again = async {
            while issuer.asked.load(Ordering::SeqCst) < before + 2 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(10), asked_again).await.expect("it goes on asking");
        assert!(check(&jwt, &token(number + 1)).await.is_ok(), "{status}");
    }
}

#[tokio::test]
async fn without_any_keys_nobody_is_called_wrong() {
    let issuer = Issuer::start(String::new()).await;
    issuer.status.store(503, Ordering::SeqCst);
    let (jwt, _) = issuer.jwt(RARELY);
    let token = named("one", &ed(), &claims());
    assert_eq!(check(&jwt, &token).await, Err(AuthCause::NoKeys));
    assert!(jwt.source.keys().is_unknown());
}

#[tokio::test]
async fn secrets_are_not_taken_from_an_address() {
    let secret = EncodingKey::from_secret(SECRET);
    let jwk = Jwk::from_encoding_key(&secret, Algorithm::HS256).expect("a key");
    let issuer = Issuer::start(json!({ "keys": [jwk] }).to_string()).await;
    let (jwt, _) = issuer.jwt(RARELY);
    let token = signed(Algorithm::HS256, &secret, &claims());
    assert_eq!(check(&jwt, &token).await, Err(AuthCause::NoKeys));
}

#[tokio::test]
async fn the_fetching_ends_with_what_it_is_for() {
    let issuer = Issuer::start(set(&[("one", &ed())])).await;
    let jwks_url = Some(issuer.url.clone());
    let jwt =
        Jwt::new(&JwtConfig { jwks_url, jwks_refresh: RARELY, ..config() }, None).expect("right");
    let mut fetching = JoinSet::new();
    fetching.spawn(jwt.refresh(Telemetry::new().expect("made")).expect("one"));
    assert!(check(&jwt, &named("one", &ed(), &claims())).await.is_ok());
    drop(jwt);
    timeout(Duration::from_secs(10), fetching.join_all()).await.expect("it ends");
}

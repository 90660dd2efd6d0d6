//! The guard as a whole.

use super::*;
use crate::config::{AuthConfig, JwtConfig, NamedToken};
use http::header::{HOST, ORIGIN, WWW_AUTHENTICATE};

fn auth() -> AuthConfig {
    AuthConfig {
        token: Some("right".into()),
        tokens: vec![NamedToken {
            name: "ci".to_owned(),
            token: Some("second".into()),
            sha256: None,
        }],
        allowed_origins: vec!["https://app.example".into()],
        allowed_hosts: vec!["mcp-server".into()],
        ..AuthConfig::default()
    }
}

fn admission(auth: AuthConfig) -> Admission {
    Admission::new(&Config { auth, ..Config::default() }).expect("right")
}

fn headers(pairs: &[(http::HeaderName, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(name, HeaderValue::from_str(value).expect("a header"));
    }
    headers
}

#[test]
fn only_known_names_and_pages_come_in() {
    let admission = admission(auth());
    for host in
        ["127.0.0.1:3001", "localhost:1", "[::1]:3001", "LOCALHOST", "mcp-server:3001", "127.9.9.9"]
    {
        assert!(admission.check_door(&headers(&[(HOST, host)])).is_ok(), "{host}");
    }
    for host in ["evil.example", "127.0.0.1.evil.example", "localhost.evil", "", "10.0.0.1"] {
        assert!(admission.check_door(&headers(&[(HOST, host)])).is_err(), "{host}");
    }
    assert!(admission.check_door(&headers(&[])).is_err(), "no Host at all");
    assert!(admission.check_door(&headers(&[(HOST, "localhost"), (HOST, "localhost")])).is_err());
    let with =
        |origin| admission.check_door(&headers(&[(HOST, "localhost"), (ORIGIN, origin)])).is_ok();
    for origin in
        ["http://localhost:5173", "https://127.0.0.1", "http://[::1]:8080", "https://app.example"]
    {
        assert!(with(origin), "{origin}");
    }
    for origin in [
        "null",
        "https://evil.example",
        "http://localhost.evil",
        "http://localhost@evil.example",
        "ftp://localhost",
    ] {
        assert!(!with(origin), "{origin}");
    }
}

#[test]
fn only_configured_pages_may_read_answers() {
    let admission = admission(auth());
    let with = |origin| admission.shared_with(&headers(&[(ORIGIN, origin)]));
    assert_eq!(with("https://app.example"), Some(HeaderValue::from_static("https://app.example")));
    assert!(with("http://localhost:5173").is_none() && with("https://evil.example").is_none());
    assert!(admission.shared_with(&headers(&[])).is_none());
}

#[tokio::test]
async fn only_the_right_tokens_open() {
    let admission = admission(auth());
    let with = async |value| {
        let found = admission.principal(&headers(&[(AUTHORIZATION, value)])).await;
        found.map(|principal| principal.name().to_owned())
    };
    for (value, name) in
        [("Bearer right", "token"), ("bearer right", "token"), ("Bearer second", "ci")]
    {
        assert_eq!(with(value).await.as_deref(), Ok(name));
    }
    assert_eq!(admission.principal(&headers(&[])).await, Err(AuthCause::Missing));
    for value in ["right", "Basic right", ""] {
        assert_eq!(with(value).await, Err(AuthCause::Malformed), "{value}");
    }
    for value in ["Bearer righ", "Bearer rightt", "Bearer Right", "Bearer ", "Bearer a.b.c"] {
        assert_eq!(with(value).await, Err(AuthCause::Wrong), "{value}");
    }
    let twice = headers(&[(AUTHORIZATION, "Bearer right"), (AUTHORIZATION, "Bearer right")]);
    assert_eq!(admission.principal(&twice).await, Err(AuthCause::Malformed));
}

#[test]
fn a_login_is_named_only_where_there_is_one() {
    let headers = headers(&[(HOST, "localhost:3001")]);
    let challenge = |admission: &Admission, cause| {
        let rejection = admission.unauthorized(cause, &headers);
        let header = rejection.header.expect("a header");
        assert_eq!(header.0, WWW_AUTHENTICATE);
        header.1.to_str().expect("text").to_owned()
    };
    let plain = admission(auth());
    assert_eq!(challenge(&plain, AuthCause::Missing), "Bearer");
    assert_eq!(challenge(&plain, AuthCause::Wrong), "Bearer error=\"invalid_token\"");
    assert!(plain.metadata(&headers).is_none());

    let jwt = |resource: Option<&str>, issuer: Option<&str>| {
        let jwt = JwtConfig {
            issuer: issuer.map(Into::into),
            audience: "a".into(),
            jwks_url: Some("https://issuer.example/keys".into()),
            resource: resource.map(Into::into),
            ..JwtConfig::default()
        };
        admission(AuthConfig { jwt: Some(jwt), ..auth() })
    };
    let with = jwt(None, Some("https://issuer.example"));
    let address = "http://localhost:3001/.well-known/oauth-protected-resource/mcp";
    assert_eq!(
        challenge(&with, AuthCause::Missing),
        format!("Bearer resource_metadata=\"{address}\"")
    );
    let metadata = with.metadata(&headers).expect("metadata");
    assert_eq!(metadata["resource"], "http://localhost:3001/mcp");
    assert_eq!(metadata["authorization_servers"][0], "https://issuer.example");

    let mut secure = Config { auth: auth(), ..Config::default() };
    secure.tls.cert_file = Some("cert.pem".into());
    secure.auth.jwt = Some(JwtConfig {
        issuer: Some("https://issuer.example".into()),
        audience: "a".into(),
        jwks_url: Some("https://issuer.example/keys".into()),
        ..JwtConfig::default()
    });
    let metadata = Admission::new(&secure).expect("right").metadata(&headers).expect("metadata");
    assert_eq!(metadata["resource"], "https://localhost:3001/mcp");

    let with = jwt(Some("https://mcp.example/team/mcp"), Some("https://issuer.example"));
    let address = "https://mcp.example/.well-known/oauth-protected-resource/team/mcp";
    assert_eq!(
        challenge(&with, AuthCause::Expired),
        format!("Bearer error=\"invalid_token\", resource_metadata=\"{address}\"")
    );
    assert!(jwt(None, None).metadata(&headers).is_none(), "no issuer");
    let unknown = with.unauthorized(AuthCause::NoKeys, &headers);
    assert_eq!(unknown.status, http::StatusCode::SERVICE_UNAVAILABLE);
}

#[test]
fn a_principal_is_known_for_as_long_as_there_is_a_way_in_for_it() {
    let before = admission(auth());
    let (ci, token) = (Principal::named("ci"), Principal::named("token"));
    assert!(before.knows(&ci) && before.knows(&token));
    assert!(!before.knows(&Principal::named("jwt:me")));
    assert!(!before.knows(&Principal::named("anonymous")));
    let without = AuthConfig { tokens: Vec::new(), ..auth() };
    let after = before.after(&Config { auth: without, ..Config::default() }).expect("right");
    assert!(!after.knows(&ci) && after.knows(&token));
    let rotated = AuthConfig { token: Some("other".into()), ..auth() };
    let after = before.after(&Config { auth: rotated, ..Config::default() }).expect("right");
    assert!(after.knows(&token), "with another token");
}

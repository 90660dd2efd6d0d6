//! The page at `/`: who may see it, and what it says, in a real browser.

use crate::support::{Modern, Server, Setup, built, http, run_script, until};
use reqwest::{StatusCode, redirect::Policy};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;

async fn link(dir: &std::path::Path) -> String {
    let file = dir.join("data/page-link");
    until("the link is there", || async { file.exists() }).await;
    std::fs::read_to_string(file).expect("the link").trim().to_owned()
}

fn browser() -> reqwest::Client {
    built(reqwest::Client::builder().redirect(Policy::none()).pool_max_idle_per_host(0))
}

#[tokio::test]
async fn a_link_lets_one_visitor_in_once_and_a_cookie_reads_and_nothing_else() {
    let server = Setup::new().start().await;
    let file = std::fs::metadata(server.dir().join("data/page-link")).expect("the link");
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    let link = link(server.dir()).await;
    let base = server.base();
    let client = browser();
    let get = |url: String| client.get(url).send();
    let stranger = get(format!("{base}/")).await.expect("an answer");
    assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED);
    assert!(!stranger.headers().contains_key("set-cookie"));
    let preview = client.head(link.clone()).send().await.expect("an answer");
    assert!(!preview.headers().contains_key("set-cookie"), "it uses no link up");
    let entered = get(link.clone()).await.expect("an answer");
    assert_eq!(
        (entered.status(), &entered.headers()["location"]),
        (StatusCode::SEE_OTHER, &"/".parse().unwrap())
    );
    let set = entered.headers()["set-cookie"].to_str().expect("text").to_owned();
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Strict"), "{set}");
    assert_eq!(get(link.clone()).await.expect("an answer").status(), StatusCode::UNAUTHORIZED);
    let next = self::link(server.dir()).await;
    assert_ne!(next, link, "whoever comes next has a link of its own");
    let cookie = set.split(';').next().expect("a cookie").to_owned();
    let with = |path: &str| client.get(format!("{base}{path}")).header("cookie", &cookie).send();
    for path in ["/", "/api/status", "/api/traffic", "/api/sessions", "/api/config", "/metrics"] {
        assert_eq!(with(path).await.expect("an answer").status(), StatusCode::OK, "{path}");
    }
    let config = with("/api/config").await.expect("an answer").text().await.expect("text");
    assert!(config.contains("presence_idle = 1") && !config.contains(server.token()), "{config}");
    let mcp = client.post(server.url()).header("cookie", &cookie).json(&json!({})).send();
    assert_eq!(mcp.await.expect("an answer").status(), StatusCode::UNAUTHORIZED);
    let strange =
        client.get(format!("{base}/")).header("cookie", &cookie).header("host", "evil.example");
    assert_eq!(strange.send().await.expect("an answer").status(), StatusCode::FORBIDDEN);
    let by_token = server.get(&http(), "/").send().await.expect("an answer");
    assert!(by_token.headers().contains_key("set-cookie"));
    let log = server.log();
    assert!(!log.contains("key="), "the link is a secret: {log}");
    // Answers that nobody read to their end hold their sockets.
    drop((stranger, preview, entered, by_token));
    server.finish().await;
}

#[tokio::test]
async fn another_principal_sees_its_own_and_no_configuration() {
    let tokens = toml::toml! {
        [[t]]
        name = "other"
        token = "token-of-another-0123456789"
    };
    let server = Setup::new().set("auth.tokens", tokens["t"].clone()).start().await;
    let get = |path: &str| {
        let url = format!("{}{path}", server.base());
        browser().get(url).bearer_auth("token-of-another-0123456789").send()
    };
    assert_eq!(get("/").await.expect("an answer").status(), StatusCode::OK);
    assert_eq!(get("/api/config").await.expect("an answer").status(), StatusCode::FORBIDDEN);
    server.finish().await;
}

#[tokio::test]
async fn who_comes_later_sees_the_calls_of_before() {
    let server = Setup::new().start().await;
    let client = Modern::new(&server);
    client.call("echo", json!({"message": "x"})).await;
    client.ask("tools/call", json!({"name": "none"})).await;
    let points =
        async || server.json("/api/traffic").await["points"].as_array().expect("a list").clone();
    let rate = |point: &Value, of: &str| point[of].as_f64().expect("a number");
    until("a point tells of them", || async {
        points().await.iter().any(|point| rate(point, "failedPerSecond") > 0.0)
    })
    .await;
    let all = points().await;
    let sum = |of: &str| all.iter().map(|point| rate(point, of)).sum::<f64>();
    assert!((sum("callsPerSecond") - 2.0 * sum("failedPerSecond")).abs() < 0.5, "{all:?}");
    let busy = all.iter().find(|point| rate(point, "callsPerSecond") > 0.0).expect("a busy one");
    assert!(busy["p50Ms"].as_f64() <= busy["p95Ms"].as_f64() && busy["p50Ms"].is_f64(), "{busy}");
    until("a point without calls comes behind", || async {
        points().await.last().is_some_and(|last| last["p50Ms"].is_null())
    })
    .await;
    server.finish().await;
}

/// Looks at the page once its headline holds that text, at each width.
async fn look(server: &Server, wait: &str, widths: &[(u32, &str)]) -> Vec<Value> {
    let pictures = std::env::var("MCP_PICTURES").ok();
    let plan = json!({
        "url": format!("{}/", server.base()), "token": server.token(), "wait": wait,
        "looks": widths, "pictures": pictures,
    });
    let looked = run_script("page.mjs", &plan, 100, || server.log()).await;
    let looked = looked.as_array().expect("looks").clone();
    for look in &looked {
        // Whoever has no cookie yet is asked for a token, which the console calls an error.
        let errors = look["errors"].as_array().expect("errors").iter();
        let errors: Vec<_> = errors.filter(|error| !error.to_string().contains("401")).collect();
        assert!(errors.is_empty(), "{look}");
        assert_eq!((&look["strange"], &look["serious"]), (&json!([]), &json!([])), "{look}");
        assert_eq!(look["fits"], true, "{look}");
    }
    looked
}

#[tokio::test]
async fn in_a_browser_the_page_follows_an_upstream_that_dies_and_comes_back() {
    let mut behind = Setup::new().start().await;
    let headers = json!({"Authorization": format!("Bearer {}", behind.token())});
    let entry = json!({"type": "http", "url": behind.url(), "headers": headers});
    let server = Setup::new().upstream("behind", entry).set("limits.park", 0.2).start().await;
    server.upstreams(&["behind"], "connected").await;
    let well = look(&server, "All ", &[(1280, "light"), (400, "dark")]).await;
    assert_eq!(well[0]["why"], "", "{well:?}");
    let figures = well[0]["figures"].as_str().expect("text");
    assert!(figures.contains("Messages0") && figures.contains("p95–"), "{figures}");
    let config = well[0]["config"].as_str().expect("text");
    assert!(config.contains("presence_idle") && !config.contains(behind.token()), "{config}");
    behind.signal("KILL");
    behind.exit_code().await;
    let away = look(&server, "cannot be called", &[(400, "light")]).await;
    assert!(away[0]["why"].as_str().expect("text").starts_with("behind: "), "{away:?}");
    assert!(away[0]["upstreams"].as_str().expect("text").contains("5: echo"), "{away:?}");
    behind.start_anew().await;
    server.upstreams(&["behind"], "connected").await;
    let back = look(&server, "All ", &[(1280, "dark")]).await;
    assert_eq!(back[0]["why"], "", "{back:?}");
    server.finish().await;
    // Its client of before the kill has gone without a word.
    until("its session is left to its idle time", || async {
        behind.scrape().await.sum("mcp_active_sessions", &[]) <= 1.0
    })
    .await;
    behind.signal("TERM");
    assert_eq!(behind.exit_code().await, Some(0));
}

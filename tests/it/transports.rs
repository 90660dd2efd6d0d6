//! Each transport can be switched off; its path is none then.

use crate::support::{Modern, Setup, http};
use serde_json::Value;

#[tokio::test]
async fn a_transport_that_is_off_has_no_path() {
    for (off, path, other) in [("http", "/mcp", "/ws"), ("websocket", "/ws", "/mcp")] {
        let server = Setup::new().set(&format!("transports.{off}"), false).start().await;
        let get = async |path: &str| server.get(&http(), path).send().await.unwrap();
        let answer = get(path).await;
        assert_eq!(answer.status(), 404, "{path}");
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["code"], "not_found", "{body}");
        let sentence = body["message"].as_str().unwrap();
        assert!(sentence.contains(&format!("connect to {other}")), "{sentence}");
        assert_eq!(get("/readyz").await.status(), 200, "{off}");
        if off == "websocket" {
            assert_eq!(Modern::new(&server).tools().await.len(), 5);
        }
        server.finish().await;
    }
}

//! Several endpoints of one server: when one goes, another serves.

use super::server::{Place, config, returned, start};
use crate::support::call;
use mcp_client::{ClientConfig, Return, Terms};

#[tokio::test]
async fn another_endpoint_serves_when_one_goes() {
    let (mut one, mut other) = (Place::new(), Place::new());
    one.up().await;
    other.up().await;
    let (client, _) = start(ClientConfig { others: vec![other.target()], ..config(&one) });
    let mut events = client.events();
    let list = || client.call(call("tools/call", r#"{"name":"a"}"#), Terms::default());
    list().await.expect("an answer").expect("a result");
    for _ in 0..3 {
        let (gone, left) =
            if client.endpoint() == one.target() { (&mut one, &other) } else { (&mut other, &one) };
        let before = left.asked("tools/call");
        gone.down();
        list().await.expect("an answer").expect("a result");
        assert_eq!(left.asked("tools/call"), before + 1);
        assert_eq!(returned(&mut events).await.0, Return::Reinitialized);
        assert_eq!(client.endpoint(), left.target());
        gone.up().await;
    }
    client.close().await;
}

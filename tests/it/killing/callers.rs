//! Clients that call a tool over and over and wait for each answer.

use super::{Client, Kind, Tally};
use crate::support::http;
use serde_json::{Value, json};

/// Fails if the session is ever unknown or an answer is not the one to its request.
pub(super) async fn run(client: Client) -> (Kind, Tally) {
    let (http, mut tally) = (http(), Tally::default());
    for id in 1_u64.. {
        if client.is_over() {
            break;
        }
        let said = format!("{} {id}", client.session);
        let params = json!({"name": "echo", "arguments": {"message": said}});
        let Some(response) = client.call(&http, id, params).await else { continue };
        let Ok(answer) = response.json::<Value>().await else { continue };
        assert_eq!(answer["id"], id);
        tally.count(&answer, &said);
    }
    (Kind::Caller, tally)
}

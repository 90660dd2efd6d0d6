//! Nobody sees another's questions: two clients at once are asked by one upstream.

use crate::support::{Legacy, Messages, Modern, Server, Setup, text};
use serde_json::{Value, json};
use std::time::Duration;

async fn server() -> Server {
    let server = Setup::new().fixture("fix", json!({})).start().await;
    server.upstreams(&["fix"], "connected").await;
    server
}

fn asking() -> Value {
    json!({"elicitation": {}, "sampling": {}, "roots": {}})
}

fn ask_name(question: &str) -> Value {
    json!({"name": "fix__ask_name", "arguments": {"question": question}})
}

/// Fails the test if a stream says anything of a question.
async fn hears_no_question(stream: &mut Messages) {
    while let Ok(Some(message)) =
        tokio::time::timeout(Duration::from_millis(300), stream.next()).await
    {
        let method = message["method"].as_str().unwrap_or_default();
        assert!(
            !method.starts_with("elicitation/") && !method.starts_with("sampling/"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn each_of_two_legacy_clients_sees_and_answers_its_own_question() {
    let server = server().await;
    let anna = Legacy::with(&server, "2025-11-25", asking()).await;
    let ben = Legacy::with(&server, "2025-06-18", asking()).await;
    let deaf = Legacy::open(&server).await;
    let mut deaf_stream = deaf.stream().await;
    let mut annas = anna.start("tools/call", ask_name("who is anna?")).await;
    let mut bens = ben.start("tools/call", ask_name("who is ben?")).await;

    let to_anna = annas.method("elicitation/create").await;
    let to_ben = bens.method("elicitation/create").await;
    assert_eq!(to_anna["params"]["message"], "who is anna?");
    assert_eq!(to_ben["params"]["message"], "who is ben?");
    // The later question is answered first.
    ben.answer(&to_ben, json!({"action": "accept", "content": {"name": "Ben"}})).await;
    assert_eq!(text(&bens.answer().await["result"]), "accept: Ben");
    anna.answer(&to_anna, json!({"action": "accept", "content": {"name": "Anna"}})).await;
    assert_eq!(text(&annas.answer().await["result"]), "accept: Anna");

    hears_no_question(&mut deaf_stream).await;
    drop((annas, bens, deaf_stream));
    for client in [anna, ben, deaf] {
        client.close().await;
    }
    server.finish().await;
}

#[tokio::test]
async fn what_each_client_reports_before_its_answer_reaches_whoever_asked_it() {
    let server = server().await;
    let mut ended = Vec::new();
    let mut asked = Vec::new();
    for name in ["Anna", "Ben"] {
        let client = Legacy::with(&server, "2025-11-25", asking()).await;
        let mut params = ask_name("who?");
        // Whoever asks chooses the token: here it is the same twice.
        params["arguments"]["token"] = json!("t");
        let mut stream = client.start("tools/call", params).await;
        let question = stream.method("elicitation/create").await;
        asked.push((name, client, stream, question));
    }
    for (name, client, mut stream, question) in asked {
        let token = &question["params"]["_meta"]["progressToken"];
        assert_eq!(token, &question["id"], "no other question of the session has it");
        let report = async |token: &Value, progress: usize| {
            let params = json!({"progressToken": token, "progress": progress});
            client.notify("notifications/progress", params).await;
        };
        report(&json!("t"), 77).await;
        report(&json!(99), 88).await;
        for progress in 1..=name.len() {
            report(token, progress).await;
        }
        client.answer(&question, json!({"action": "accept", "content": {"name": name}})).await;
        ended.push(text(&stream.answer().await["result"]).to_owned());
        drop(stream);
        client.close().await;
    }
    assert_eq!(
        ended,
        ["accept: Anna after [1.0, 2.0, 3.0, 4.0]", "accept: Ben after [1.0, 2.0, 3.0]"]
    );
    server.finish().await;
}

#[tokio::test]
async fn an_answer_of_another_session_answers_nothing() {
    let server = server().await;
    let anna = Legacy::with(&server, "2025-11-25", asking()).await;
    let ben = Legacy::with(&server, "2025-11-25", asking()).await;
    let mut annas = anna.start("tools/call", ask_name("who is anna?")).await;
    let question = annas.method("elicitation/create").await;
    ben.answer(&question, json!({"action": "accept", "content": {"name": "Ben"}})).await;
    anna.answer(&question, json!({"action": "accept", "content": {"name": "Anna"}})).await;
    assert_eq!(text(&annas.answer().await["result"]), "accept: Anna");
    anna.close().await;
    ben.close().await;
    server.finish().await;
}

#[tokio::test]
async fn samplings_at_once_come_back_to_their_own_calls() {
    let server = server().await;
    let mut clients = Vec::new();
    for number in 0..4 {
        let client = Legacy::with(&server, "2025-11-25", asking()).await;
        let params =
            json!({"name": "fix__sample", "arguments": {"prompt": format!("prompt {number}")}});
        let stream = client.start("tools/call", params).await;
        clients.push((number, client, stream));
    }
    for (number, client, mut stream) in clients.into_iter().rev() {
        let question = stream.method("sampling/createMessage").await;
        let prompt = question["params"]["messages"][0]["content"].to_string();
        assert!(prompt.contains(&format!("prompt {number}")), "{prompt}");
        let content = json!({"type": "text", "text": format!("answer {number}")});
        client
            .answer(&question, json!({"role": "assistant", "model": "none", "content": content}))
            .await;
        assert_eq!(text(&stream.answer().await["result"]), format!("answer {number}"));
        client.close().await;
    }
    server.finish().await;
}

#[tokio::test]
async fn roots_are_those_of_the_client_that_calls() {
    let server = server().await;
    for root in ["file:///of/anna", "file:///of/ben"] {
        let client = Legacy::with(&server, "2025-11-25", asking()).await;
        let mut stream =
            client.start("tools/call", json!({"name": "fix__show_roots", "arguments": {}})).await;
        let question = stream.method("roots/list").await;
        client.answer(&question, json!({"roots": [{"uri": root}]})).await;
        assert_eq!(text(&stream.answer().await["result"]), root);
        client.close().await;
    }
    server.finish().await;
}

#[tokio::test]
async fn a_client_that_declared_nothing_is_not_asked() {
    let server = server().await;
    let client = Legacy::open(&server).await;
    let mut stream = client.start("tools/call", ask_name("anybody?")).await;
    while let Some(message) = stream.next().await {
        assert_ne!(message["method"], "elicitation/create");
    }
    client.close().await;
    server.finish().await;
}

#[tokio::test]
async fn two_modern_clients_are_asked_by_rounds_and_a_forged_state_is_refused() {
    let server = server().await;
    let anna = Modern::with(&server, "anna", asking());
    let ben = Modern::with(&server, "ben", asking());
    let first = |answer: Value| {
        assert_eq!(answer["result"]["resultType"], "input_required", "{answer}");
        answer["result"].clone()
    };
    let annas = first(anna.ask("tools/call", ask_name("who is anna?")).await);
    let bens = first(ben.ask("tools/call", ask_name("who is ben?")).await);
    let asked = |result: &Value| {
        result["inputRequests"].as_object().unwrap().keys().next().unwrap().clone()
    };
    let message =
        |result: &Value| result["inputRequests"][asked(result)]["params"]["message"].clone();
    assert_eq!((message(&annas), message(&bens)), (json!("who is anna?"), json!("who is ben?")));

    let answered = |result: &Value, question: &str, name: &str| {
        let mut params = ask_name(question);
        let mut responses = json!({});
        responses[asked(result)] = json!({"action": "accept", "content": {"name": name}});
        params["inputResponses"] = responses;
        if let Some(state) = result.get("requestState") {
            params["requestState"] = state.clone();
        }
        params
    };
    let ended = ben.call_with(answered(&bens, "who is ben?", "Ben")).await;
    assert_eq!(text(&ended), "accept: Ben");
    let ended = anna.call_with(answered(&annas, "who is anna?", "Anna")).await;
    assert_eq!(text(&ended), "accept: Anna");

    let mut forged = answered(&annas, "who is anna?", "Mallory");
    forged["requestState"] = json!("forged");
    assert_eq!(anna.ask("tools/call", forged).await["error"]["code"], -32602);
    server.finish().await;
}

//! Any bytes as a body: read, written again, read again; params taken apart and put together.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_protocol::{
    Body, EnvelopeError, Id, Message, ModernMeta, RawObject, RawValue, Response, TraceContext,
    encode_error, encode_notification, encode_request, encode_result, headers, key, parse_body,
    parse_message, raw_value,
};
use serde::de::IgnoredAny;
use std::collections::HashMap;

fuzz_target!(|body: &[u8]| {
    match parse_body(body) {
        Ok(Body::One(message)) => {
            check(&message, body);
            assert!(parse_message(body).is_ok(), "one message is one however it is read");
        }
        Ok(Body::Batch(items)) => {
            let given: Vec<&RawValue> = serde_json::from_slice(body).expect("a batch is an array");
            assert_eq!(items.len(), given.len());
            for (item, given) in items.iter().zip(given) {
                match item {
                    Ok(message) => check(message, given.get().as_bytes()),
                    Err(error) => check_refusal(error),
                }
            }
            assert!(parse_message(body).is_err(), "a batch is no message");
        }
        Err(error) => check_refusal(&error),
    }
});

/// What was read from `text` and is written again is the same message.
fn check(message: &Message, text: &[u8]) {
    let members: HashMap<String, &RawValue> =
        serde_json::from_slice(text).expect("a message is an object");
    match message {
        Message::Request(request) => {
            check_id(&request.id, members["id"]);
            let sent: String = serde_json::from_str(members["method"].get()).expect("a string");
            assert_eq!(request.name, sent);
            let written = encode_request(&request.id, &request.name, request.params.as_deref());
            let Message::Request(again) = one_line(&written) else { panic!("{written}") };
            assert_eq!((&again.id, &again.name), (&request.id, &request.name));
            check_params(&request.name, request.params.as_deref(), again.params.as_deref());
        }
        Message::Notification(sent) => {
            assert!(!members.contains_key("id"));
            let written = encode_notification(&sent.name, sent.params.as_deref());
            let Message::Notification(again) = one_line(&written) else { panic!("{written}") };
            assert_eq!(again.name, sent.name);
            check_params(&sent.name, sent.params.as_deref(), again.params.as_deref());
        }
        Message::Response(sent) => check_response(sent, &members),
    }
}

fn check_response(sent: &Response, members: &HashMap<String, &RawValue>) {
    if let Some(id) = &sent.id {
        check_id(id, members["id"]);
    }
    let written = match (&sent.payload, &sent.id) {
        (Ok(result), Some(id)) => encode_result(id, result),
        (Ok(_), None) => panic!("a result needs an id"),
        (Err(error), id) => encode_error(id.as_ref(), error),
    };
    let Message::Response(again) = one_line(&written) else { panic!("{written}") };
    assert_eq!(again.id, sent.id);
    match (&again.payload, &sent.payload) {
        (Ok(again), Ok(sent)) => assert!(is_same(again, sent)),
        (Err(again), Err(sent)) => {
            assert_eq!((again.code, &again.message), (sent.code, &sent.message));
            assert_eq!(again.data.is_some(), sent.data.is_some());
        }
        _ => panic!("{written}"),
    }
}

/// What is answered to a text that is no message can be read.
fn check_refusal(refused: &EnvelopeError) {
    let written = encode_error(refused.id.as_ref(), &refused.error);
    let Message::Response(Response { id, payload: Err(error) }) = one_line(&written) else {
        panic!("{written}")
    };
    assert_eq!((&id, &error), (&refused.id, &refused.error));
}

/// Reads what we wrote.
fn one_line(text: &str) -> Message {
    assert!(!text.contains(['\n', '\r']), "{text}");
    let _json: &RawValue = serde_json::from_str(text).expect("what we write is JSON");
    parse_message(text.as_bytes()).expect("what we write is a message")
}

/// Numbers keep their spelling, strings their text, and neither becomes the other.
fn check_id(id: &Id, sent: &RawValue) {
    assert_eq!(Id::parse(&id.to_raw()).as_ref(), Some(id));
    match serde_json::from_str::<String>(sent.get()) {
        Ok(text) => {
            assert_eq!(serde_json::from_str::<String>(id.as_json()).ok().as_ref(), Some(&text));
            assert_eq!(id, &Id::string(&text));
            if !text.contains(['\\', '"']) && !text.contains(char::is_control) {
                assert_eq!(id.to_string(), text);
            }
        }
        Err(_) => assert_eq!((id.as_json(), id.to_string().as_str()), (sent.get(), sent.get())),
    }
}

/// The same JSON, save for the line breaks between its tokens.
fn is_same(one: &RawValue, other: &RawValue) -> bool {
    let flat = |value: &RawValue| value.get().replace(['\n', '\r'], " ");
    flat(one) == flat(other)
}

fn check_params(name: &str, sent: Option<&RawValue>, again: Option<&RawValue>) {
    let (Some(sent), Some(again)) = (sent, again) else {
        return assert_eq!(sent.is_some(), again.is_some());
    };
    assert!(is_same(sent, again));
    let Some(object) = RawObject::parse(sent) else {
        // A key with half a surrogate pair is the only thing that JSON allows and text does not.
        assert!(serde_json::from_str::<HashMap<String, IgnoredAny>>(sent.get()).is_err());
        return;
    };
    check_object(&object);
    check_claim(name, sent, &object);
    // Any object may be a tool's schema.
    if let Ok(found) = headers::param_headers(sent) {
        for param in found {
            assert!(param.header.starts_with(headers::PARAM_PREFIX));
            let _value = param.value(Some(sent));
        }
    }
}

fn entries(object: &RawObject<'_>) -> Vec<(String, String)> {
    object.iter().map(|(key, value)| (key.to_owned(), value.get().to_owned())).collect()
}

/// What is not touched passes unchanged; what is set is found, once; what is removed is gone.
fn check_object(object: &RawObject<'_>) {
    let text = object.to_raw();
    let again = RawObject::parse(&text).expect("what we write is an object");
    assert_eq!(entries(&again), entries(object));
    let keys = object.iter().map(|(key, _)| key.to_owned()).chain(["_meta".to_owned()]);
    for key in keys.take(8) {
        let value = raw_value("new");
        let mut changed = object.clone();
        changed.set(&key, value.clone());
        assert_eq!(changed.get(&key).map(RawValue::get), Some(value.get()));
        let others = |object: &RawObject<'_>| {
            let mut entries = entries(object);
            entries.retain(|(name, _)| *name != key);
            entries
        };
        assert_eq!(others(&changed), others(object));
        assert_eq!(entries(&changed).len(), others(object).len() + 1);
        assert!(changed.remove(&key) && !changed.contains(&key));
        assert_eq!(entries(&changed), others(object));
    }
}

/// A claim to be modern is found whatever it looks like, and headers made from the body agree
/// with it.
fn check_claim(name: &str, params: &RawValue, object: &RawObject<'_>) {
    let meta = object.get("_meta").and_then(RawObject::parse);
    let claims = meta.as_ref().is_some_and(|meta| meta.contains(key::PROTOCOL_VERSION));
    let trace = TraceContext::of_params(Some(params));
    let parent = meta.as_ref().and_then(|meta| meta.get_str("traceparent"));
    assert_eq!(trace.traceparent, parent);
    match ModernMeta::of_params(Some(params)) {
        Ok(None) => assert!(!claims),
        Err(_) => assert!(claims),
        Ok(Some(claim)) => {
            assert!(claims && claim.client_capabilities.get().starts_with('{'));
            check_headers(name, params, object, &claim);
        }
    }
}

fn check_headers(name: &str, params: &RawValue, object: &RawObject<'_>, claim: &ModernMeta) {
    let named = mcp_protocol::Method::parse(name).name_param().and_then(|key| object.get_str(key));
    let (version, method) = (&claim.protocol_version, name);
    let version = headers::encode_value(version).into_owned();
    let method = headers::encode_value(method).into_owned();
    let named = named.map(|named| headers::encode_value(&named).into_owned());
    let lookup = |header: &str| match header {
        headers::PROTOCOL_VERSION => headers::Found::One(version.as_bytes()),
        headers::METHOD => headers::Found::One(method.as_bytes()),
        headers::NAME => named
            .as_ref()
            .map_or(headers::Found::None, |named| headers::Found::One(named.as_bytes())),
        _ => headers::Found::None,
    };
    let checked = headers::check_request(&lookup, name, Some(params), claim);
    assert_eq!(checked, headers::check_revision(&claim.protocol_version));
}

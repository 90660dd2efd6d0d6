//! The header ladder by examples, and by what must hold for any value.

use super::*;
use proptest::prelude::*;

fn meta() -> ModernMeta {
    ModernMeta {
        protocol_version: "2026-07-28".into(),
        client_capabilities: crate::raw("{}").expect("JSON"),
        client_info: None,
        log_level: None,
    }
}

fn ladder(headers: &[(&str, &str)], method: &str, params: &str) -> Result<(), i64> {
    let params = crate::raw(params);
    let lookup = |name: &str| {
        let mut values =
            headers.iter().filter(|(key, _)| *key == name).map(|(_, value)| value.as_bytes());
        match (values.next(), values.next()) {
            (None, _) => Found::None,
            (Some(value), None) => Found::One(value),
            _ => Found::Many,
        }
    };
    check_request(&lookup, method, params.as_deref(), &meta()).map_err(|error| error.code)
}

const VERSION: (&str, &str) = (PROTOCOL_VERSION, "2026-07-28");
const CALL: (&str, &str) = (METHOD, "tools/call");

#[test]
fn the_ladder() {
    let params = r#"{"name":"Grüße"}"#;
    let encoded = encode_value("Grüße").into_owned();
    assert_eq!(ladder(&[VERSION, CALL, (NAME, &encoded)], "tools/call", params), Ok(()));
    let bad: [&[(&str, &str)]; 7] = [
        &[CALL, (NAME, &encoded)],
        &[VERSION, (NAME, &encoded)],
        &[VERSION, CALL],
        &[VERSION, CALL, (NAME, "other")],
        &[VERSION, CALL, (NAME, "=?base64?!!?=")],
        &[VERSION, CALL, (NAME, &encoded), (NAME, &encoded)],
        &[(PROTOCOL_VERSION, "2025-11-25"), CALL, (NAME, &encoded)],
    ];
    for headers in bad {
        assert_eq!(
            ladder(headers, "tools/call", params),
            Err(code::HEADER_MISMATCH),
            "{headers:?}"
        );
    }
    assert_eq!(ladder(&[VERSION, (METHOD, "tools/list")], "tools/list", "{}"), Ok(()));
}

#[test]
fn annotations_are_found_or_the_tool_is_refused() {
    let good = r#"{"type":"object","properties":{"a":{"type":"object","properties":{"n":{"type":"integer","x-mcp-header":"Count"}}}}}"#;
    let found = param_headers(&crate::raw(good).expect("JSON")).expect("valid");
    assert_eq!(found[0].header, "mcp-param-count");
    let arguments = crate::raw(r#"{"a":{"n":7}}"#);
    let with = |value: &'static str| {
        let lookup = move |name: &str| {
            if name == "mcp-param-count" { Found::One(value.as_bytes()) } else { Found::None }
        };
        check_params(&lookup, &found, arguments.as_deref()).is_ok()
    };
    assert!(with("7") && with("7.0") && !with("8") && !with("seven"));
    assert!(check_params(&|_| Found::None, &found, arguments.as_deref()).is_err());
    assert!(check_params(&|_| Found::None, &found, None).is_ok());
    for bad in [
        r#"{"properties":{"a":{"type":"array","items":{"type":"string","x-mcp-header":"A"}}}}"#,
        r#"{"properties":{"a":{"type":"number","x-mcp-header":"A"}}}"#,
        r#"{"properties":{"a":{"type":"string","x-mcp-header":"A B"}}}"#,
        r#"{"properties":{"a":{"type":"string","x-mcp-header":"A"},"b":{"type":"string","x-mcp-header":"a"}}}"#,
    ] {
        assert!(param_headers(&crate::raw(bad).expect("JSON")).is_err(), "{bad}");
    }
}

/// A header's value as it may stand on the wire: with white space around it.
fn padded(value: &str, (before, after): &(String, String)) -> Vec<u8> {
    format!("{before}{value}{after}").into_bytes()
}

/// The outcome for a tool with one argument `a` of that type.
fn argument(kind: &str, header: Option<&[u8]>, value: &str) -> Result<(), i64> {
    let schema = format!(r#"{{"properties":{{"a":{{"type":"{kind}","x-mcp-header":"A"}}}}}}"#);
    let wanted = param_headers(&crate::raw(&schema).expect("JSON")).expect("valid");
    let arguments = crate::raw(&format!(r#"{{"b":0,"a":{value}}}"#)).expect("JSON");
    let lookup = |name: &str| match header {
        Some(value) if name == "mcp-param-a" => Found::One(value),
        _ => Found::None,
    };
    check_params(&lookup, &wanted, Some(&arguments)).map_err(|error| error.code)
}

fn json(text: &str) -> String {
    crate::raw_string(text).get().to_owned()
}

/// Any text, and often one that is nearly plain or nearly encoded.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        ".*",
        "[ \\t]*[ -~]{0,12}[ \\t]*",
        "=[?]base64[?][a-zA-Z0-9+/=]{0,9}([?]=)?",
        "\\PC{0,9}"
    ]
}

fn white() -> impl Strategy<Value = (String, String)> {
    ("[ \t]{0,3}", "[ \t]{0,3}")
}

const MISMATCH: Result<(), i64> = Err(code::HEADER_MISMATCH);

proptest! {
    #[test]
    fn any_text_survives_a_header(text in text()) {
        let encoded = encode_value(&text).into_owned();
        prop_assert!(encoded.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte)));
        let decoded = decode_value(encoded.as_bytes()).expect("our own encoding");
        prop_assert_eq!(decoded.as_ref(), text.as_str());
    }

    #[test]
    fn a_value_is_decoded_before_it_is_compared(text in text(), around in white()) {
        let base64 = format!("{ENCODED_START}{}{ENCODED_END}", STANDARD.encode(&text));
        let value = padded(&base64, &around);
        prop_assert_eq!(decode_value(&value), Ok(Cow::Borrowed(text.as_str())));
        prop_assert_eq!(argument("string", Some(&value), &json(&text)), Ok(()));
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(value in proptest::collection::vec(any::<u8>(), 0..40)) {
        if let Ok(decoded) = decode_value(&value) {
            let again = encode_value(&decoded).into_owned();
            prop_assert_eq!(decode_value(again.as_bytes()), Ok(decoded));
        }
    }

    #[test]
    fn the_headers_of_a_body_agree_with_it_and_with_no_other(
        name in text(), other in text(), around in white()
    ) {
        let params = format!(r#"{{"name":{}}}"#, json(&name));
        let value = String::from_utf8(padded(&encode_value(&name), &around)).expect("text");
        let changed = encode_value(&other).into_owned();
        let with = |headers: &[(&str, &str)]| ladder(headers, "tools/call", &params);
        prop_assert_eq!(with(&[VERSION, CALL, (NAME, &value)]), Ok(()));
        let expected = if name == other { Ok(()) } else { MISMATCH };
        prop_assert_eq!(with(&[VERSION, CALL, (NAME, &changed)]), expected);
        prop_assert_eq!(with(&[VERSION, CALL, (NAME, &value), (NAME, &value)]), MISMATCH);
        prop_assert_eq!(with(&[VERSION, CALL, CALL, (NAME, &value)]), MISMATCH);
        prop_assert_eq!(with(&[VERSION, VERSION, CALL, (NAME, &value)]), MISMATCH);
        prop_assert_eq!(with(&[VERSION, CALL]), MISMATCH);
    }

    #[test]
    fn an_argument_agrees_with_its_header_and_with_no_other(
        text in text(), other in text(), around in white()
    ) {
        let value = padded(&encode_value(&text), &around);
        prop_assert_eq!(argument("string", Some(&value), &json(&text)), Ok(()));
        prop_assert_eq!(argument("string", None, &json(&text)), MISMATCH);
        prop_assert_eq!(argument("string", Some(&value), "null"), MISMATCH);
        let expected = if text == other { Ok(()) } else { MISMATCH };
        prop_assert_eq!(argument("string", Some(&value), &json(&other)), expected);
    }

    #[test]
    fn integers_are_compared_as_numbers(number in any::<i64>(), other in any::<i64>(), small in -99_i64..99) {
        for (number, other) in [(number, other), (number, number ^ 1), (small, small + 1)] {
            let agrees = |header: &str, body: i64| {
                argument("integer", Some(header.as_bytes()), &body.to_string())
            };
            prop_assert_eq!(agrees(&number.to_string(), number), Ok(()));
            let expected = if number == other { Ok(()) } else { MISMATCH };
            prop_assert_eq!(agrees(&number.to_string(), other), expected);
            prop_assert_eq!(agrees(&format!("{number}.0"), other) == Ok(()), expected == Ok(()) && number.unsigned_abs() < 1 << 53);
        }
        let spelled = format!("{small}.000");
        prop_assert_eq!(argument("integer", Some(b"1e2"), "100"), Ok(()));
        prop_assert_eq!(argument("integer", Some(spelled.as_bytes()), &small.to_string()), Ok(()));
        for bad in ["nan", "inf", "0x10", "1e400", ""] {
            prop_assert_eq!(argument("integer", Some(bad.as_bytes()), &small.to_string()), MISMATCH);
        }
    }

    #[test]
    fn the_case_of_an_annotation_makes_no_difference(name in "[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}") {
        let schema = |name: &str| {
            let schema = format!(r#"{{"properties":{{"a":{{"type":"string","x-mcp-header":{}}}}}}}"#, json(name));
            param_headers(&crate::raw(&schema).expect("JSON"))
        };
        let found = schema(&name).expect("a token");
        prop_assert_eq!(&found, &schema(&name.to_ascii_uppercase()).expect("a token"));
        prop_assert_eq!(&found[0].header, &found[0].header.to_ascii_lowercase());
        let twice = format!(
            r#"{{"properties":{{"a":{{"type":"string","x-mcp-header":{}}},"b":{{"type":"string","x-mcp-header":{}}}}}}}"#,
            json(&name), json(&name.to_ascii_lowercase())
        );
        prop_assert!(param_headers(&crate::raw(&twice).expect("JSON")).is_err());
    }
}

#[test]
fn integers_beyond_what_all_readers_know_agree_only_letter_for_letter() {
    let agrees = |header: &str, body| argument("integer", Some(header.as_bytes()), body);
    assert_eq!(agrees("9007199254740993", "9007199254740992"), MISMATCH);
    assert_eq!(agrees("9007199254740993", "9007199254740993"), Ok(()));
    assert_eq!(agrees("inf", "1e400"), MISMATCH);
    assert_eq!(agrees("-0", "0"), Ok(()));
}

use super::{super::table::Table, *};
use crate::{
    call::{Downstream, Principal, Question},
    config::TasksConfig,
};
use mcp_protocol::{Era, ModernMeta};
use serde_json::Value;

const START: UtcMillis = UtcMillis::from_millis(1_795_219_200_000);
const TTL: Duration = Duration::from_secs(60);

struct Nobody;

impl Downstream for Nobody {
    fn notify(&self, _method: &str, _params: Option<Box<RawValue>>) {}
    fn ask(&self, question: Question<'_>) -> crate::call::BoxFuture<'static, Payload> {
        Box::pin(std::future::ready(Err(RpcError::method_not_found(question.method))))
    }
}

fn at(seconds: u64) -> UtcMillis {
    START.after(Duration::from_secs(seconds))
}

fn kept() -> Kept {
    let capabilities =
        r#"{"elicitation":{},"extensions":{"io.modelcontextprotocol/tasks":{},"x/y":{}}}"#;
    let meta = ModernMeta {
        protocol_version: "2026-07-28".into(),
        client_capabilities: raw(capabilities).expect("JSON"),
        client_info: None,
        log_level: None,
    };
    let caller = Caller {
        principal: Principal::named("alice"),
        era: Era::Modern,
        session: None,
        modern: Some(Arc::new(meta)),
        downstream: Arc::new(Nobody),
    };
    let tool = ToolEntry::for_tests("u__build", "build", "u");
    let params = r#"{"name":"u__build","arguments":{"n":1.50},"_meta":{"own":1,"progressToken":7,"io.modelcontextprotocol/logLevel":"debug"}}"#;
    Kept::new(&caller, &tool, raw(params).as_deref(), START)
}

fn shown(kept: &Kept) -> Value {
    serde_json::from_str(kept.told(TTL).detailed().to_raw().get()).expect("JSON")
}

fn answer(text: &str) -> Payload {
    Ok(raw(text).expect("JSON"))
}

fn responses(text: &'static str) -> RawObject<'static> {
    RawObject::parse_str(text).expect("an object")
}

const ASKS: &str = r#"{"resultType":"input_required","inputRequests":{"a":{"method":"m","params":{"x":1.0}},"b":{"method":"n"}},"requestState":"s1"}"#;

#[test]
fn the_call_is_sent_as_it_came_with_a_token_of_ours() {
    let kept = kept();
    assert_eq!(
        kept.params().get(),
        r#"{"name":"u__build","arguments":{"n":1.50},"_meta":{"own":1,"progressToken":"task"}}"#
    );
    assert_eq!(kept.capabilities().get(), r#"{"elicitation":{},"extensions":{"x/y":{}}}"#);
    assert_eq!(shown(&kept)["status"], "working");
}

#[test]
fn answers_are_gathered_until_none_is_missing() {
    let mut kept = kept();
    assert!(!kept.answered(answer(ASKS), at(1)));
    let told = shown(&kept);
    assert_eq!(told["status"], "input_required");
    assert_eq!(told["inputRequests"]["1.a"], json!({"method": "m", "params": {"x": 1.0}}));
    assert!(!kept.answer(&responses(r#"{"1.a":{"v":1},"b":{},"7.a":{}}"#), at(2)));
    assert_eq!(shown(&kept)["inputRequests"], json!({"1.b": {"method": "n"}}));
    assert!(!kept.answer(&responses(r#"{"1.a":{"v":9}}"#), at(3)), "it was told once");
    assert!(kept.answer(&responses(r#"{"1.b":{"v":2}}"#), at(4)));
    let params: Value = serde_json::from_str(kept.params().get()).expect("JSON");
    assert_eq!(params["inputResponses"], json!({"a": {"v": 1}, "b": {"v": 2}}));
    assert_eq!(params["requestState"], "s1");
    // The next round asks under other keys, and brings its own state.
    assert!(!kept.answered(
        answer(r#"{"resultType":"input_required","inputRequests":{"a":{"method":"m"}}}"#),
        at(5)
    ));
    assert_eq!(shown(&kept)["inputRequests"], json!({"2.a": {"method": "m"}}));
    assert!(kept.answer(&responses(r#"{"2.a":{"v":3}}"#), at(6)));
    let params: Value = serde_json::from_str(kept.params().get()).expect("JSON");
    assert_eq!(params["inputResponses"], json!({"a": {"v": 3}}));
    assert!(params.get("requestState").is_none());
}

#[test]
fn what_waits_is_the_same_after_it_was_stored() {
    let mut before = kept();
    before.answered(answer(ASKS), at(1));
    before.answer(&responses(r#"{"1.a":{"v":1}}"#), at(2));
    let mut after = Kept::stored(before.record.clone()).expect("readable");
    assert_eq!(shown(&after), shown(&before));
    assert!(after.answer(&responses(r#"{"1.b":{"v":2}}"#), at(3)));
    assert!(after.params().get().contains(r#""inputResponses":{"a":{"v":1},"b":{"v":2}}"#));
}

#[test]
fn an_upstream_that_asks_nothing_is_called_again_but_not_for_ever() {
    let mut kept = kept();
    let again = r#"{"resultType":"input_required","requestState":"later"}"#;
    for _ in 0..MOST_ROUNDS {
        assert!(kept.answered(answer(again), at(1)));
    }
    assert!(!kept.answered(answer(again), at(1)));
    assert_eq!(shown(&kept)["status"], "failed");
}

#[test]
fn it_ends_as_its_call_did() {
    let ended = |payload| {
        let mut kept = kept();
        assert!(!kept.answered(payload, at(9)));
        shown(&kept)
    };
    let failed_tool = ended(answer(r#"{"content":[],"isError":true}"#));
    assert_eq!(
        (&failed_tool["status"], &failed_tool["result"]),
        (&json!("completed"), &json!({"content": [], "isError": true}))
    );
    let error = RpcError::new(-32603, "broken").with_data(&json!({"x": 1}));
    let failed = ended(Err(error));
    assert_eq!(failed["status"], "failed");
    assert_eq!(failed["statusMessage"], "broken");
    assert_eq!(failed["error"], json!({"code": -32603, "message": "broken", "data": {"x": 1}}));
    assert!(failed.get("result").is_none());
    assert_eq!(failed["ttlMs"], 69_000, "it is kept for as long after its end");
}

fn bounds(most: usize, most_per_principal: usize) -> TasksConfig {
    TasksConfig { most, most_per_principal, ttl: TTL, ..TasksConfig::default() }
}

#[test]
fn one_principal_leaves_room_for_the_others() {
    let of = |principal: &str| {
        let mut kept = kept();
        kept.record.principal = principal.into();
        kept
    };
    let mut table = Table::new(bounds(3, 2));
    let first = of("alice");
    let id = Arc::clone(&first.record.id);
    assert!(table.admit(first) && table.admit(of("alice")));
    assert!(!table.admit(of("alice")), "two is the most of one");
    assert!(table.admit(of("bob")) && !table.admit(of("bob")), "three is the most of all");
    assert!(!table.has_room("alice", 128 << 20) && table.has_room("bob", 100 << 20));
    table.forget(&id);
    assert!(table.admit(of("alice")), "it made room");
}

#[test]
fn it_is_found_by_its_principal_within_its_time_and_changes_no_more_when_it_has_ended() {
    let mut table = Table::new(bounds(2, 2));
    let (first, second) = (kept(), kept());
    let id = Arc::clone(&first.record.id);
    assert!(table.admit(first) && table.admit(second) && !table.admit(kept()), "two is the most");
    assert!(table.of("alice", &id).is_some() && table.of("bob", &id).is_none());
    assert!(table.expire(at(10_000)).is_empty(), "what runs stays");
    assert!(table.change(&id, |kept| kept.give_up(at(10))).is_some());
    assert!(table.change(&id, |kept| kept.give_up(at(20))).is_none());
    assert!(table.expire(at(69)).is_empty());
    assert_eq!(table.expire(at(70)), [Arc::clone(&id)]);
    assert!(table.get(&id).is_none() && table.admit(kept()), "it made room");
}

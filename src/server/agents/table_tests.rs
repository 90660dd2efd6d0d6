use super::*;
use mcp_store::TaskRecord;

const START: UtcMillis = UtcMillis::from_millis(1_795_219_200_000);

fn at(seconds: u64) -> UtcMillis {
    START.after(Duration::from_secs(seconds))
}

fn table(most_tasks: usize, most_queued: usize) -> Table {
    let (queue_timeout, kept) = (Duration::from_secs(60), Duration::from_secs(600));
    let most_queued_of_one = most_queued;
    Table::new(Bounds { most_tasks, most_queued, most_queued_of_one, queue_timeout, kept })
}

fn task(id: &str, seconds: u64) -> Task {
    Task::new(TaskRecord {
        id: id.into(),
        principal: "alice".into(),
        kind: "worker".into(),
        task: "count".into(),
        tool: "perform".into(),
        arguments: "{}".into(),
        state: TaskState::Queued,
        attempts: 0,
        repeatable: false,
        created: at(seconds),
        changed: at(seconds),
        result: None,
        history: "[]".into(),
    })
}

fn lane() -> Lane {
    Lane { principal: "alice".into(), kind: "worker".into() }
}

fn take(table: &mut Table) -> Option<Arc<str>> {
    table.take(&lane(), &"worker-1".into(), at(1)).map(|task| Arc::clone(&task.record.id))
}

fn give(table: &mut Table, id: &str, seconds: u64) {
    table.admit(task(id, seconds)).expect("there is room");
    table.queue(&id.into());
}

fn state(table: &Table, id: &str) -> TaskState {
    table.get(id).expect("kept").record.state
}

#[test]
fn tasks_are_taken_in_order_and_each_once() {
    let mut table = table(10, 10);
    give(&mut table, "a", 0);
    give(&mut table, "b", 0);
    let other = Lane { principal: "bob".into(), ..lane() };
    assert!(table.take(&other, &"x".into(), at(1)).is_none(), "agents of others take nothing");
    assert_eq!(take(&mut table).as_deref(), Some("a"));
    assert_eq!(take(&mut table).as_deref(), Some("b"));
    assert_eq!(take(&mut table), None);
}

#[test]
fn what_may_have_run_is_placed_again_only_if_it_may_be_repeated() {
    let mut table = table(10, 10);
    for id in ["once", "again", "not-sent"] {
        give(&mut table, id, 0);
        take(&mut table);
        table.repeatable(id, id == "again");
    }
    table.lost("once", Ran::Unknown, "killed", at(2));
    assert_eq!(state(&table, "once"), TaskState::Failed);
    let result = table.get("once").expect("kept").result();
    assert_eq!(
        (&result["error"]["code"], &result["error"]["ran"]),
        (&"outcome_unknown".into(), &"unknown".into())
    );
    table.lost("again", Ran::Unknown, "killed", at(2));
    table.lost("not-sent", Ran::No, "killed", at(2));
    for id in ["again", "not-sent"] {
        assert_eq!(state(&table, id), TaskState::Queued);
        table.queue(&id.into());
    }
    assert!(take(&mut table).is_some() && take(&mut table).is_some());
}

#[test]
fn a_task_is_placed_so_often_and_no_more() {
    let mut table = table(10, 10);
    give(&mut table, "a", 0);
    for attempt in 1..=MOST_ATTEMPTS {
        assert_eq!(take(&mut table).as_deref(), Some("a"), "{attempt}");
        table.lost("a", Ran::No, "killed", at(2));
        table.queue(&"a".into());
    }
    assert_eq!(take(&mut table), None);
    let result = table.get("a").expect("kept").result();
    assert_eq!(
        (&result["error"]["code"], &result["error"]["ran"]),
        (&"unavailable".into(), &"no".into())
    );
}

#[test]
fn the_first_end_stays_and_a_cancelled_task_is_not_taken() {
    let mut table = table(10, 10);
    give(&mut table, "a", 0);
    let cancelled = End::failed(Code::Cancelled, "no", "given up");
    assert!(table.end("a", &cancelled, at(1)).is_some());
    assert!(table.end("a", &End::Answered("{}".into()), at(2)).is_none());
    assert_eq!((take(&mut table), state(&table, "a")), (None, TaskState::Cancelled));
    assert!(table.lost("a", Ran::No, "killed", at(3)).is_none());
}

#[test]
fn bounds_hold_and_what_ended_makes_room() {
    let mut table = table(3, 2);
    give(&mut table, "a", 0);
    give(&mut table, "b", 0);
    assert_eq!(table.admit(task("c", 0)).err(), Some(Full::Queue(2)));
    take(&mut table);
    give(&mut table, "c", 0);
    take(&mut table);
    assert_eq!(table.admit(task("d", 0)).err(), Some(Full::Tasks(3)));
    table.end("a", &End::Answered("{}".into()), at(1));
    assert_eq!(table.admit(task("d", 0)).map(|gone| gone.len()), Ok(1));
    assert!(table.get("a").is_none());
    let bytes: usize = table.all().map(Task::bytes).sum();
    assert_eq!(table.bytes(), bytes);
}

#[test]
fn what_waits_too_long_is_found_and_what_ended_long_ago_goes() {
    let mut table = table(10, 10);
    give(&mut table, "a", 0);
    give(&mut table, "b", 30);
    assert!(table.overdue(at(59)).is_empty());
    let overdue: Vec<_> = table.overdue(at(61)).iter().map(ToString::to_string).collect();
    assert_eq!(overdue, ["a"]);
    table.end("a", &End::failed(Code::Expired, "no", ""), at(61));
    table.expire(at(660));
    assert!(table.get("a").is_some());
    table.expire(at(661));
    assert!(table.get("a").is_none() && table.get("b").is_some());
    assert!(table.overdue(at(61)).is_empty());
}

//! Many calls of a tool that must not run twice, each with a key of its own, over a wire that is
//! cut before, during and after the send. The upstream writes down what it ran.

use super::{far, listed, over, told};
use crate::support::{Cut, Modern, Server, Wire, dice, once_for_each_key, text};
use futures_util::future::join_all;
use serde_json::json;
use std::{collections::HashMap, fmt, ops::Range, time::Duration};
use tokio::time::sleep;

/// How many calls are on their way at once.
const AT_ONCE: usize = 8;

/// What became of the calls, and how often the wire was cut.
#[derive(Debug, Default)]
pub struct Cuts {
    era: String,
    seed: u64,
    acknowledged: usize,
    unknown: usize,
    resent: f64,
    before: usize,
    after: usize,
}

impl fmt::Display for Cuts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { era, seed, acknowledged, unknown, resent, before, after } = self;
        write!(f, "{era}, seed {seed}: {acknowledged} acknowledged, {unknown} unknown, ")?;
        write!(f, "{resent} sent again; cuts: {before} before the first byte, {after} after it")
    }
}

/// Where the request with that key is cut: one in nine is, each at most once.
fn plan(seed: u64) -> impl Fn(&str) -> Cut + Send + Sync {
    let thrown = once_for_each_key(seed);
    move |request| match thrown(request) {
        Some(0..4) => Cut::During,
        Some(4..8) => Cut::After,
        Some(8..11) => Cut::InAnswer,
        _ => Cut::None,
    }
}

/// How a call ended, in one word.
async fn call(client: &Modern<'_>, number: usize) -> (usize, &'static str) {
    let arguments = json!({"key": format!("key-{number}"), "ms": number % 3});
    let result = client.call("far__record", arguments).await;
    let end = match told(&result) {
        ("", "") if result["isError"] != true => {
            assert_eq!(text(&result), format!("key-{number}"));
            "acknowledged"
        }
        ("outcome_unknown", "unknown") => "unknown",
        ("unavailable", "no") => "no",
        _ => panic!("{result}"),
    };
    (number, end)
}

/// Calls side by side, some after all connections were cut, some while nobody listens.
async fn rounds(
    client: &Modern<'_>,
    wire: &Wire,
    dice: u64,
    numbers: Range<usize>,
) -> Vec<(usize, &'static str)> {
    if dice < 30 {
        wire.cut_idle().await;
    }
    if dice < 10 {
        wire.down().await;
    }
    let calls = join_all(numbers.map(|number| call(client, number)));
    let up = async {
        sleep(Duration::from_millis(30)).await;
        wire.up();
    };
    tokio::join!(calls, up).0
}

/// Calls so many times and compares what was answered with what ran.
pub async fn cut_calls(era: &str, seed: u64, calls: usize) -> Cuts {
    let dir = tempfile::tempdir().expect("a folder");
    let log = dir.path().join("ran");
    let far = far(&log).await;
    let wire = Wire::before(far.base(), plan(seed));
    let server = over(&wire, &far, era).start().await;
    server.upstreams(&["far"], "connected").await;
    let client = Modern::new(&server);
    listed(&server, "far__record").await;
    let mut ends = Vec::new();
    for first in (0..calls).step_by(AT_ONCE) {
        let round = first..calls.min(first + AT_ONCE);
        ends.extend(rounds(&client, &wire, dice(seed, first), round).await);
    }
    let ran = std::fs::read_to_string(&log).expect("something ran");
    compare(&ends, &ran);
    let of = |word| ends.iter().filter(|(_, end)| *end == word).count();
    let (before, after) = wire.cuts();
    let (acknowledged, unknown) = (of("acknowledged"), of("unknown"));
    assert_eq!(of("no"), 0, "cuts before the first byte all end in results");
    assert!(unknown <= after, "{unknown} unknown, {after} cuts after the first byte");
    let resent = counted(&server, unknown).await;
    server.finish().await;
    Cuts { era: era.to_owned(), seed, acknowledged, unknown, resent, before, after }
}

/// No key ran twice; what was acknowledged ran; what was said not to have run did not.
fn compare(ends: &[(usize, &'static str)], ran: &str) {
    let mut times: HashMap<&str, usize> = HashMap::new();
    for line in ran.lines() {
        *times.entry(line.strip_prefix("ran ").expect("a line of `record`")).or_default() += 1;
    }
    for (number, end) in ends {
        let times = times.get(&*format!("key-{number}")).copied().unwrap_or(0);
        assert!(times <= 1, "key-{number} ran {times} times, and was answered `{end}`");
        let truth = match *end {
            "acknowledged" => times == 1,
            "no" => times == 0,
            _ => true,
        };
        assert!(truth, "key-{number} ran {times} times, and was answered `{end}`");
    }
}

/// What the server counted of it; how many calls were sent again.
async fn counted(server: &Server, unknown: usize) -> f64 {
    let scrape = server.scrape().await;
    let of = |name: &str, labels: &[(&str, &str)]| scrape.sum(name, labels);
    let unknown = f64::from(u32::try_from(unknown).expect("few"));
    assert_eq!(of("mcp_calls_outcome_unknown_total", &[("upstream", "far")]), unknown);
    assert_eq!(of("mcp_replays_total", &[("decision", "refused_unsafe")]), unknown);
    of("mcp_replays_total", &[("decision", "resent")])
}

#[tokio::test]
async fn no_call_of_five_hundred_runs_twice_on_a_wire_that_is_cut_in_the_legacy_era() {
    println!("{}", cut_calls("legacy", 1, 500).await);
}

#[tokio::test]
async fn no_call_of_five_hundred_runs_twice_on_a_wire_that_is_cut_in_the_modern_era() {
    println!("{}", cut_calls("modern", 2, 500).await);
}

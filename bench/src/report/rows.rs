//! The rows of the table: every figure that has a target, and where it is found.

use crate::runs::Pick;

/// One row.
pub(crate) struct Row {
    pub(crate) work: &'static str,
    pub(crate) figure: &'static str,
    /// Under what label `bench/run` files the runs.
    pub(crate) label: &'static str,
    /// JSON pointer to the figure in a run.
    pub(crate) at: &'static str,
    pub(crate) pick: Pick,
    /// What a figure is divided by to be shown.
    pub(crate) divisor: f64,
    pub(crate) against: Against,
    pub(crate) target: Target,
}

/// What a figure stands beside.
#[derive(Clone, Copy)]
pub(crate) enum Against {
    /// The same figure of the runs of the other side, which is called that.
    Other(&'static str),
    /// Another figure of the same runs, which is called that.
    Own(&'static str, &'static str),
    Nothing,
}

/// What is to be reached.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// At most so many times what it stands beside.
    TimesAtMost(f64),
    /// At least so many times what it stands beside.
    TimesAtLeast(f64),
    /// At most so much more than what it stands beside.
    MoreAtMost(f64),
    AtMost(f64),
    AtLeast(f64),
    /// Shown for information.
    None,
}

const FLOOR: Against = Against::Other("floor");
const MIB_IN_KIB: f64 = 1024.0;
const MIB: f64 = 1024.0 * 1024.0;

const fn row(
    work: &'static str,
    figure: &'static str,
    (label, at): (&'static str, &'static str),
    against: Against,
    target: Target,
) -> Row {
    Row { work, figure, label, at, pick: Pick::Median, divisor: 1.0, against, target }
}

impl Row {
    const fn worst(mut self) -> Self {
        self.pick = Pick::Most;
        self
    }

    const fn in_units_of(mut self, divisor: f64) -> Self {
        self.divisor = divisor;
        self
    }
}

const fn cpu(work: &'static str, label: &'static str, times: f64) -> Row {
    row(work, "server CPU, µs each", (label, "/cpu_us"), FLOOR, Target::TimesAtMost(times))
}

const fn throughput(work: &'static str, label: &'static str, times: f64) -> Row {
    row(work, "calls/s", (label, "/ops_per_s"), FLOOR, Target::TimesAtLeast(times))
}

const fn p99(work: &'static str, label: &'static str, times: f64) -> Row {
    row(work, "p99, ms", (label, "/latency_ms/p99"), FLOOR, Target::TimesAtMost(times))
}

const fn forwarded(
    work: &'static str,
    figure: &'static str,
    label: &'static str,
    at: &'static str,
    target: Target,
) -> Row {
    row(work, figure, (label, at), Against::Other("direct"), target)
}

const fn each(work: &'static str, label: &'static str, most: f64) -> Row {
    row(work, "RSS each, KiB", (label, "/kib_each"), FLOOR, Target::AtMost(most))
}

const fn probe(work: &'static str, label: &'static str) -> Row {
    let none = Against::Own("none open", "/probe_none_p99_ms");
    let at = (label, "/probe_all_p99_ms");
    row(work, "p99 of a probe call, ms", at, none, Target::TimesAtMost(2.0))
}

const fn growth(work: &'static str, label: &'static str) -> Row {
    let at = (label, "/growth");
    row(work, "RSS with all open, last round / one before", at, FLOOR, Target::AtMost(1.05))
}

const fn connected(
    work: &'static str,
    figure: &'static str,
    at: (&'static str, &'static str),
) -> Row {
    row(work, figure, at, Against::Nothing, Target::AtMost(100.0)).worst()
}

const fn held_rate(work: &'static str, label: &'static str) -> Row {
    row(work, "messages/s", (label, "/ops_per_s"), Against::Nothing, Target::AtLeast(9_900.0))
}

const fn held_p99(work: &'static str, label: &'static str) -> Row {
    row(
        work,
        "p99 since due, ms",
        (label, "/since_due_ms/p99"),
        Against::Nothing,
        Target::AtMost(100.0),
    )
}

const HTTP_16: &str = "tool call, HTTP, c=16";
const HTTP_64: &str = "tool call, HTTP, c=64";
const WS_16: &str = "tool call, WebSocket, c=16";
const WS_64: &str = "tool call, WebSocket, c=64";
const HANDSHAKE: &str = "handshake, HTTP, c=10";
const ONE_BY_ONE: &str = "handshake, HTTP, one by one";
const FORWARDED: &str = "forwarded call, c=16";
const PACED: &str = "forwarded call, c=16, 2,000/s";
const PLAIN: &str = "idle sessions, no stream";
const STREAMS: &str = "idle sessions, open GET stream";
const SOCKETS: &str = "idle sessions, WebSocket";
const SCRAPE: &str = "scrape with idle sessions open";
const STORE: &str = "session store on (SQLite)";
const TRACING: &str = "tracing at 100 %";
const CONNECTED_HTTP: &str = "client library connects, HTTP";
const CONNECTED_WS: &str = "client library connects, WebSocket";
const HELD_HTTP: &str = "10,000 messages/s held, HTTP";
const HELD_WS: &str = "10,000 messages/s held, WebSocket";
const CHAOS_1: &str = "chaos proxy without faults, c=1";
const CHAOS_64: &str = "chaos proxy without faults, c=64";

/// The table.
pub(crate) const ROWS: &[Row] = &[
    cpu(HTTP_16, "call-http-16", 1.35),
    throughput(HTTP_16, "call-http-16", 0.75),
    p99(HTTP_16, "call-http-16", 1.5),
    cpu(HTTP_64, "call-http-64", 1.35),
    throughput(HTTP_64, "call-http-64", 0.75),
    p99(HTTP_64, "call-http-64", 1.5),
    cpu(WS_16, "call-ws-16", 1.35),
    throughput(WS_16, "call-ws-16", 0.75),
    cpu(WS_64, "call-ws-64", 1.35),
    throughput(WS_64, "call-ws-64", 0.75),
    cpu(HANDSHAKE, "handshake-10", 1.5),
    row(HANDSHAKE, "server CPU, µs each", ("handshake-10", "/cpu_us"), FLOOR, Target::AtMost(50.0)),
    row(ONE_BY_ONE, "median, ms", ("handshake-1", "/latency_ms/p50"), FLOOR, Target::AtMost(1.0)),
    row(ONE_BY_ONE, "maximum, ms", ("handshake-1", "/latency_ms/max"), FLOOR, Target::AtMost(20.0))
        .worst(),
    forwarded(FORWARDED, "p50, ms", "forward", "/latency_ms/p50", Target::MoreAtMost(0.15)),
    forwarded(FORWARDED, "p99, ms", "forward", "/latency_ms/p99", Target::MoreAtMost(1.0)),
    forwarded(FORWARDED, "calls/s", "forward", "/ops_per_s", Target::None),
    forwarded(PACED, "p50, ms", "forward-paced", "/latency_ms/p50", Target::MoreAtMost(0.15)),
    forwarded(PACED, "p99, ms", "forward-paced", "/latency_ms/p99", Target::MoreAtMost(1.0)),
    each(PLAIN, "idle-plain", 2.0),
    each(STREAMS, "idle-streams", 24.0),
    each(SOCKETS, "idle-ws", 12.0),
    probe(PLAIN, "idle-plain"),
    probe(STREAMS, "idle-streams"),
    probe(SOCKETS, "idle-ws"),
    row(
        SCRAPE,
        "longest of 20, ms",
        ("idle-plain", "/scrape_ms"),
        Against::Nothing,
        Target::AtMost(20.0),
    ),
    growth(PLAIN, "idle-plain"),
    growth(STREAMS, "idle-streams"),
    growth(SOCKETS, "idle-ws"),
    row(
        STORE,
        "calls/s",
        ("store-call", "/ops_per_s"),
        Against::Other("without"),
        Target::TimesAtLeast(0.9),
    ),
    row(
        STORE,
        "sessions/s opened and closed durably, c=64",
        ("store-handshake", "/ops_per_s"),
        Against::Nothing,
        Target::AtLeast(5_000.0),
    ),
    row(
        TRACING,
        "calls/s",
        ("tracing", "/ops_per_s"),
        Against::Other("at 1 %"),
        Target::TimesAtLeast(0.75),
    ),
    row(TRACING, "spans that arrived", ("spans", "/spans"), Against::Nothing, Target::None),
    row(
        "cold start",
        "first handshake, ms",
        ("cold", "/first_handshake_ms/median"),
        Against::Nothing,
        Target::AtMost(20.0),
    ),
    row("binary", "stripped, MiB", ("binary", "/bytes"), Against::Nothing, Target::AtMost(25.0))
        .in_units_of(MIB),
    row("at rest", "RSS, MiB", ("cold", "/rss_kib/median"), Against::Nothing, Target::AtMost(12.0))
        .in_units_of(MIB_IN_KIB),
    connected(CONNECTED_HTTP, "median, ms", ("connect-http", "/latency_ms/p50")),
    connected(CONNECTED_HTTP, "maximum, ms", ("connect-http", "/latency_ms/max")),
    connected(CONNECTED_WS, "median, ms", ("connect-ws", "/latency_ms/p50")),
    connected(CONNECTED_WS, "maximum, ms", ("connect-ws", "/latency_ms/max")),
    held_rate(HELD_HTTP, "held-http"),
    held_p99(HELD_HTTP, "held-http"),
    held_rate(HELD_WS, "held-ws"),
    held_p99(HELD_WS, "held-ws"),
    forwarded(CHAOS_1, "p50, ms", "chaos-1", "/latency_ms/p50", Target::MoreAtMost(0.1)),
    forwarded(CHAOS_1, "p99, ms", "chaos-1", "/latency_ms/p99", Target::None),
    // A call is two messages: the request and its answer.
    forwarded(CHAOS_64, "messages/s", "chaos-64", "/ops_per_s", Target::AtLeast(20_000.0))
        .in_units_of(0.5),
];

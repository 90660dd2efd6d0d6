// The servers behind us: whether they are there, how they answer, what their loss cost.
import { COLORS, columns } from "./looks.mjs";
import { dashboard, lines, logs, percentiles, query, RATE, row, stacked, stat, states, table, traces, U } from "./parts.mjs";

const links = [logs('upstream != ""'), traces('kind = client && status = error')];
// The state as a number; of one upstream exactly one is 1.
const STATE = ["connected", "connecting", "reconnecting", "failed", "stopped"]
  .map((state, index) => `${index + 1} * sum by (instance, upstream) (mcp_upstream_state{${U}, state="${state}"})`)
  .join(" + ");
const by = (metric, label) => [query(`sum by (upstream, ${label}) (rate(${metric}{${U}}[${RATE}]))`, `{{upstream}} {{${label}}}`)];

export const upstreams = dashboard("mcp-upstreams", "The servers behind us: whether they are there, how they answer, what their loss cost.", [
  row("Now"),
  stat("Connected", "Upstreams that are in use. Fewer than configured: the state below says which is missing.", [query(`sum(mcp_upstream_state{${U}, state="connected"})`)], { unit: "none", links }),
  stat("Away", "Upstreams that are being brought back, or were given up for a while. More than none: follow the runbook of McpUpstreamDown.", [query(`sum(mcp_upstream_state{${U}, state=~"reconnecting|failed|connecting"})`)], { unit: "none", steps: [[null, "green"], [1, "red"]], links }),
  stat("Tools listed", "Tools that clients are offered. Fewer than usual: an upstream offers fewer, or was away for longer than `limits.max_stale`.", [query(`count(mcp_tool_available{${U}})`)], { unit: "none", links: [logs('event =~ "catalogue_.*"')] }),
  stat("Tools in reach", "Of those, the ones that a call would reach in time. Fewer than listed: an upstream is away.", [query(`sum(mcp_tool_available{${U}})`)], { unit: "none", links }),
  stat("Started anew", "How often upstreams were lost and brought back in the chosen time. Often: its log is in ours as `upstream says`.", [query(`sum(increase(mcp_upstream_restarts_total{${U}}[$__range]))`)], { unit: "none", defaults: { decimals: 0 }, links: [logs('event = "upstream_restarted"')] }),
  stat("Oldest list", "How long ago the lists of an upstream were read, of the one where it is longest. They are read after each connection and change; old ones of a connected upstream are no fault.", [query(`time() - min(mcp_catalogue_refreshed_timestamp_seconds{${U}} > 0)`)], { unit: "s", links: [logs('event =~ "catalogue_.*"')] }),
  states(
    "State",
    "Green is connected. Orange or red: it is being brought back; the log says why it was lost. Grey was stopped on purpose.",
    [query(STATE, "{{upstream}} {{instance}}")],
    {
      1: { text: "connected", color: "green", index: 0 },
      2: { text: "connecting", color: "blue", index: 1 },
      3: { text: "reconnecting", color: "orange", index: 2 },
      4: { text: "failed", color: "red", index: 3 },
      5: { text: "stopped", color: "gray", index: 4 },
    },
    { size: [12, 8], links },
  ),
  table(
    "Upstreams",
    "Each upstream with its tools and how much of the chosen time they could be called. Below 99.9 %: the causes are below.",
    [
      query(`sum by (upstream) (mcp_upstream_state{${U}, state="connected"})`),
      query(`count by (upstream) (mcp_tool_available{${U}})`),
      query(`sum by (upstream) (mcp_tool_available{${U}})`),
      query(`1 - sum by (upstream) (increase(mcp_tool_unavailable_seconds_total{${U}}[$__range])) / sum by (upstream) (increase(mcp_tool_seconds_total{${U}}[$__range]))`),
    ],
    {
      size: [12, 8],
      links,
      unit: "none",
      transformations: columns({ upstream: "Upstream", "Value #A": "Connected", "Value #B": "Tools", "Value #C": "In reach", "Value #D": "Availability" }),
      overrides: [{ matcher: { id: "byName", options: "Availability" }, properties: [{ id: "unit", value: "percentunit" }, { id: "decimals", value: 3 }] }],
    },
  ),
  row("Attempts"),
  stacked("Attempts by outcome", "Tries to have a call done. timeout: it hangs; unavailable: no connection; outcome_unknown: lost in mid-call; rate_limited: it wants fewer; refused: our credentials; others: its own.", [query(`sum by (outcome) (rate(mcp_upstream_attempts_total{${U}}[${RATE}]))`, "{{outcome}}")], { colors: COLORS.call, unit: "reqps", links }),
  stacked("Attempts that failed, by upstream", "All but ok. One upstream: its own trouble; all at once: the network, or this machine.", [query(`sum by (upstream, outcome) (rate(mcp_upstream_attempts_total{${U}, outcome!="ok"}[${RATE}]))`, "{{upstream}} {{outcome}}")], { unit: "reqps", links }),
  lines("Duration of attempts: median", "How long upstreams take. One that rises: it is short of something; give it more, or call it less.", [query(`histogram_quantile(0.5, sum by (upstream, le) (rate(mcp_upstream_attempt_duration_seconds_bucket{${U}}[${RATE}]))) > 0`, "{{upstream}}")], { unit: "s", links }),
  lines("Duration of attempts: p95", "The slow end. Far above the median: some calls wait; see a trace of one.", [query(`histogram_quantile(0.95, sum by (upstream, le) (rate(mcp_upstream_attempt_duration_seconds_bucket{${U}}[${RATE}]))) > 0`, "{{upstream}}")], { unit: "s", links }),
  stacked("Sent again or not", "What was decided of tries without an answer. Many refused_unsafe: declare tools idempotent, or name them in `safe_to_repeat`.", by("mcp_replays_total", "decision"), { colors: COLORS.again, unit: "cps", links }),
  stacked("Outcome unknown", "Calls that may or may not have run. Whoever made them was told; see why it is lost in mid-call.", [query(`sum by (upstream) (rate(mcp_calls_outcome_unknown_total{${U}}[${RATE}]))`, "{{upstream}}")], { unit: "cps", links: [logs('event = "outcome_unknown"'), traces()] }),
  row("Loss and return"),
  stacked("Started anew, by cause", "exited: its process ended; session_lost: it forgot us; connection_lost: the network; hung: it did not answer pings. Often: follow the runbook of McpUpstreamFlapping.", by("mcp_upstream_restarts_total", "cause"), { unit: "cps", links: [logs('event = "upstream_restarted"')] }),
  lines("Recovery time", "From the loss until it was connected again. Longer than `limits.park`: calls ended as unavailable.", percentiles("mcp_upstream_recovery_duration_seconds", U, "upstream", [0.5, 0.95]), { empty: "none was lost", unit: "s", links: [logs('event = "upstream_restarted"')] }),
  stacked("Tools away, by cause", "How many tools could not be called, on the average. never_reached: its configuration; refused: our credentials; others: the upstream itself.", by("mcp_tool_unavailable_seconds_total", "cause"), { unit: "none", links }),
  lines("Age of lists", "Since when the lists of each upstream were not read. They are read after each connection and change, so a high line alone is no fault.", [query(`time() - (mcp_catalogue_refreshed_timestamp_seconds{${U}} > 0)`, "{{upstream}}")], { size: [12, 8], unit: "s", links: [logs('event =~ "catalogue_.*"')] }),
  lines("Tools in reach, by upstream", "Tools that a call would reach in time. A step to nothing: it is away; back up: it is there again.", [query(`sum by (upstream) (mcp_tool_available{${U}})`, "{{upstream}}")], { size: [12, 8], unit: "none", links }),
]);

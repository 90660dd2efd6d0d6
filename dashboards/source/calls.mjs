// Calls: how many, how they end, how long they take, of which tool.
import { COLORS, columns } from "./looks.mjs";
import { dashboard, I, lines, logs, most, percentiles, query, RATE, row, stacked, stat, table, traces, U } from "./parts.mjs";

const FAULTS = 'status=~"server_error|unavailable|outcome_unknown|timeout"';
const links = [logs('event = "call_finished"'), traces()];

export const calls = dashboard("mcp-calls", "Calls: how many, how they end, how long they take, of which tool.", [
  row("All methods"),
  stat("Calls", "Calls a second. None though clients are there: see whether they can connect.", [query(`sum(rate(mcp_requests_total{${I}}[${RATE}]))`)], { size: [3, 4], unit: "reqps" }),
  stat("Failed", "The part of calls that ended as server_error, unavailable, outcome_unknown or timeout. Above 1 %: see by status below, then the upstream.", [query(`sum(rate(mcp_requests_total{${I}, ${FAULTS}}[${RATE}])) / sum(rate(mcp_requests_total{${I}}[${RATE}]))`)], { empty: "no call", size: [3, 4], unit: "percentunit", steps: [[null, "green"], [0.01, "orange"], [0.05, "red"]], links }),
  stat("p99 of tool calls", "Of a hundred tool calls one takes longer. Above what you expect of your tools: see whether it is the upstream's time or ours.", [query(`histogram_quantile(0.99, sum by (le) (rate(mcp_request_duration_seconds_bucket{${I}, method="tools/call"}[${RATE}])))`)], { empty: "no call", size: [5, 4], unit: "s", links }),
  stat("In flight", "Calls that were not answered yet. Growing: an upstream hangs; see the oldest.", [query(`sum(mcp_requests_in_flight{${I}})`)], { size: [3, 4], unit: "none", links }),
  stat("Oldest in flight", "Age of the call that waits longest. Near `limits.tool_timeout`: its upstream hangs, or the tool is slow.", [query(`max(mcp_oldest_request_in_flight_seconds{${I}})`)], { size: [5, 4], unit: "s", steps: [[null, "green"], [60, "orange"], [300, "red"]], links }),
  stat("p99 of our time", "What we add to a call. Above some milliseconds: the machine is short of CPU; see Runtime.", [query(`histogram_quantile(0.99, sum by (le) (rate(mcp_gateway_overhead_seconds_bucket{${I}, method="tools/call"}[${RATE}])))`)], { empty: "no call", size: [5, 4], unit: "s", steps: [[null, "green"], [0.01, "orange"], [0.1, "red"]], links }),
  stacked("Calls by method", "Calls that ended. A method that grows without others: a client in a loop.", [query(`sum by (method) (rate(mcp_requests_total{${I}}[${RATE}]))`, "{{method}}")], { colors: COLORS.method, unit: "reqps", links }),
  stacked("Not ok, by status", "client_error: the caller's; tool_error: the tool said so; unavailable, outcome_unknown, timeout: the upstream; server_error: ours or the upstream's; cancelled: nobody waited.", [query(`sum by (status) (rate(mcp_requests_total{${I}, status!="ok"}[${RATE}]))`, "{{status}}")], { colors: COLORS.call, unit: "reqps", links }),
  lines("Duration of calls", "From the last byte of a call to the last byte of its answer. Rising together with our own time: us; alone: upstreams.", percentiles("mcp_request_duration_seconds", I), { empty: "no call", unit: "s", links }),
  lines("Duration of tool calls that failed", "Around `limits.park`: the upstream was away; around `limits.tool_timeout`: it hangs; short: it refused.", percentiles("mcp_request_duration_seconds", `${I}, method="tools/call", outcome="error"`), { empty: "none failed", unit: "s", links }),
  lines("Our own time", "What we add to a call, the upstream's time taken off. Rising: CPU, see Runtime.", percentiles("mcp_gateway_overhead_seconds", I), { empty: "no call", unit: "s", links }),
  lines("In flight by method", "Calls without an answer yet. Growing: find the upstream that hangs on Upstreams.", [query(`sum by (method) (mcp_requests_in_flight{${I}})`, "{{method}}")], { colors: COLORS.method, unit: "none", links }),
  lines("Oldest in flight by method", "Age of the oldest call without an answer. A straight line upwards: nothing has come back since its foot.", [query(`max by (method) (mcp_oldest_request_in_flight_seconds{${I}})`, "{{method}}")], { colors: COLORS.method, size: [12, 8], unit: "s", links }),
  lines("Started and ended", "Calls that were read and calls that ended. Apart for long: calls hang; find their upstream on Upstreams.", [query(`sum(rate(mcp_requests_started_total{${I}}[${RATE}]))`, "started"), query(`sum(rate(mcp_requests_total{${I}}[${RATE}]))`, "ended")], { size: [12, 8], unit: "reqps", links }),
  row("Tools"),
  stacked("Calls by tool", "The ten tools that are called most. `_OTHER` are names that are not there: a client with an old list.", [query(most(`sum by (upstream, tool) (rate(mcp_tool_calls_total{${U}}[${RATE}]))`, `sum by (upstream, tool) (increase(mcp_tool_calls_total{${U}}[$__range] @ end()))`), "{{upstream}} {{tool}}")], { unit: "reqps", size: [12, 8], links }),
  stacked("Not ok, by tool", "The ten tools that fail most, whatever the reason. One tool: its upstream's; all of one upstream: see Upstreams.", [query(most(`sum by (upstream, tool, status) (rate(mcp_tool_calls_total{${U}, status!="ok"}[${RATE}]))`, `sum by (upstream, tool, status) (increase(mcp_tool_calls_total{${U}, status!="ok"}[$__range] @ end()))`), "{{upstream}} {{tool}} {{status}}")], { empty: "none failed", unit: "reqps", size: [12, 8], links }),
  lines("p95 by tool", "The ten slowest tools. Slower than before: see its attempts on Upstreams and a trace.", [query(most(`histogram_quantile(0.95, sum by (upstream, tool, le) (rate(mcp_tool_call_duration_seconds_bucket{${U}}[${RATE}])))`, `histogram_quantile(0.95, sum by (upstream, tool, le) (rate(mcp_tool_call_duration_seconds_bucket{${U}}[$__range] @ end())))`), "{{upstream}} {{tool}}")], { unit: "s", size: [12, 8], links }),
  table(
    "Tools of the chosen time",
    "Every tool that was called: how often, the part that was not ok, the mean duration. Sort by what you look for; then open a trace.",
    [
      query(`sum by (upstream, tool) (increase(mcp_tool_calls_total{${U}}[$__range])) > 0`),
      query(`sum by (upstream, tool) (increase(mcp_tool_calls_total{${U}, status!="ok"}[$__range])) / (sum by (upstream, tool) (increase(mcp_tool_calls_total{${U}}[$__range])) > 0)`),
      query(`sum by (upstream, tool) (increase(mcp_tool_call_duration_seconds_sum{${U}}[$__range])) / (sum by (upstream, tool) (increase(mcp_tool_call_duration_seconds_count{${U}}[$__range])) > 0)`),
    ],
    {
      size: [12, 8],
      links,
      unit: "none",
      transformations: columns({ upstream: "Upstream", tool: "Tool", "Value #A": "Calls", "Value #B": "Not ok", "Value #C": "Mean" }),
      overrides: [
        { matcher: { id: "byName", options: "Calls" }, properties: [{ id: "decimals", value: 0 }] },
        { matcher: { id: "byName", options: "Not ok" }, properties: [{ id: "unit", value: "percentunit" }] },
        { matcher: { id: "byName", options: "Mean" }, properties: [{ id: "unit", value: "s" }] },
      ],
    },
  ),
]);

// Whether tools can be called, and what it cost when they could not.
import { COLORS, columns, wide } from "./looks.mjs";
import { availability, dashboard, I, lines, logs, percentiles, query, RATE, row, stacked, stat, T, table, traces, U } from "./parts.mjs";

const LOST = 'reason=~"client_gone|heartbeat_lost|slow_consumer|protocol_error|error"';
const GOOD_IS_HIGH = [[null, "red"], [0.999, "green"]];

export const reliability = dashboard(
  "mcp-reliability",
  "Whether tools can be called. The objective: 99.9 % over 30 days, by upstream and in all.",
  [
    row("Objective"),
    stat(
      "Availability",
      "The part of the chosen time for which tools could be called. Below 99.9 %: see by upstream and cause what was away.",
      [query(`1 - sum(increase(mcp_tool_unavailable_seconds_total{${U}}[$__range])) / sum(increase(mcp_tool_seconds_total{${U}}[$__range]))`)],
      { unit: "percentunit", steps: GOOD_IS_HIGH, defaults: { decimals: 3 }, links: [logs('event = "upstream_state_changed"')] },
    ),
    stat(
      "Budget",
      "What is left of the error budget, the 0.1 % that the objective leaves over 30 days (of all upstreams). Below a quarter: put off risky changes. Below nothing: the objective is missed; find the upstream that took most.",
      [query("min(job:mcp_tool_error_budget:ratio)")],
      { size: [3, 4], unit: "percentunit", steps: [[null, "red"], [0, "orange"], [0.25, "green"]] },
    ),
    stat(
      "Burn rate",
      "How many times faster than allowed the budget is used, over the window of the fast alert. At 1 it lasts for 30 days, at 14.4 somebody is called: see Upstreams for what is away.",
      [query("max(job:mcp_tool_unavailability:ratio_fast_long) / 0.001")],
      { unit: "none", steps: [[null, "green"], [1, "orange"], [14.4, "red"]], defaults: { decimals: 1 } },
    ),
    stat(
      "Tools away",
      "Listed tools that no call would reach in time. More than none: the upstream named in the table below is away; follow the runbook of McpUpstreamDown.",
      [query(`count(mcp_tool_available{${U}} == 0) or vector(0)`)],
      { unit: "none", steps: [[null, "green"], [1, "red"]], links: [logs('event = "upstream_state_changed"')] },
    ),
    stat(
      "Outcome unknown",
      "Calls of the chosen time that may or may not have run. More than none: whoever made them has to look; the log names the upstreams.",
      [query(`sum(increase(mcp_calls_outcome_unknown_total{${U}}[$__range]))`)],
      { size: [5, 4], unit: "none", steps: [[null, "green"], [1, "orange"]], defaults: { decimals: 0 }, links: [logs('event = "outcome_unknown"'), traces()] },
    ),
    stat(
      "Clients lost",
      "Clients of the chosen time that went without a word or were cut off. Many at once: network or proxy; see Connections & sessions for the reasons.",
      [query(`sum(increase(mcp_disconnections_total{${T}, ${LOST}}[$__range]))`)],
      { unit: "none", defaults: { decimals: 0 } },
    ),
    availability(
      "Availability by upstream",
      "The part of time for which the tools of each upstream could be called. A dip: look at that upstream on Upstreams; its own log is in ours as `upstream says`.",
      [query(`1 - sum by (upstream) (rate(mcp_tool_unavailable_seconds_total{${U}}[${RATE}])) / sum by (upstream) (rate(mcp_tool_seconds_total{${U}}[${RATE}]))`, "{{upstream}}")],
      { size: [12, 8], links: [logs('event = "upstream_state_changed"')] },
    ),
    lines(
      "Burn rate by window",
      "Alerts page when the pairs are above 14.4 (1 h and 5 min) or 6 (6 h and 30 min), and open a ticket above 1 (3 d and 6 h). Above: follow the runbook of McpToolAvailabilityBurnsFast.",
      [
        query("max(job:mcp_tool_unavailability:ratio_fast_short) / 0.001", "5 min"),
        query("max(job:mcp_tool_unavailability:ratio_fast_long) / 0.001", "1 h"),
        query("max(job:mcp_tool_unavailability:ratio_slow_short) / 0.001", "30 min"),
        query("max(job:mcp_tool_unavailability:ratio_slow_long) / 0.001", "6 h"),
        query("max(job:mcp_tool_unavailability:ratio_ticket_long) / 0.001", "3 d"),
      ],
      { unit: "none", size: [12, 8] },
    ),
    lines(
      "Error budget left, by upstream",
      "What each upstream has left of its own 0.1 % over 30 days. The lowest is where work pays most.",
      [query("upstream:mcp_tool_error_budget:ratio{upstream=~\"$upstream\"}", "{{upstream}}"), query("job:mcp_tool_error_budget:ratio", "all")],
      { unit: "percentunit", size: [12, 8], defaults: { min: undefined, max: 1 } },
    ),
    table(
      "Alerts",
      "What is raised now, but for the watchdog, which always is. Each has a section in docs/runbooks.md that says what to do.",
      [query('max by (alertname, severity, instance, upstream) (ALERTS{alertstate="firing", alertname!="McpWatchdog"})')],
      {
        size: [12, 8],
        transformations: columns({ alertname: "Alert", severity: "Severity", instance: "Instance", upstream: "Upstream" }, ["Value"]),
        overrides: [wide("Alert", 215), wide("Severity", 75)],
      },
    ),
    row("What was lost, and why"),
    stacked(
      "Tools away, by cause",
      "How many tools could not be called, on the average. exited, silent, connection_lost: the upstream; refused: our credentials; never_reached: its configuration; orchestrator_down: us.",
      [query(`sum by (cause) (rate(mcp_tool_unavailable_seconds_total{${U}}[${RATE}]))`, "{{cause}}")],
      { unit: "none", size: [12, 8], links: [logs('event = "upstream_state_changed"')] },
    ),
    stacked(
      "Tool seconds by upstream",
      "What availability is measured against: listed tools times time. A step down: an upstream offers fewer tools, or was taken out.",
      [query(`sum by (upstream) (rate(mcp_tool_seconds_total{${U}}[${RATE}]))`, "{{upstream}}")],
      { unit: "none", size: [12, 8], links: [logs('event =~ "catalogue_.*"')] },
    ),
    stacked(
      "Reconnects",
      "Tries to come back: clients to their session, we to upstreams, the stdio bridge to us. Many failed: the other side is away; refused: sessions were lost, or credentials are wrong.",
      [query(`sum by (side, outcome) (rate(mcp_reconnect_attempts_total{${I}}[${RATE}]))`, "{{side}} {{outcome}}")],
      { colors: COLORS.back, size: [12, 8], unit: "cps", links: [logs('event = "upstream_state_changed"')] },
    ),
    lines(
      "Recovery time of upstreams",
      "From the loss of an upstream until it was connected again. Longer than `limits.park`: calls ended as unavailable; see what keeps it from starting.",
      percentiles("mcp_upstream_recovery_duration_seconds", U),
      { size: [12, 8], empty: "no upstream was lost", unit: "s", links: [logs('event = "upstream_restarted"')] },
    ),
    stacked(
      "Clients lost by reason",
      "client_gone: the socket went; heartbeat_lost: no answer to pings; slow_consumer: it did not read; protocol_error: what it sent was no MCP; error: our fault, read the log.",
      [query(`sum by (reason) (rate(mcp_disconnections_total{${T}, ${LOST}}[${RATE}]))`, "{{reason}}")],
      { colors: COLORS.end, unit: "cps" },
    ),
    stacked(
      "Sessions that came back",
      "restored: taken over at a start; revived: their client came back; refused: somebody else's, or too late; failed: the store could not read them, so look at Runtime.",
      [query(`sum by (outcome) (rate(mcp_sessions_restored_total{${I}}[${RATE}]))`, "{{outcome}}")],
      { colors: COLORS.back, unit: "cps", links: [logs('event = "session_not_restored"')] },
    ),
    stacked(
      "Sent again or not",
      "Of tries without an answer. resent: sent again, since that does no harm; refused_unsafe: it may have run, so it was not; not_needed: it would have ended the same way. Many refused: declare tools idempotent, or name them in `safe_to_repeat`.",
      [query(`sum by (decision) (rate(mcp_replays_total{${U}}[${RATE}]))`, "{{decision}}")],
      { colors: COLORS.again, unit: "cps", links: [traces()] },
    ),
  ],
);

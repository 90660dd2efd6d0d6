// A run of the lab: what was done to the server, laid over what became of it.
import { COLORS, columns } from "./looks.mjs";
import { availability, dashboard, FAULTS, I, lines, logs, percentiles, query, RATE, row, SCENARIOS, stacked, STARTS, stat, states, T, table, traces, U } from "./parts.mjs";

export const lab = dashboard(
  "mcp-lab",
  "A run of the lab: the faults that were injected, laid as annotations over what became of tools, calls and sessions, seen by its clients and by the server.",
  [
    row("Faults"),
    stat("Faults in force", "Faults that are being injected now. None though a scenario runs: it is between two of them, or the proxy is not in the path.", [query("sum(mcp_chaos_fault_active) or vector(0)")], { unit: "none" }),
    stat("Injected", "What was done to messages, connections and processes in the chosen time. None though faults are in force: nothing goes through the proxy.", [query("sum(increase(mcp_chaos_faults_injected_total[$__range])) or vector(0)")], { unit: "none", defaults: { decimals: 0 } }),
    stat("Availability", "The part of the run for which tools could be called. Below what the scenario allows: see which fault it fell together with.", [query(`1 - sum(increase(mcp_tool_unavailable_seconds_total{${U}}[$__range])) / sum(increase(mcp_tool_seconds_total{${U}}[$__range]))`)], { unit: "percentunit", defaults: { decimals: 3 } }),
    stat("Failed calls", "Calls of the run that ended as server_error, unavailable, outcome_unknown or timeout. More than the faults explain: open a trace.", [query(`sum(increase(mcp_requests_total{${I}, status=~"server_error|unavailable|outcome_unknown|timeout"}[$__range]))`)], { unit: "none", defaults: { decimals: 0 }, links: [logs('event = "call_finished"'), traces()] }),
    stat("Outcome unknown", "Calls of which nobody knows whether they ran. More than faults that cut calls off: look for calls that were sent twice or dropped.", [query(`sum(increase(mcp_calls_outcome_unknown_total{${U}}[$__range]))`)], { size: [5, 4], unit: "none", defaults: { decimals: 0 }, links: [logs('event = "outcome_unknown"'), traces()] }),
    stat("Alerts", "Alerts that are raised now, but for the watchdog. None during a fault that should raise one: the windows of the rules are not those of the lab.", [query('count(ALERTS{alertstate="firing", alertname!="McpWatchdog"}) or vector(0)')], { size: [3, 4], unit: "none" }),
    states("Faults over time", "Which fault was in force when. Compare with the panels below; each has them as annotations too.", [query("max by (fault, direction) (mcp_chaos_fault_active > bool 0) > 0", "{{fault}} {{direction}}")], { 1: { text: "in force", color: "red", index: 0 } }, { size: [12, 8], empty: "no fault" }),
    stacked("Faults injected, by kind", "How often each fault did something. A fault in force that does nothing: no traffic goes through the proxy.", [query(`sum by (fault) (rate(mcp_chaos_faults_injected_total[${RATE}]))`, "{{fault}}")], { unit: "cps", size: [12, 8], empty: "no fault" }),
    row("As the lab's clients see it"),
    states("Scenarios over time", "Which scenario was played when. None though a run goes on: start it with --metrics, at the address that Prometheus scrapes.", [query("max by (scenario) (mcp_lab_scenario_running) > 0", "{{scenario}}")], { 1: { text: "is played", color: "purple", index: 0 } }, { size: [12, 8], empty: "no scenario" }),
    table(
      "Verdicts",
      "Scenarios of this run that have ended. failed: the lab's report names the expectation, and the fault behind it.",
      [query("sum by (scenario, verdict) (mcp_lab_scenarios_total) > 0")],
      { size: [12, 8], unit: "none", empty: "none has ended", transformations: columns({ scenario: "Scenario", verdict: "Verdict", Value: "Times" }) },
    ),
    lines("Tools, as the lab sees them", "Tools that the target had at the start, that are listed, and that can be called. listed below known: tools were taken from agents, which must never be. callable below known outlasting its fault: see Upstreams.", [query("sum by (state) (mcp_lab_tools)", "{{state}}")], { unit: "none", size: [12, 8], custom: { fillOpacity: 0 } }),
    stacked("Calls by outcome", "How calls ended for those who made them. timeout or disconnected: a call that got no word at all; the other outcomes are words of the target.", [query(`sum by (outcome) (rate(mcp_lab_calls_total[${RATE}]))`, "{{outcome}}")], { colors: COLORS.call, unit: "reqps", size: [12, 8], links: [logs('event = "call_finished"'), traces()] }),
    lines("Duration of calls", "From the moment they were sent, with the way to the target and its faults. Far above what the target says below: the way is slow.", percentiles("mcp_lab_call_duration_seconds", 'outcome="ok"'), { empty: "no call", unit: "s", size: [12, 8], links: [traces()] }),
    lines("Calls on their way, and failures", "Calls without an answer yet, and what else went wrong for clients. On their way and never less: calls hang.", [query("sum(mcp_lab_calls_started_total) - sum(mcp_lab_calls_total)", "on their way"), query(`sum(increase(mcp_lab_failures_total[${RATE}]))`, "failures")], { unit: "none", size: [12, 8] }),
    row("What became of it"),
    availability("Availability by upstream", "A dip that outlasts its fault: the upstream did not come back by itself; see Upstreams.", [query(`1 - sum by (upstream) (rate(mcp_tool_unavailable_seconds_total{${U}}[${RATE}])) / sum by (upstream) (rate(mcp_tool_seconds_total{${U}}[${RATE}]))`, "{{upstream}}")], { size: [12, 8] }),
    stacked("Calls by status", "Anything but ok and tool_error outside a fault is a finding: open a trace of it.", [query(`sum by (status) (rate(mcp_requests_total{${I}}[${RATE}]))`, "{{status}}")], { colors: COLORS.call, unit: "reqps", size: [12, 8], links: [logs('event = "call_finished"'), traces()] }),
    lines("Duration of tool calls", "Latency faults should show here as they were injected, and go when they end. Staying high: calls queue up.", percentiles("mcp_request_duration_seconds", `${I}, method="tools/call"`), { empty: "no call", unit: "s", size: [12, 8], links: [traces()] }),
    lines("Clients and sessions", "Sessions should survive every fault but a lost store. A step down that stays: sessions were lost; see the reasons beside it.", [query(`sum(mcp_active_connections{${T}})`, "connections"), query(`sum(mcp_active_sessions{${T}})`, "sessions")], { unit: "none", size: [12, 8] }),
    stacked("Disconnections by reason", "The faults' own cuts show as client_gone. error is ours, whatever the fault: read the log.", [query(`sum by (reason) (rate(mcp_disconnections_total{${T}}[${RATE}]))`, "{{reason}}")], { colors: COLORS.end, size: [12, 8], unit: "cps" }),
    stacked("Reconnects", "Each cut should be followed by resumed or reinitialized. refused or failed after the fault has ended: a finding.", [query(`sum by (side, outcome) (rate(mcp_reconnect_attempts_total{${I}}[${RATE}]))`, "{{side}} {{outcome}}")], { colors: COLORS.back, size: [12, 8], unit: "cps" }),
    lines("Sessions that came back", "Sessions that were taken over at a start or revived by their client. Fewer than were there before a kill: look for failed and refused.", [query(`sum by (outcome) (increase(mcp_sessions_restored_total{${I}}[${RATE}]))`, "{{outcome}}")], { colors: COLORS.back, size: [12, 8], unit: "none", links: [logs('event = "session_not_restored"')] }),
    lines("Recovery time", "From the loss of an upstream until it was connected again. Longer than the fault by more than a second: a finding.", percentiles("mcp_upstream_recovery_duration_seconds", U), { size: [12, 8], empty: "no upstream was lost", unit: "s", links: [logs('event = "upstream_restarted"')] }),
  ],
  { from: "now-30m", refresh: "5s", annotations: [SCENARIOS, FAULTS, STARTS] },
);

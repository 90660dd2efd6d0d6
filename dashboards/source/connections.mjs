// Who connects, who stays, who goes and why.
import { COLORS } from "./looks.mjs";
import { dashboard, I, lines, logs, percentiles, query, RATE, row, stacked, stat, T } from "./parts.mjs";

const rate = (metric, by, selector = T) => query(`sum by (${by}) (rate(${metric}{${selector}}[${RATE}]))`, by.split(", ").map((label) => `{{${label}}}`).join(" "));
const now = (metric, by, selector = T) => query(`sum by (${by}) (${metric}{${selector}})`, `{{${by}}}`);

export const connections = dashboard("mcp-connections", "Clients: how they connect, how long they stay, why they go.", [
  row("Now"),
  stat("Connections", "Clients that are connected: sessions and presences. Far from the usual: see attempts and disconnections below.", [query(`sum(mcp_active_connections{${T}})`)], { unit: "none" }),
  stat("Sessions", "Open sessions. Near the limit: raise `limits.sessions`, or find the client that leaves sessions behind.", [query(`sum(mcp_active_sessions{${T}})`)], { unit: "none" }),
  stat("Sockets", "Open sockets. Many more than connections: clients that do not close them, or a scan.", [query(`sum(mcp_sockets_open{${T}})`)], { size: [3, 4], unit: "none" }),
  stat("Streams", "Open event streams and subscriptions. Near the limit: clients that open several each; raise `limits.streams`.", [query(`sum(mcp_streams_active{${T}})`)], { size: [3, 4], unit: "none" }),
  stat(
    "Nearest limit",
    "How much of what clients may hold is held, of the limit that is nearest. Above 80 %: follow the runbook of McpNearLimit; beyond 100 % clients are refused.",
    [query("max(instance:mcp_limit_use:ratio{instance=~\"$instance\"})")],
    { unit: "percentunit", steps: [[null, "green"], [0.8, "orange"], [0.95, "red"]] },
  ),
  stat(
    "Failed handshakes",
    "The part of handshakes of the chosen time that were not completed. High: clients of a wrong version, or cut off; the log has the reason.",
    [query(`sum(increase(mcp_handshakes_total{${T}, outcome="error"}[$__range])) / sum(increase(mcp_handshakes_total{${T}}[$__range]))`)],
    { empty: "no handshake", size: [6, 4], unit: "percentunit", steps: [[null, "green"], [0.05, "orange"], [0.25, "red"]], links: [logs('event = "handshake_finished"')] },
  ),
  row("Coming and going"),
  stacked("Attempts by status", "unauthorized: wrong token; rejected_origin: a web page or host name that is not allowed; rate_limited, over_capacity: limits; protocol_error: no MCP. Anything but accepted: see the log for who.", [rate("mcp_connections_total", "status")], { colors: COLORS.attempt, size: [12, 8], unit: "cps", links: [logs('event = "connection_refused"')] }),
  stacked("Disconnections by reason", "client_closed, client_deleted, timeout_no_activity: as it should be. Others in number: network, a proxy with short timeouts, or clients that do not read.", [rate("mcp_disconnections_total", "reason")], { colors: COLORS.end, size: [12, 8], unit: "cps" }),
  lines("Connections by transport", "Clients that are connected. A cliff: they were cut off together; look at the reasons beside it.", [now("mcp_active_connections", "transport")], { unit: "none" }),
  lines("Sessions by transport", "Open sessions. Growing for ever: clients that never end theirs; they go after `limits.session_idle`.", [now("mcp_active_sessions", "transport")], { unit: "none" }),
  lines("Life of sessions", "How long sessions that ended had lived. Short ones in number: clients that reconnect for every call.", percentiles("mcp_session_duration_seconds", T, "", [0.1, 0.5, 0.9]), { empty: "no session has ended", unit: "s" }),
  lines("Ended sessions by reason", "How many sessions ended, by reason. heartbeat_lost or slow_consumer in number: the network of those clients, or clients that hang.", [query(`sum by (reason) (rate(mcp_session_duration_seconds_count{${T}}[${RATE}]))`, "{{reason}}")], { colors: COLORS.end, size: [12, 8], unit: "cps" }),
  stacked("Clients that come back", "Clients and stdio bridges that came back to their session. refused: a session that is not known any more; failed: a bridge that tried in vain.", [query(`sum by (side, outcome) (rate(mcp_reconnect_attempts_total{${I}, side=~"session|bridge"}[${RATE}]))`, "{{side}} {{outcome}}")], { colors: COLORS.back, size: [12, 8], unit: "cps" }),
  row("Handshakes"),
  stacked("Handshakes", "Handshakes by outcome. Errors: clients that did not send `initialized` in time, or asked for what we do not speak.", [rate("mcp_handshakes_total", "transport, outcome")], { colors: COLORS.back, unit: "cps", links: [logs('event = "handshake_finished"')] }),
  lines("Duration of handshakes", "From `initialize` to `initialized`. Seconds: clients on a slow network, or a store on a slow disk.", percentiles("mcp_handshake_duration_seconds", `${T}, outcome="ok"`), { empty: "no handshake", unit: "s" }),
  stacked("Requests without a valid token", "missing, malformed, wrong, expired: of clients; no_keys: the keys of the issuer are not known, so look at `auth.jwt`. A flood: somebody guesses.", [query(`sum by (cause) (rate(mcp_auth_failures_total{${I}}[${RATE}]))`, "{{cause}}")], { unit: "cps", links: [logs('event = "auth_failed"')] }),
  row("Limits"),
  lines("Use of limits", "What is held of what may be held. Above 80 % an alert is raised: raise the limit named, or find who holds so much.", [query("max by (limit) (instance:mcp_limit_use:ratio{instance=~\"$instance\"})", "{{limit}}")], { size: [12, 8], unit: "percentunit", custom: { fillOpacity: 0 } }),
  lines("Limits in force", "The limits as configured. A step: the configuration was read again.", [query(`max by (limit) (mcp_limit{${I}})`, "{{limit}}")], { size: [12, 8], unit: "none", custom: { fillOpacity: 0 }, links: [logs('event = "config_reloaded"')] }),
  stacked("Refused for a limit", "What was refused or cut off, by the name of the setting under `limits`. In number: the setting is too low for your clients, or one of them is broken.", [query(`sum by (limit) (rate(mcp_limit_refusals_total{${I}}[${RATE}]))`, "{{limit}}")], { size: [12, 8], unit: "cps", links: [logs('event = "limit_reached"')] }),
  stacked("Refused for their rate", "Requests that came faster than `limits.rate` allows, by principal or by address. In number: find the client in the log.", [query(`sum by (limit) (rate(mcp_rate_limited_total{${I}}[${RATE}]))`, "{{limit}}")], { size: [12, 8], unit: "cps", links: [logs('event = "rate_limited"')] }),
  row("Sockets, streams, heartbeats"),
  lines("Sockets by transport", "Open sockets. Growing without connections: clients that do not close.", [now("mcp_sockets_open", "transport")], { unit: "none" }),
  lines("Sockets opened", "New sockets. Many more than attempts to connect: clients without keep-alive, which costs them time.", [rate("mcp_sockets_opened_total", "transport")], { unit: "cps" }),
  lines("Streams by transport", "Open event streams and subscriptions. A cliff: a proxy that closes long answers.", [now("mcp_streams_active", "transport")], { unit: "none" }),
  lines("Life of streams", "How long ended streams had been open. All of the same length: a proxy with a timeout of that length.", percentiles("mcp_stream_duration_seconds", T, "", [0.5, 0.95]), { empty: "no stream has ended", unit: "s" }),
  lines("Events of streams", "Events written, sent again to clients that came back, and lost. Any that are lost: a client was away for too long or does not read; it was told.", [
    query(`sum(rate(mcp_stream_events_total{${T}}[${RATE}]))`, "written"),
    query(`sum(rate(mcp_stream_replayed_events_total{${T}}[${RATE}]))`, "sent again"),
    query(`sum(rate(mcp_stream_gap_total{${T}}[${RATE}]))`, "lost"),
  ], { unit: "cps", links: [logs('event = "stream_gap"')] }),
  lines("Heartbeats: time until answered", "The way to clients and back, of WebSockets. Rising: their network; at `limits.heartbeat_timeout` they are given up.", percentiles("mcp_heartbeat_rtt_seconds", T), { unit: "s", empty: "no WebSocket was asked" }),
  stacked("Heartbeats missed", "Heartbeats without an answer. In number and together: the network between; of few: clients that sleep.", [rate("mcp_heartbeats_missed_total", "transport")], { unit: "cps", links: [logs('event = "heartbeat_missed"')] }),
  lines("Size of messages", "The 95th percentile by direction. Megabytes: a tool that answers with files; clients may refuse them.", percentiles("mcp_message_size_bytes", T, "direction", [0.95]), { unit: "bytes" }),
  lines("Messages", "Messages by direction. Far more out than in: a tool that reports progress very often.", [query(`sum by (direction) (rate(mcp_message_size_bytes_count{${T}}[${RATE}]))`, "{{direction}}")], { unit: "cps" }),
]);

// The process itself: CPU, memory, files, the store, telemetry, configuration.
import { columns, wide, words } from "./looks.mjs";
import { dashboard, I, lines, logs, percentiles, query, RATE, row, stacked, stat, table } from "./parts.mjs";

const S = `job="mcp-orchestrator", ${I}`;
const each = (expr, unit, description, title, extra = {}) => lines(title, description, [query(expr, "{{instance}}")], { unit, ...extra });

export const runtime = dashboard("mcp-runtime", "The process: CPU, memory, files, the store, telemetry, configuration.", [
  row("Now"),
  stat("Up", "Whether Prometheus reaches all servers. down: follow the runbook of McpTargetDown.", [query(`min(up{${S}})`)], { size: [3, 4], unit: "none", steps: [[null, "red"], [1, "green"]], defaults: { mappings: words({ 0: "down", 1: "up" }) } }),
  stat("Running since", "The age of the youngest process. Young again and again: follow the runbook of McpCrashLoop.", [query(`time() - max(process_start_time_seconds{${S}})`)], { unit: "s", links: [logs('event = "server_started"')] }),
  stat("Configuration", "Whether the configuration that was read last is in force. refused: the one before it stays; the log says why.", [query(`min(mcp_config_last_reload_successful{${I}})`)], { unit: "none", steps: [[null, "red"], [1, "green"]], defaults: { mappings: words({ 0: "refused", 1: "in force" }) }, links: [logs('event =~ "config_.*"')] }),
  stat("Store failures", "What the store could not do in the chosen time. More than none: follow the runbook of McpStoreFailing.", [query(`sum(increase(mcp_store_errors_total{${I}}[$__range]))`)], { unit: "none", steps: [[null, "green"], [1, "red"]], defaults: { decimals: 0 }, links: [logs('event =~ "store_.*"')] }),
  stat("Telemetry lost", "Spans of the chosen time that no collector took, and lines that the log file did not take. More than none: it is slow or away; calls are not affected.", [query(`sum(increase(mcp_telemetry_dropped_total{${I}}[$__range]))`)], { unit: "none", steps: [[null, "green"], [1, "orange"]], defaults: { decimals: 0 }, links: [logs('event = "telemetry_dropped"')] }),
  stat("Certificate ends in", "How long the certificate that clients are shown is good for; without TLS there is none. Below two weeks: renew it, it is taken up by itself.", [query(`min(mcp_certificate_expiry_timestamp_seconds{${I}}) - time()`)], { size: [5, 4], unit: "s", steps: [[null, "red"], [172800, "orange"], [1209600, "green"]], empty: "no TLS", links: [logs('event =~ "certificate_.*"')] }),
  table("Builds", "What runs where. Two versions for long: an upgrade has stopped half way.", [query(`mcp_build_info{${S}}`)], { size: [12, 6], transformations: columns({ instance: "Instance", version: "Version", revision: "Revision", rustc: "rustc" }, ["Value"]), links: [logs('event = "server_started"')] }),
  table("Configurations", "What of the configuration stays until the next start. Two instances that differ without intent: one was not restarted after a change.", [query(`mcp_config_info{${I}}`)], { size: [12, 6], transformations: columns({ instance: "Instance", transports: "Transports", store: "Store", tls: "TLS", agents: "Agents" }, ["Value"]), overrides: ["Store", "TLS", "Agents"].map((column) => wide(column, 70)), links: [logs('event =~ "config_.*"')] }),
  row("Process"),
  each(`rate(process_cpu_seconds_total{${S}}[${RATE}])`, "none", "Cores in use. At the limit of the container: calls wait; give it more, or find the client that calls so much.", "CPU", { size: [12, 8] }),
  each(`process_resident_memory_bytes{${S}}`, "bytes", "Memory in use. Growing without more sessions: report it, with a day of this panel.", "Memory", { size: [12, 8] }),
  each(`process_virtual_memory_bytes{${S}}`, "bytes", "Address space. Steps are threads and files; it matters only where it is limited.", "Address space"),
  lines("Open files", "Sockets, pipes of upstreams, files; and how many may be open. Near that: raise the limit of open files, or lower `limits.connections`.", [query(`process_open_fds{${S}}`, "open {{instance}}"), query(`process_max_fds{${S}}`, "limit {{instance}}")], { unit: "none", defaults: { min: 1 }, custom: { scaleDistribution: { type: "log", log: 10 }, fillOpacity: 0 } }),
  each(`process_threads{${S}}`, "none", "Threads of the process. Growing: something blocks; report it, with the log.", "Threads"),
  lines("Tasks of the runtime", "Tasks that have not ended: some for each socket and upstream. Growing without more sockets: report it.", [query(`tokio_alive_tasks{${I}}`, "{{instance}}")], { size: [12, 8], unit: "none" }),
  lines("Queue of the runtime", "Tasks that wait for a thread. More than a few for long: the CPU is not enough.", [query(`tokio_global_queue_depth{${I}}`, "waiting {{instance}}"), query(`tokio_workers{${I}}`, "threads {{instance}}")], { size: [12, 8], unit: "none" }),
  row("Store"),
  lines("Store: p99 by operation", "commit and insert are what handshakes wait for. Above 50 ms: the disk is slow or busy.", percentiles("mcp_store_write_duration_seconds", I, "operation", [0.99]), { size: [12, 8], unit: "s", links: [logs('event =~ "store_.*"')] }),
  stacked("Store: operations", "What the store does. Many inserts: clients that open a session for every call.", [query(`sum by (operation) (rate(mcp_store_write_duration_seconds_count{${I}}[${RATE}]))`, "{{operation}}")], { size: [12, 8], unit: "ops", links: [logs('event =~ "store_.*"')] }),
  stacked("Store: failures", "What the store could not do. Any: the disk is full, broken or not ours; the log has its words.", [query(`sum by (operation) (rate(mcp_store_errors_total{${I}}[${RATE}]))`, "{{operation}}")], { size: [12, 8], unit: "ops", links: [logs('event =~ "store_.*"')] }),
  lines("Disk of the data dir", "What may still be written, of what it holds in all. Below a tenth: make room, or move the data dir; sessions are kept as long as there is any.", [query(`mcp_store_disk_free_bytes{${I}}`, "free {{instance}}"), query(`mcp_store_disk_size_bytes{${I}}`, "size {{instance}}")], { size: [12, 8], unit: "bytes" }),
  row("Telemetry and configuration"),
  stacked("Telemetry lost, by kind", "Spans that no collector took, lines that the log file did not take. Any: see whether it is there and takes so many.", [query(`sum by (signal) (rate(mcp_telemetry_dropped_total{${I}}[${RATE}]))`, "{{signal}}")], { unit: "cps", links: [logs('event = "telemetry_dropped"')] }),
  stacked("Configuration read", "ok: in force; refused: it is not valid, and the one before it stays. Refused: `mcp-orchestrator config check` says what is wrong.", [query(`sum by (outcome) (increase(mcp_config_reloads_total{${I}}[${RATE}]))`, "{{outcome}}")], { unit: "none", links: [logs('event =~ "config_.*"')] }),
  each(`time() - mcp_config_reload_success_timestamp_seconds{${I}}`, "s", "How long the configuration has been in force. Older than the file: it was not read again; send SIGHUP.", "Age of the configuration", { links: [logs('event =~ "config_.*"')] }),
]);

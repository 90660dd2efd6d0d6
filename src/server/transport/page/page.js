"use strict";
const EVERY_MS = 2000;
// The most points that the server keeps.
const POINTS = 150;

const at = (id) => document.getElementById(id);
const sum = (rows) => rows.reduce((total, row) => total + row.value, 0);

// Prometheus text: name, labels and value of each line.
function parse(text) {
  const families = new Map();
  for (const line of text.split("\n")) {
    const found = /^([a-z_:][a-z0-9_:]*)(?:\{(.*)\})? ([^ ]+)$/i.exec(line);
    if (!found) continue;
    const labels = {};
    for (const [, name, value] of (found[2] ?? "").matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/gi)) {
      labels[name] = value.replace(/\\(.)/g, (_, char) => (char === "n" ? "\n" : char));
    }
    if (!families.has(found[1])) families.set(found[1], []);
    families.get(found[1]).push({ labels, value: Number(found[3]) });
  }
  return (name) => families.get(name) ?? [];
}

function cell(row, text, kind) {
  const made = row.insertCell();
  made.textContent = text ?? "";
  if (kind) made.className = kind;
  return made;
}

function fill(id, rows, none, draw) {
  const body = document.createElement("tbody");
  body.id = id;
  for (const row of rows) draw(body.insertRow(), row);
  if (rows.length === 0) {
    const only = cell(body.insertRow(), none);
    only.colSpan = at(id).parentElement.tHead.rows[0].cells.length;
  }
  at(id).replaceWith(body);
}

function ago(then) {
  const seconds = Math.max(0, Math.round((Date.now() - then) / 1000));
  if (seconds < 90) return `${seconds} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 129600) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86400)} d ago`;
}

const round = (value) => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));

function bytes(count) {
  return count >= 1 << 30 ? `${(count / (1 << 30)).toFixed(2)} GiB` : `${(count / (1 << 20)).toFixed(1)} MiB`;
}

function svg(kind, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", kind);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// The least of 1, 2, 5, 10, 20, 50… that is not below.
function scale(most) {
  const ten = 10 ** Math.floor(Math.log10(most));
  return ten * [1, 2, 5, 10].find((times) => times * ten >= most);
}

function chart(id, every, first, second, unit) {
  const [width, height, left, bottom] = [at(id).clientWidth || 320, 144, 44, 18];
  const known = [...first, ...second].filter((value) => value !== null);
  const top = scale(Math.max(...known, 1));
  const x = (index) => left + ((width - left) * (index + POINTS - first.length)) / (POINTS - 1);
  const y = (value) => (height - bottom) * (1 - value / top) + 4;
  const path = (values) =>
    values.map((value, index) => (value === null ? "" : `${index && values[index - 1] !== null ? "L" : "M"}${x(index).toFixed(1)} ${y(value).toFixed(1)}`)).join("");
  const parts = [0, 0.5, 1].flatMap((share) => [
    svg("line", { class: "grid", x1: left, x2: width, y1: y(top * share), y2: y(top * share) }),
    svg("text", { x: left - 6, y: y(top * share) + 4, "text-anchor": "end" }, Number((top * share).toPrecision(3))),
  ]);
  parts.push(svg("text", { x: left, y: height }, `${Math.round((POINTS * every) / 60)} min ago`));
  parts.push(svg("text", { x: width, y: height, "text-anchor": "end" }, "now"));
  parts.push(svg("path", { class: "one", d: path(first) }), svg("path", { class: "two", d: path(second) }));
  at(id).setAttribute("viewBox", `0 0 ${width} ${height}`);
  at(id).replaceChildren(...parts);
  const last = (values) => (values.at(-1) ?? null) === null ? "none" : `${round(values.at(-1))}${unit}`;
  at(id).setAttribute("aria-label", `${at(`${id}-title`).textContent}: now ${last(first)}, dashes ${last(second)}`);
}

// Tools of a server that was never reached are not known, so they are not missing either.
function summary(gone, total, away, servers) {
  if (gone > 0) return `${gone} of ${total} tools cannot be called`;
  if (away > 0) return `${away} of ${servers} server${servers === 1 ? "" : "s"} not connected; ${total} tools can be called`;
  if (total === 0) return "Only the built-in tools are served";
  return `All ${total} tools can be called${servers > 0 ? `; ${servers} server${servers === 1 ? "" : "s"} behind them` : ""}`;
}

function headline(status, missing, total) {
  const words = at("headline");
  const away = status.upstreams.filter((row) => row.state !== "connected");
  const text = summary(missing.size, total, away.length, status.upstreams.length);
  if (words.textContent !== text) words.textContent = text;
  words.className = missing.size + away.length > 0 ? "bad" : "";
  const why = away.map((row) => `${row.name}: ${row.state} since ${new Date(row.since * 1000).toLocaleTimeString()}${row.lastError ? `: ${row.lastError}` : ""}`);
  if (status.store.error) why.push(`The store of sessions is ${status.store.state}: ${status.store.error}`);
  at("why").textContent = why.join("\n");
}

// The tools of an upstream that cannot be called, as words.
function outOfReach(upstream, gone) {
  if (gone.length > 0) return `${gone.length}: ${gone.slice(0, 8).map((labels) => labels.tool).join(", ")}${gone.length > 8 ? ", …" : ""}`;
  return upstream.tools === 0 && upstream.state !== "connected" ? "none is known" : "none";
}

function show(status, active, ended, traffic, metrics) {
  const tools = metrics("mcp_tool_available");
  const missing = new Map();
  for (const { labels, value } of tools) {
    if (value === 0) missing.set(`${labels.upstream} ${labels.tool}`, labels);
  }
  at("name").textContent = status.serverName;
  document.title = `${missing.size ? `(${missing.size}) ` : ""}${status.serverName}`;
  headline(status, missing, tools.length);
  const figures = [
    ["Connections", status.connections.active], ["Sessions", status.sessions.active],
    ["Calls in flight", sum(metrics("mcp_requests_in_flight"))],
    ["Messages", status.messages.processed], ["Errors", status.messages.errors],
    ["p95", status.latency.p95Ms > 0 ? `${round(status.latency.p95Ms)} ms` : "–"],
    ["Memory", bytes(status.memoryBytes)], ["Up since", ago(Date.now() - status.uptime * 1000)],
  ];
  at("figures").replaceChildren(...figures.map(([name, value]) => {
    const pair = document.createElement("div");
    pair.append(Object.assign(document.createElement("dt"), { textContent: name }));
    pair.append(Object.assign(document.createElement("dd"), { textContent: value }));
    return pair;
  }));
  fill("upstreams", status.upstreams, "None: only the built-in tools are served.", (row, upstream) => {
    const gone = [...missing.values()].filter((labels) => labels.upstream === upstream.name);
    cell(row, upstream.name);
    const good = upstream.state === "connected";
    cell(row, upstream.state, `state ${good ? "good" : upstream.state === "failed" ? "bad" : ""}`);
    cell(row, ago(upstream.since * 1000), "time");
    cell(row, upstream.tools, "number");
    cell(row, outOfReach(upstream, gone), "words");
    cell(row, good ? "" : upstream.lastError, "words");
  });
  const client = (session) => [session.client.name, session.client.version].filter(Boolean).join(" ") || session.id;
  fill("sessions", active, "None.", (row, session) => {
    cell(row, client(session), "words");
    cell(row, session.transport);
    cell(row, session.principal, "words");
    cell(row, ago(Date.parse(session.created)), "time");
    cell(row, ago(Date.parse(session.last_activity)), "time");
    cell(row, session.counts.requests, "number");
    cell(row, session.counts.errors, "number");
  });
  fill("ends", ended, "Nobody.", (row, session) => {
    cell(row, client(session), "words");
    cell(row, session.transport);
    cell(row, ago(Date.parse(session.disconnected_at)), "time");
    cell(row, (session.disconnect_reason ?? "").replaceAll("_", " "), "words");
  });
  const points = (name) => traffic.points.map((point) => point[name]);
  chart("rate", traffic.everySeconds, points("callsPerSecond"), points("failedPerSecond"), "");
  chart("latency", traffic.everySeconds, points("p50Ms"), points("p95Ms"), " ms");
  at("version").textContent = `mcp-orchestrator ${status.version}`;
}

async function ask(path) {
  const answer = await fetch(path, { headers: { Accept: "*/*" }, signal: AbortSignal.timeout(10000) });
  if (answer.status === 401) location.reload();
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer;
}

async function look() {
  try {
    const json = async (path) => (await ask(path)).json();
    const [status, active, ended, traffic, metrics] = await Promise.all([
      json("/api/status"), json("/api/sessions?status=active&limit=50"),
      json("/api/sessions?status=disconnected&limit=20"), json("/api/traffic"),
      ask("/metrics").then((answer) => answer.text()),
    ]);
    show(status, active.sessions, ended.sessions, traffic, parse(metrics));
  } catch (error) {
    at("headline").textContent = "The server does not answer";
    at("headline").className = "bad";
    at("why").textContent = `${error.message}. This page asks again every ${EVERY_MS / 1000} s.`;
  }
  setTimeout(look, EVERY_MS);
}

async function config() {
  try {
    at("config").textContent = await (await ask("/api/config")).text();
  } catch (error) {
    at("config").textContent = `It cannot be shown: ${error.message}`;
  }
}

at("config").parentElement.addEventListener("toggle", config);
look();

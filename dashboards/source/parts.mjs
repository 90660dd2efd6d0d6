// What dashboards are made of: panels, rows, variables, links. A panel says what it shows and, in its
// description, what to do when it is bad; where it stands is worked out here.

import { coloured, nothing, unknown } from "./looks.mjs";

const DATASOURCE = { type: "prometheus", uid: "${datasource}" };
const WIDTH = 24;

/** A query with its legend. */
export const query = (expr, legend = "") => ({ expr, legendFormat: legend || "__auto" });

/** The selectors that every dashboard's variables stand for. */
export const I = 'instance=~"$instance"';
export const T = `${I}, transport=~"$transport"`;
export const U = `${I}, upstream=~"$upstream"`;
export const RATE = "$__rate_interval";

const explore = (datasource, request) => {
  const pane = { a: { datasource, queries: [{ refId: "A", ...request }], range: { from: "${__from}", to: "${__to}" } } };
  const text = encodeURIComponent(JSON.stringify(pane));
  // Grafana fills in what stands as ${…}.
  const url = text.replace(/%24%7B(\w+)%7D/g, "${$1}");
  return `/explore?schemaVersion=1&panes=${url}`;
};

/** A link to log lines: all from a level on, or of one kind of event. */
export const logs = (filter = 'level =~ "WARN|ERROR"', title = "Log lines of this time") => ({
  title,
  url: explore("${logs}", { expr: `{service_name="mcp-orchestrator"} | json | ${filter}`, queryType: "range" }),
  targetBlank: true,
});

/** A link to traces. */
export const traces = (filter = "status = error", title = "Traces of this time") => ({
  title,
  url: explore("${traces}", {
    query: `{ resource.service.name = "mcp-orchestrator" && ${filter} }`,
    queryType: "traceql",
    limit: 50,
  }),
  targetBlank: true,
});

const targets = (queries, instant) =>
  queries.map(({ expr, legendFormat, format }, index) => ({
    refId: String.fromCharCode(65 + index),
    datasource: DATASOURCE,
    expr,
    legendFormat,
    ...(instant ? { instant: true, range: false } : { range: true }),
    ...(format ? { format } : {}),
  }));

const thresholds = (steps) => ({
  mode: "absolute",
  steps: (steps ?? [[null, "green"]]).map(([value, color]) => ({ value, color })),
});

const panel = (type, title, description, queries, settings) => {
  const { unit, size = [8, 8], links = [logs(), traces()], steps, options, custom, instant, defaults, empty, ...rest } =
    settings;
  return {
    type,
    title,
    description,
    datasource: DATASOURCE,
    size,
    links,
    targets: targets(queries, instant),
    fieldConfig: {
      defaults: { unit, thresholds: thresholds(steps), color: { mode: "palette-classic" }, custom, noValue: empty, ...defaults },
      overrides: rest.overrides ?? [],
    },
    options,
    ...(rest.transformations ? { transformations: rest.transformations } : {}),
  };
};

const LEAST = { cps: 0.1, reqps: 0.1, ops: 0.1, none: 1 };
const LEGEND = { displayMode: "list", placement: "bottom", showLegend: true, calcs: [] };

/** Lines over time. */
export const lines = (title, description, queries, settings = {}) =>
  panel("timeseries", title, description, queries, {
    options: { legend: LEGEND, tooltip: { mode: "multi", sort: "desc" } },
    ...settings,
    overrides: [...coloured(settings.colors, queries), nothing(settings.custom), ...(settings.overrides ?? [])],
    defaults: { min: 0, ...settings.defaults },
    custom: {
      drawStyle: "line",
      lineWidth: 1,
      fillOpacity: 10,
      // Drawn where a value stands alone.
      showPoints: "never",
      pointSize: 5,
      spanNulls: false,
      // Nothing at all is a line at the foot, not in the middle of a scale up to 100.
      axisSoftMax: LEAST[settings.unit],
      ...settings.custom,
    },
  });

/** The part of time for which something could be used: what counts is how far it is below all of it. */
export const availability = (title, description, queries, settings = {}) =>
  lines(title, description, queries, {
    unit: "percentunit",
    ...settings,
    defaults: { min: undefined, max: 1 },
    custom: { axisSoftMin: 0.99, fillOpacity: 0, lineWidth: 2 },
  });

/** Areas over time that add up. */
export const stacked = (title, description, queries, settings = {}) =>
  lines(title, description, queries, {
    ...settings,
    custom: { fillOpacity: 40, stacking: { mode: "normal", group: "A" }, ...settings.custom },
  });

/** One number of the present. Its title is read at 1,024 pixels too: a longer one is made wider. */
export const stat = (title, description, queries, settings = {}) =>
  panel("stat", title, description, queries, {
    size: [4, 4],
    instant: true,
    ...settings,
    options: {
      reduceOptions: { calcs: ["lastNotNull"], fields: "", values: false },
      colorMode: settings.steps ? "background" : "value",
      graphMode: "none",
      textMode: settings.textMode ?? "auto",
      justifyMode: "auto",
      orientation: "auto",
    },
    defaults: {
      color: { mode: "thresholds" },
      ...settings.defaults,
      mappings: [...(settings.defaults?.mappings ?? []), unknown(settings.empty)],
    },
  });

/** States over time, as bars of colour. */
export const states = (title, description, queries, mappings, settings = {}) =>
  panel("state-timeline", title, description, queries, {
    unit: "none",
    ...settings,
    options: { mergeValues: true, showValue: "never", rowHeight: 0.9, legend: LEGEND, tooltip: { mode: "single", sort: "none" } },
    custom: { fillOpacity: 80, lineWidth: 0 },
    defaults: { color: { mode: "thresholds" }, mappings: [{ type: "value", options: mappings }] },
  });

/** Rows and columns of the present. What stands for no row at all would stand in every empty cell, too. */
export const table = (title, description, queries, settings = {}) =>
  panel("table", title, description, queries.map((one) => ({ ...one, format: "table" })), {
    instant: true,
    ...settings,
    options: { showHeader: true, cellHeight: "sm" },
    custom: { align: "auto", cellOptions: { type: "auto" }, inspect: false, minWidth: 70 },
  });

/** The median, the 95th and the 99th percentile of a histogram; of nothing there is none. */
export const percentiles = (histogram, selector, by = "", quantiles = [0.5, 0.95, 0.99]) =>
  quantiles.map((q) =>
    query(
      `histogram_quantile(${q}, sum by (le${by ? `, ${by}` : ""}) (rate(${histogram}_bucket{${selector}}[${RATE}]))) >= 0`,
      `p${q * 100}${by ? ` {{${by}}}` : ""}`,
    ),
  );

/** Those of a set of series that are most over the whole time, so that they are the same ones at each point. */
export const most = (series, measure) => `${series} and topk(10, ${measure} > 0)`;

/** A title across the whole width; the panels after it stand below it. */
export const row = (title) => ({ type: "row", title, collapsed: false, panels: [] });

const place = (panels) => {
  let [x, y, tall] = [0, 0, 0];
  return panels.map((one, index) => {
    const [w, h] = one.type === "row" ? [WIDTH, 1] : one.size;
    if (x + w > WIDTH) [x, y, tall] = [0, y + tall, 0];
    const { size, ...rest } = one;
    const placed = { id: index + 1, gridPos: { x, y, w, h }, ...rest };
    [x, tall] = [x + w, Math.max(tall, h)];
    return placed;
  });
};

const choice = (name, label, expr) => ({
  name,
  label,
  type: "query",
  datasource: DATASOURCE,
  query: { query: `label_values(${expr}, ${name})`, refId: name },
  definition: `label_values(${expr}, ${name})`,
  refresh: 2,
  sort: 1,
  multi: true,
  includeAll: true,
  allValue: ".*",
  current: { text: ["All"], value: ["$__all"] },
  options: [],
});

const source = (name, label, kind) => ({
  name,
  label,
  type: "datasource",
  query: kind,
  refresh: 1,
  multi: false,
  includeAll: false,
  regex: "",
  current: {},
  options: [],
  hide: name === "datasource" ? 0 : 2,
});

export const TITLES = {
  "mcp-reliability": "Reliability",
  "mcp-connections": "Connections & sessions",
  "mcp-calls": "Calls",
  "mcp-upstreams": "Upstreams",
  "mcp-lab": "Lab run",
  "mcp-runtime": "Runtime",
};

const annotation = (name, color, expr, titleFormat, textFormat) => ({
  name,
  datasource: DATASOURCE,
  enable: true,
  iconColor: color,
  expr,
  step: "5s",
  titleFormat,
  textFormat,
  useValueForTime: false,
});

/** Faults in force, and starts of scenarios and of the server, drawn over every panel. */
export const FAULTS = annotation("Faults", "red", "mcp_chaos_fault_active > 0", "{{fault}}", "{{fault}} {{direction}}");
// Only where one begins: a band as long as the scenario would tint all that is drawn.
export const SCENARIOS = annotation(
  "Scenarios",
  "purple",
  "mcp_lab_scenario_running > 0 unless max_over_time(mcp_lab_scenario_running[1m] offset 5s) > 0",
  "{{scenario}}",
  "the lab plays {{scenario}}",
);
export const STARTS = annotation(
  "Starts",
  "blue",
  `time() - process_start_time_seconds{job="mcp-orchestrator", ${I}} < 30`,
  "started",
  "{{instance}} was started",
);

const CHOICES = [
  choice("instance", "Instance", "mcp_config_info"),
  choice("transport", "Transport", "mcp_connections_total"),
  choice("upstream", "Upstream", "mcp_tool_calls_total"),
];
/** Those that a panel depends on. */
const used = (panels) => CHOICES.filter(({ name }) => JSON.stringify(panels.map(({ targets }) => targets)).includes(`$${name}`));

/** A whole dashboard. */
export const dashboard = (uid, description, panels, options = {}) => ({
  uid,
  title: `MCP: ${TITLES[uid]}`,
  description,
  tags: ["mcp-orchestrator"],
  schemaVersion: 41,
  version: 1,
  // What is changed by hand is lost when they are provisioned anew.
  editable: false,
  graphTooltip: 1,
  refresh: options.refresh ?? "30s",
  time: { from: options.from ?? "now-6h", to: "now" },
  timezone: "browser",
  links: [
    {
      type: "dashboards",
      title: "Others",
      tags: ["mcp-orchestrator"],
      asDropdown: true,
      includeVars: true,
      keepTime: true,
      icon: "external link",
      targetBlank: false,
      tooltip: "",
      url: "",
    },
  ],
  templating: {
    list: [
      source("datasource", "Data source", "prometheus"),
      source("logs", "Loki", "loki"),
      source("traces", "Tempo", "tempo"),
      ...used(panels),
    ],
  },
  annotations: { list: options.annotations ?? [STARTS] },
  panels: place(panels),
});

// How what is drawn looks: colours that mean something, words in the place of numbers, widths.

/** What a word of a legend means, as a colour: green is well, red is ours to mend, grey nobody's fault. */
export const COLORS = {
  call: {
    ok: "green", tool_error: "yellow", client_error: "blue", cancelled: "gray", rate_limited: "purple", timeout: "orange",
    unavailable: "red", outcome_unknown: "dark-red", server_error: "dark-purple", error: "dark-orange", disconnected: "light-red",
    refused: "dark-yellow", protocol_error: "dark-blue",
  },
  attempt: {
    accepted: "green", unauthorized: "orange", rejected_origin: "yellow", rate_limited: "purple", over_capacity: "red",
    protocol_error: "blue",
  },
  end: {
    client_closed: "green", client_deleted: "light-green", timeout_no_activity: "blue", server_shutdown: "gray",
    superseded: "light-blue", handshake_timeout: "yellow", client_gone: "orange", heartbeat_lost: "dark-orange",
    slow_consumer: "purple", protocol_error: "dark-yellow", error: "red",
  },
  back: {
    resumed: "green", restored: "green", reinitialized: "blue", revived: "blue", refused: "orange", failed: "red", ok: "green",
    error: "red",
  },
  method: {
    "tools/call": "green", "tools/list": "blue", initialize: "orange", ping: "gray", "resources/read": "yellow",
    "resources/list": "light-yellow", "resources/templates/list": "dark-yellow", "prompts/get": "purple",
    "prompts/list": "light-purple", "server/discover": "red", _OTHER: "dark-red",
  },
  again: { resent: "green", not_needed: "gray", refused_unsafe: "orange" },
};

/** Series are named by a word, or end in one; of those there are several, in shades of its colour. */
export const coloured = (colors = {}, queries) => {
  const end = queries.some(({ legendFormat }) => legendFormat.includes("}} {{"));
  return Object.entries(colors).map(([word, fixedColor]) => ({
    matcher: end ? { id: "byRegexp", options: `/ ${word}$/` } : { id: "byName", options: word },
    properties: [{ id: "color", value: { mode: end ? "shades" : "fixed", fixedColor } }],
  }));
};

/** What was nothing for all of the time is not named; and on top of others it would hide their edge. */
export const nothing = ({ stacking } = {}) => ({
  matcher: { id: "byValue", options: { reducer: "allIsZero", op: "gte", value: 0 } },
  properties: [
    { id: "custom.hideFrom", value: { legend: true, tooltip: true, viz: false } },
    ...(stacking ? [{ id: "custom.lineWidth", value: 0 }] : []),
  ],
});

/** The words that stand for numbers. */
export const words = (named) => [
  { type: "value", options: Object.fromEntries(Object.entries(named).map(([value, text], index) => [value, { text, index }])) },
];

/** No number is neither good nor bad. */
export const unknown = (text = "no data") => ({
  type: "special",
  options: { match: "null+nan", result: { text, color: "gray", index: 9 } },
});

/** The width of a column, in pixels. */
export const wide = (column, width) => ({ matcher: { id: "byName", options: column }, properties: [{ id: "custom.width", value: width }] });

/** Names and order of a table's columns; those without a name are left out. */
export const columns = (names, hidden = []) => [
  { id: "merge", options: {} },
  {
    id: "organize",
    options: {
      excludeByName: Object.fromEntries(["Time", "__name__", "job", ...hidden].map((name) => [name, true])),
      indexByName: Object.fromEntries(Object.keys(names).map((name, index) => [name, index])),
      renameByName: names,
    },
  },
];

// An agent that speaks only stdio: it starts `plan.command` with `plan.args` and `plan.env` as its server, and
// lists and calls again and again until the file `plan.until` is there. `plan.sdk` is 1 or 2.
// Run with the folder of its packages as working directory and this file on standard input.
const { plan } = await import(process.env.MCP_CLIENTS + "/common.mjs");
const { existsSync } = await import("node:fs");

const packages = { 1: "@modelcontextprotocol/sdk/client", 2: "@modelcontextprotocol/client" };
const from = packages[plan.sdk];
const { Client } = await import(plan.sdk === 1 ? `${from}/index.js` : from);
const { StdioClientTransport } = await import(plan.sdk === 1 ? `${from}/stdio.js` : `${from}/stdio`);

const mode = { legacy: "legacy", modern: { pin: "2026-07-28" }, auto: "auto" }[plan.era];
const client = new Client({ name: "agent", version: "1.0.0" }, plan.sdk === 1 ? {} : { versionNegotiation: { mode } });
const { command, args, env } = plan;
await client.connect(new StdioClientTransport({ command, args, env, stderr: "inherit" }));

const report = { rounds: 0, missing: [], failed: [], outcomes: {}, slowestMs: 0, last: [] };
let tools;

const round = async () => {
  const listed = (await client.listTools()).tools.map((tool) => tool.name);
  tools ??= listed;
  report.missing.push(...tools.filter((tool) => !listed.includes(tool)));
  report.last = [];
  for (const call of plan.calls) {
    const started = performance.now();
    const result = await client.callTool(call);
    report.slowestMs = Math.max(report.slowestMs, Math.round(performance.now() - started));
    const outcome = result.isError ? result._meta?.["mcp-orchestrator/code"] ?? result.content[0].text : "ok";
    report.outcomes[outcome] = (report.outcomes[outcome] ?? 0) + 1;
    report.last.push(outcome);
  }
};

let isLast;
do {
  // One whole round comes after the file.
  isLast = existsSync(plan.until);
  await round().catch((error) => report.failed.push(String(error.message)));
  report.rounds += 1;
} while (!isLast);
await client.close();
console.log(JSON.stringify({ ...report, tools }));

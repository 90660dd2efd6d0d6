// The TypeScript client package (@modelcontextprotocol/client 2.x), in the era of the plan:
// legacy, modern, or auto, which finds out.
// Run with the folder of its packages as working directory and this file on standard input.
const { plan, carryOut, print, transportOptions } = await import(process.env.MCP_CLIENTS + "/common.mjs");
const { Client, StreamableHTTPClientTransport } = await import("@modelcontextprotocol/client");

const mode = { legacy: "legacy", modern: { pin: "2026-07-28" }, auto: "auto" }[plan.era];
const client = new Client({ name: `client-${plan.era}`, version: "1.0.0" }, { versionNegotiation: { mode } });
const transport = new StreamableHTTPClientTransport(new URL(plan.url), transportOptions());
await client.connect(transport);
const report = {
  era: client.getProtocolEra(),
  revision: client.getNegotiatedProtocolVersion(),
  server: client.getServerVersion(),
  ...(await carryOut(client)),
};
if (report.era === "legacy") await transport.terminateSession();
await client.close();
print(report);

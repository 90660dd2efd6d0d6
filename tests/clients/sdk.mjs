// The TypeScript SDK of the legacy era (@modelcontextprotocol/sdk 1.32).
// Run with the folder of its packages as working directory and this file on standard input.
const { plan, sent, carryOut, print, transportOptions } = await import(process.env.MCP_CLIENTS + "/common.mjs");
const { Client } = await import("@modelcontextprotocol/sdk/client/index.js");
const { StreamableHTTPClientTransport } = await import("@modelcontextprotocol/sdk/client/streamableHttp.js");

const times = plan.times ?? 1;
let connected = 0;
const errors = [];
let report = {};
for (let round = 0; round < times; round += 1) {
  const client = new Client({ name: "sdk-legacy", version: "1.0.0" });
  const transport = new StreamableHTTPClientTransport(new URL(plan.url), transportOptions());
  try {
    await client.connect(transport);
    connected += 1;
    report = { revision: transport.protocolVersion, server: client.getServerVersion(), ...(await carryOut(client)) };
    await transport.terminateSession();
  } catch (error) {
    errors.push({ code: error.code ?? null, message: String(error.message) });
  }
  await client.close();
}
print({ era: "legacy", connected, errors, ...report });

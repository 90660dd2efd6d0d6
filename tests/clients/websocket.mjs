// The WebSocket transport of the TypeScript SDK 1.32. It takes no header: with a token in the plan
// a WebSocket of our own adds it, as an agent's owner would.
const { plan, sent, carryOut, print } = await import(process.env.MCP_CLIENTS + "/common.mjs");
const { Client } = await import("@modelcontextprotocol/sdk/client/index.js");
const { WebSocketClientTransport } = await import("@modelcontextprotocol/sdk/client/websocket.js");
const { LoggingMessageNotificationSchema } = await import("@modelcontextprotocol/sdk/types.js");

const Native = globalThis.WebSocket;
globalThis.WebSocket = class extends Native {
  constructor(url, protocols) {
    const headers = plan.token ? { Authorization: `Bearer ${plan.token}` } : {};
    super(url, { protocols: [protocols].flat(), headers });
  }
  send(text) {
    const message = JSON.parse(text);
    if (message.method && message.id !== undefined) sent[message.method] = (sent[message.method] ?? 0) + 1;
    super.send(text);
  }
};

const transport = new WebSocketClientTransport(new URL(plan.url.replace(/^http/, "ws").replace(/mcp$/, "ws")));
const client = new Client({ name: "sdk-websocket", version: "1.0.0" });
const logs = [];
client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => logs.push(params.data));
await client.connect(transport);
const report = await carryOut(client);
const progress = [];
if (plan.progress) {
  await client.callTool(plan.progress, undefined, { onprogress: ({ progress: done }) => progress.push(done) });
}
await client.close();
print({ era: "legacy", server: client.getServerVersion(), progress, logs, ...report });

// A server made with the TypeScript SDK: the tools of the oracle, sessions, and an event store.
// Usage: node typescript.mjs FOLDER-WITH-NODE_MODULES PORT FILE-THAT-COUNTS
import { randomUUID } from 'node:crypto';
import { appendFileSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [npm, port, oracle] = process.argv.slice(2);
const require = createRequire(join(npm, 'package.json'));
const { McpServer } = require('@modelcontextprotocol/sdk/server/mcp.js');
const { StreamableHTTPServerTransport } = require('@modelcontextprotocol/sdk/server/streamableHttp.js');
const { InMemoryEventStore } = require('@modelcontextprotocol/sdk/examples/shared/inMemoryEventStore.js');
const { z } = require('zod');

const text = (said) => ({ content: [{ type: 'text', text: said }] });

function counted(prefix) {
  const ran = {};
  let lines = '';
  try {
    lines = readFileSync(oracle, 'utf8');
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
  for (const key of lines.split('\n').filter((line) => line !== '' && line.startsWith(prefix))) {
    ran[key] = (ran[key] ?? 0) + 1;
  }
  return ran;
}

function server() {
  const server = new McpServer({ name: 'typescript-sdk', version: '1' });
  server.registerTool(
    'oracle_run',
    { description: 'Counts that it ran', inputSchema: { key: z.string(), ms: z.number().optional() } },
    async ({ key, ms }) => {
      appendFileSync(oracle, `${key}\n`);
      await new Promise((done) => setTimeout(done, ms ?? 0));
      return text(key);
    },
  );
  server.registerTool(
    'oracle_count',
    {
      description: 'Answers how often each key that begins so ran',
      inputSchema: { prefix: z.string() },
      annotations: { readOnlyHint: true },
    },
    async ({ prefix }) => text(JSON.stringify(counted(prefix))),
  );
  return server;
}

const sessions = new Map();

async function opened() {
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    eventStore: new InMemoryEventStore(),
    onsessioninitialized: (id) => sessions.set(id, transport),
  });
  transport.onclose = () => sessions.delete(transport.sessionId);
  await server().connect(transport);
  return transport;
}

createServer(async (request, response) => {
  const id = request.headers['mcp-session-id'];
  if (id !== undefined && !sessions.has(id)) {
    response.writeHead(404, { 'content-type': 'application/json' });
    response.end('{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":null}');
    return;
  }
  await (sessions.get(id) ?? (await opened())).handleRequest(request, response);
}).listen(Number(port), '127.0.0.1');

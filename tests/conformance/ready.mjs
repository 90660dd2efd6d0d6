// Exits 0 if the server at URL lists the tool NAME in both eras, and says itself that it is ready:
//   node ready.mjs URL NAME [URL OF THE SERVER ITSELF]
const [url, name, server = url] = process.argv.slice(2);
const timeout = AbortSignal.timeout(15_000);

const post = async (method, params, headers) => {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    signal: timeout,
  });
  const text = await response.text();
  return { session: response.headers.get('mcp-session-id'), text };
};

const modern = () => post('tools/list', {
  _meta: {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': {},
  },
}, { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/list' });

const legacy = async () => {
  const clientInfo = { name: 'conformance-start', version: '1' };
  const { session } = await post('initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo });
  const headers = { 'mcp-session-id': session, 'mcp-protocol-version': '2025-11-25' };
  const tools = await post('tools/list', {}, headers);
  await fetch(url, { method: 'DELETE', headers, signal: timeout });
  return tools;
};

try {
  const ready = await fetch(new URL('/readyz', server), { signal: timeout });
  const lists = [await modern(), await legacy()];
  process.exitCode = ready.ok && lists.every(({ text }) => text.includes(`"${name}"`)) ? 0 : 1;
} catch {
  process.exitCode = 1;
}

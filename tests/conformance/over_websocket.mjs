// Lets the conformance suite, which speaks Streamable HTTP only, talk to a WebSocket:
//
//   node over_websocket.mjs ws://127.0.0.1:PORT/ws
//
// Prints its own URL, and serves until it is told to end. It judges nothing and changes no message.
// A legacy session is one socket. A modern request is one socket too, and closing its response
// closes the socket. What is HTTP (statuses, session ids, streams) is the adapter's own making:
// scenarios that test it say nothing about the server, and http_only.mjs leaves them out by name.
import { createServer } from 'node:http';
import { randomUUID } from 'node:crypto';

const target = process.argv[2];
const sessions = new Map();

const key = (id) => JSON.stringify(id);
const isRequest = (message) => message?.method !== undefined && message.id !== undefined;
const isAnswer = (message) => message?.method === undefined;
const statusOf = (code) => {
  if (code === -32601) return 404;
  return [-32700, -32600, -32020, -32021, -32022].includes(code) ? 400 : 200;
};

const connect = () => new Promise((opened, failed) => {
  const socket = new WebSocket(target, 'mcp');
  socket.addEventListener('open', () => opened(socket), { once: true });
  socket.addEventListener('error', () => failed(new Error('the WebSocket did not open')), { once: true });
});

// The response to one POST or GET: JSON while nothing but the answer came, else a stream.
class Reply {
  constructor(response, headers = {}) {
    Object.assign(this, { response, headers });
  }
  stream() {
    if (this.response.headersSent) return;
    this.response.writeHead(200, { ...this.headers, 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    this.response.flushHeaders();
  }
  send(text) {
    this.stream();
    this.response.write(`data: ${text}\n\n`);
  }
  answer(text, status) {
    if (this.response.headersSent) return this.response.end(`data: ${text}\n\n`);
    this.response.writeHead(status, { ...this.headers, 'content-type': 'application/json' });
    this.response.end(text);
  }
  empty(status) {
    this.response.writeHead(status, this.headers).end();
  }
}

const refuse = (response, status, sentence) => {
  const error = { code: -32600, message: `adapter: ${sentence}` };
  new Reply(response).answer(JSON.stringify({ jsonrpc: '2.0', id: null, error }), status);
};

// A legacy session: what belongs to an open call goes to its stream, the rest to the GET stream.
class Session {
  calls = new Map();
  waiting = [];
  constructor(socket) {
    this.socket = socket;
    socket.addEventListener('message', ({ data }) => this.deliver(data));
    socket.addEventListener('close', () => this.end());
  }
  open(reply, request) {
    this.calls.set(key(request.id), { reply, token: request.params?._meta?.progressToken });
    reply.response.on('close', () => this.calls.delete(key(request.id)));
  }
  deliver(text) {
    const message = JSON.parse(text);
    const own = isAnswer(message) && this.calls.get(key(message.id));
    if (own) return own.reply.answer(text, 200);
    const call = this.#callOf(message);
    if (call) call.reply.send(text);
    else if (this.rest) this.rest.send(text);
    else this.waiting.push(text);
  }
  #callOf({ method, params }) {
    const calls = [...this.calls.values()];
    if (method === 'notifications/progress') return calls.find(({ token }) => token === params.progressToken);
    const isOfNoCall = /^notifications\/(resources|tools|prompts)\//.test(method ?? '');
    return isOfNoCall ? undefined : calls.at(-1);
  }
  listen(reply) {
    this.rest = reply;
    reply.stream();
    for (const text of this.waiting.splice(0)) reply.send(text);
    reply.response.on('close', () => { if (this.rest === reply) this.rest = undefined; });
  }
  end() {
    for (const { reply } of this.calls.values()) reply.response.end();
    this.rest?.response.end();
  }
}

const initialize = async (response, request, text) => {
  const id = randomUUID();
  const socket = await connect();
  const session = new Session(socket);
  sessions.set(id, session);
  socket.addEventListener('close', () => sessions.delete(id));
  session.open(new Reply(response, { 'mcp-session-id': id }), request);
  socket.send(text);
};

const ofSession = (session, response, message, text) => {
  const reply = new Reply(response);
  if (isRequest(message)) session.open(reply, message);
  session.socket.send(text);
  if (!isRequest(message)) reply.empty(202);
};

const modern = async (response, message, text) => {
  const reply = new Reply(response);
  const socket = await connect();
  response.on('close', () => socket.close());
  socket.addEventListener('close', () => response.end());
  socket.addEventListener('message', ({ data }) => {
    const received = JSON.parse(data);
    if (isAnswer(received)) reply.answer(data, received.error ? statusOf(received.error.code) : 200);
    else reply.send(data);
  });
  socket.send(text);
  if (message?.method !== undefined && message.id === undefined) reply.empty(202);
};

const parse = (text) => {
  try {
    return JSON.parse(text);
  } catch {
    // The server is to say so.
    return undefined;
  }
};

const post = async (request, response) => {
  let text = '';
  for await (const piece of request.setEncoding('utf8')) text += piece;
  const message = parse(text);
  const id = request.headers['mcp-session-id'];
  const revision = message?.params?._meta?.['io.modelcontextprotocol/protocolVersion'];
  if (revision === undefined && id !== undefined) {
    const session = sessions.get(id);
    return session ? ofSession(session, response, message, text) : refuse(response, 404, 'no such session');
  }
  if (revision === undefined && message?.method === 'initialize') return initialize(response, message, text);
  return modern(response, message, text);
};

const serve = async (request, response) => {
  if (request.url !== '/mcp') return refuse(response, 404, 'there is only /mcp');
  if (request.method === 'POST') return post(request, response);
  const session = sessions.get(request.headers['mcp-session-id']);
  if (!session) return refuse(response, 405, 'GET and DELETE need a session');
  if (request.method === 'GET') return session.listen(new Reply(response));
  sessions.delete(request.headers['mcp-session-id']);
  session.socket.close();
  return new Reply(response).empty(200);
};

const server = createServer((request, response) => {
  serve(request, response).catch((error) => {
    if (response.headersSent) response.end();
    else refuse(response, 502, error.message);
  });
});
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}/mcp`));

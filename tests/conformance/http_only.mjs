// What the suite tests of HTTP itself. Over WebSocket (see over_websocket.mjs) the adapter would be
// judged, not the server, so this is left out there, by name and whatever came of it.
const headers = 'compares HTTP headers with the body; a socket has no headers for each request';

export const scenarios = {
  'dns-rebinding-protection': 'sends Host and Origin headers, which stop at the adapter',
  'server-sse-multiple-streams': 'counts concurrent POST requests and the streams that answer them',
  'server-sse-polling': 'resumes a broken stream by its event ids',
  'server-session-lifecycle': 'ends a session by DELETE and its Mcp-Session-Id, which the adapter mints',
  'http-header-validation': headers,
  'http-custom-header-server-validation': headers,
  'tasks-request-headers': headers,
};

// Checks within scenarios that run otherwise. Where a check wants a status and a code, the adapter
// derives the status from the server's code, so the code still counts: it is left in.
export const checks = {
  'server-stateless': {
    'sep-2575-http-server-header-mismatch-400': headers,
    'sep-2575-http-server-meta-invalid-400': 'tests the HTTP status alone',
    'sep-2575-missing-capability-http-400': 'tests the HTTP status alone',
  },
};

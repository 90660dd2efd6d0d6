#!/usr/bin/env bash
# Runs the official conformance suite, for both revisions, against the orchestrator with the
# fixture (examples/fixture.rs) as its one upstream. `./test` calls this; by hand:
#
#   cargo build --bins --examples && tests/conformance/run.sh [websocket]
#
# With `websocket` the server's /mcp is off, and an adapter (over_websocket.mjs) carries every
# message to /ws; what the suite tests of HTTP itself is left out by name.
#
# Builds and installs nothing. `conformance` and a node of version 22 or later must be on PATH.
# MCP_TEST_BINARY and MCP_TEST_FIXTURE name the two programs, if not those of the debug build;
# MCP_TEST_OUT names a folder to keep the results in. Exits 0 if every required check passed.
set -euo pipefail
transport=${1:-http}
case $transport in http | websocket) ;; *) echo "conformance: '$transport' is neither http nor websocket" >&2; exit 2 ;; esac
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

built=${CARGO_TARGET_DIR:-$here/../../target}/debug
binary=${MCP_TEST_BINARY:-$built/mcp-orchestrator}
fixture=${MCP_TEST_FIXTURE:-$built/examples/fixture}
for program in "$binary" "$fixture"; do
  [ -x "$program" ] || { echo "conformance: $program is not there; build it first" >&2; exit 2; }
done
command -v conformance >/dev/null || { echo "conformance: the suite is not on PATH; ./test installs it" >&2; exit 2; }

work=$(mktemp -d)
out=${MCP_TEST_OUT:-$work/out}
server=
adapter=

# Ends the adapter and the server by their own ids: politely, then not.
stop() {
  if [ -n "$adapter" ]; then
    kill -TERM "$adapter" 2>/dev/null || true
    wait "$adapter" 2>/dev/null || true
    adapter=
  fi
  [ -n "$server" ] || return 0
  local pid=$server status=0 _
  server=
  kill -TERM "$pid" 2>/dev/null || true
  for _ in $(seq 150); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
  kill -KILL "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || status=$?
  [ "$status" = 0 ] || echo "conformance: the server ended with $status" >&2
  return "$status"
}
trap 'stop || true; rm -rf "$work"' EXIT

start() {
  printf '{"mcpServers": {"fixture": {"command": "%s", "env": {"FIXTURE_ERAS": "both"}}}}' "$fixture" >"$work/mcp.json"
  local switches=()
  [ "$transport" = http ] || switches=(MCP_ORCHESTRATOR_TRANSPORTS__HTTP=false)
  env "${switches[@]}" "$binary" serve --no-auth --no-prefix --listen 127.0.0.1:0 --data-dir "$work/data" \
    --mcp-servers "$work/mcp.json" >"$work/stdout" 2>"$work/stderr" </dev/null &
  server=$!
}

# await_line PID FILE PATTERN: prints the first match in what that process wrote, within 20 s.
await_line() {
  local found _
  for _ in $(seq 200); do
    found=$(grep -oE "$3" "$2" | head -1 || true)
    [ -z "$found" ] || { echo "$found"; return; }
    kill -0 "$1" 2>/dev/null || break
    sleep 0.1
  done
  echo "conformance: what should write to $(basename "$2") did not start" >&2
  tail -20 "$work"/{stderr,adapter.stderr} >&2 || true
  return 1
}

# Within 20 s, until the server is ready and lists a tool of the fixture in both eras.
await_tools() {
  local _
  for _ in $(seq 100); do
    node "$here/ready.mjs" "$1" test_simple_text "$2" && return
    sleep 0.2
  done
  echo "conformance: the fixture's tools never showed" >&2
  tail -20 "$work/stderr" >&2
  return 1
}

# Nothing but /ws answers MCP: /mcp is no path of this server.
mcp_is_off() {
  node -e 'fetch(process.argv[1], { method: "POST", body: "{}" }).then(({ status }) => process.exit(status === 404 ? 0 : 1))' "$1/mcp" ||
    { echo "conformance: /mcp answers although it is off" >&2; return 1; }
}

start
if [ "$transport" = http ]; then
  url=$(await_line "$server" "$work/stderr" 'http://127\.0\.0\.1:[0-9]+/mcp')
  base=${url%/mcp}
else
  socket=$(await_line "$server" "$work/stderr" 'ws://127\.0\.0\.1:[0-9]+/ws')
  base=http${socket#ws} base=${base%/ws}
  mcp_is_off "$base"
  node "$here/over_websocket.mjs" "$socket" >"$work/adapter.stdout" 2>"$work/adapter.stderr" </dev/null &
  adapter=$!
  url=$(await_line "$adapter" "$work/adapter.stdout" 'http://127\.0\.0\.1:[0-9]+/mcp')
fi
await_tools "$url" "$base"
status=0
for revision in 2025-11-25 2026-07-28; do
  rm -rf "${out:?}/$revision"
  mkdir -p "$out/$revision"
  suite=0
  timeout 300 conformance server --url "$url" --requirements "$revision" -o "$out/$revision" \
    >"$out/$revision/suite.txt" 2>&1 || suite=$?
  node "$here/report.mjs" "$revision" "$out/$revision" "$suite" "$transport" || status=1
done
stop || status=1
if [ "$status" != 0 ]; then
  echo "-- the end of the server's log"
  tail -40 "$work/stderr"
fi
exit "$status"

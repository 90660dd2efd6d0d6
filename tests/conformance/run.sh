#!/usr/bin/env bash
# Runs the official conformance suite, for both revisions, against the orchestrator with the
# fixture (examples/fixture.rs) as its one upstream. `./test` calls this; by hand:
#
#   cargo build --bins --examples && tests/conformance/run.sh
#
# Builds and installs nothing. `conformance` and a node of version 22 or later must be on PATH.
# MCP_TEST_BINARY and MCP_TEST_FIXTURE name the two programs, if not those of the debug build;
# MCP_TEST_OUT names a folder to keep the results in. Exits 0 if every required check passed.
set -euo pipefail
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

# Ends the server by its own id: politely, then not.
stop() {
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
  "$binary" serve --no-auth --no-prefix --listen 127.0.0.1:0 --data-dir "$work/data" \
    --mcp-servers "$work/mcp.json" >"$work/stdout" 2>"$work/stderr" </dev/null &
  server=$!
}

# Prints the first match of a pattern in the server's stderr, within 20 s.
await_line() {
  local found _
  for _ in $(seq 200); do
    found=$(grep -oE "$1" "$work/stderr" | head -1 || true)
    [ -z "$found" ] || { echo "$found"; return; }
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
  done
  echo "conformance: the server did not start" >&2
  tail -20 "$work/stderr" >&2
  return 1
}

# Within 20 s, until the server is ready and lists a tool of the fixture in both eras.
await_tools() {
  local _
  for _ in $(seq 100); do
    node "$here/ready.mjs" "$1" test_simple_text && return
    sleep 0.2
  done
  echo "conformance: the fixture's tools never showed" >&2
  tail -20 "$work/stderr" >&2
  return 1
}

start
url=$(await_line 'http://127\.0\.0\.1:[0-9]+/mcp')
await_tools "$url"
status=0
for revision in 2025-11-25 2026-07-28; do
  rm -rf "${out:?}/$revision"
  mkdir -p "$out/$revision"
  suite=0
  timeout 300 conformance server --url "$url" --requirements "$revision" -o "$out/$revision" \
    >"$out/$revision/suite.txt" 2>&1 || suite=$?
  node "$here/report.mjs" "$revision" "$out/$revision" "$suite" || status=1
done
stop || status=1
if [ "$status" != 0 ]; then
  echo "-- the end of the server's log"
  tail -40 "$work/stderr"
fi
exit "$status"

#!/usr/bin/env bash
# Starts docker-compose.mcp-reliability.yml, plays the lab's scenarios in it, and reports.
#
#   ./run-mcp-reliability-tests.sh [--duration S] [--scenario NAME…] [--profile NAME]… [--no-build]
#                                  [--no-cleanup] [--out DIR]
#
#   --duration S       how long it all takes, in seconds (3600): scenarios share it equally
#   --scenario NAME…   play these, by name or file; else all that need no process of their own
#   --profile NAME     more of the stack: netem, pause, promtail, pumba (see docs/stack.md)
#   --no-build         use the images that are there
#   --no-cleanup       leave everything running at the end
#   --out DIR          where test-results/, logs/ and reports/ are (this folder)
#
# Each run has a folder of its own in each of these; none is ever removed. Exit codes: 0 every
# expectation held, 1 one failed or the stack did not come up, 2 something is missing or misspelt.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here"

SCENARIOS=(handshake-reliability concurrent-sessions reconnection-resilience connection-stability
  network-chaos high-load-stress half-open slow-consumer reconnect-storm session-loss)

duration=3600 cleanup=yes build=yes out=$here
scenarios=() profiles=()

usage() { sed -n '2,16s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }
wrong() { echo "run-mcp-reliability-tests.sh: $*" >&2; exit 2; }
say() { printf '\n== %s\n' "$*"; }

while [ $# -gt 0 ]; do
  case $1 in
    --duration)
      [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || wrong "--duration takes a number of seconds"
      duration=$2; shift 2 ;;
    --scenario)
      shift
      [[ ${1:---} != --* ]] || wrong "--scenario takes a name; there are: ${SCENARIOS[*]}"
      while [[ $# -gt 0 && $1 != --* ]]; do scenarios+=("$1"); shift; done ;;
    --profile) [ -n "${2:-}" ] || wrong "--profile takes a name"; profiles+=("$2"); shift 2 ;;
    --out) [ -n "${2:-}" ] || wrong "--out takes a folder"; mkdir -p "$2"; out=$(cd "$2" && pwd); shift 2 ;;
    --no-build) build=no; shift ;;
    --no-cleanup) cleanup=no; shift ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; wrong "unknown argument '$1'" ;;
  esac
done
[ ${#scenarios[@]} -gt 0 ] || scenarios=("${SCENARIOS[@]}")

# What is missing, and how to get it.
command -v docker >/dev/null || wrong "there is no docker: see https://docs.docker.com/engine/install/ (Debian: apt install docker.io)"
docker info >/dev/null 2>&1 || wrong "docker does not answer: start it (systemctl start docker), or join the group docker, or set DOCKER_HOST"
if docker compose version >/dev/null 2>&1; then
  compose=(docker compose)
elif command -v docker-compose >/dev/null; then
  compose=(docker-compose)
else
  wrong "there is no compose: install the plugin (docker-compose-plugin, docker-compose-v2) or docker-compose (Debian: apt install docker-compose)"
fi
export COMPOSE_PROJECT_NAME=${COMPOSE_PROJECT_NAME:-mcp-reliability}
compose+=(-f docker-compose.mcp-reliability.yml)
for profile in "${profiles[@]}"; do compose+=(--profile "$profile"); done

MCP_RUN=$(date -u +%Y-%m-%dT%H-%M-%SZ)
results=$out/test-results/$MCP_RUN logs=$out/logs/$MCP_RUN reports=$out/reports/$MCP_RUN
mkdir -p "$results" "$logs" "$reports"
# Results belong to who started this; root's to the user of the image, since no container is root.
MCP_UID=$(id -u) MCP_GID=$(id -g)
if [ "$MCP_UID" = 0 ]; then
  MCP_UID=10001 MCP_GID=10001
  chown "$MCP_UID:$MCP_GID" "$out/test-results" "$results"
fi
MCP_RESULTS=$out/test-results
MCP_DURATION=$duration
MCP_SCENARIO_DURATION=$(awk -v all="$duration" -v parts=${#scenarios[@]} 'BEGIN {printf "%.1f", all / parts}')
for at in "${!scenarios[@]}"; do
  # A file is read where the lab can: beside what comes of it.
  if [ -f "${scenarios[at]}" ]; then
    cp "${scenarios[at]}" "$results/"
    scenarios[at]=/test-results/$MCP_RUN/$(basename "${scenarios[at]}")
  fi
done
MCP_SCENARIOS=${scenarios[*]}
export MCP_RUN MCP_UID MCP_GID MCP_RESULTS MCP_DURATION MCP_SCENARIO_DURATION MCP_SCENARIOS

# id SERVICE: its container, also one that has ended.
id() { "${compose[@]}" ps -a -q "$1" 2>/dev/null || "${compose[@]}" ps -q "$1"; }

# What there is to keep, into the folders of this run.
collect() {
  collected=yes
  local service part file
  for service in $("${compose[@]}" config --services); do
    "${compose[@]}" logs --no-color "$service" >"$logs/$service.log" 2>&1 || true
  done
  "${compose[@]}" exec -T mcp-server sh -c 'cat /var/log/mcp/*' >"$logs/mcp-server.json" 2>/dev/null || true
  "${compose[@]}" exec -T prometheus wget -q -O - http://127.0.0.1:9090/api/v1/alerts \
    >"$reports/alerts.json" 2>/dev/null || true
  find "$logs" -size 0 -delete
  for part in test-runner claude-simulator; do
    for file in report.html report.md junit.xml; do
      [ ! -e "$results/$part/$file" ] || cp "$results/$part/$file" "$reports/$part-$file"
    done
  done
}

# shellcheck disable=SC2317
finish() {
  local status=$?
  trap - EXIT INT TERM
  [ -n "${collected:-}" ] || collect
  if [ "$cleanup" = yes ]; then
    say "stopping"
    "${compose[@]}" down --remove-orphans >"$logs/down.log" 2>&1 || cat "$logs/down.log" >&2
    echo "token, sessions and what Prometheus knows stay in volumes; to remove them: ${compose[*]} down -v"
  else
    echo "everything is left running; to stop it: ${compose[*]} down"
  fi
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

if [ $build = yes ]; then
  say "building"
  "${compose[@]}" build >"$logs/build.log" 2>&1 || { tail -40 "$logs/build.log" >&2; exit 1; }
fi

say "starting, each when those it needs are well"
"${compose[@]}" up -d 2>&1 | tee "$logs/up.log" || { "${compose[@]}" ps; exit 1; }

port() { "${compose[@]}" port "$1" "$2" 2>/dev/null || true; }
cat <<TEXT

server      http://$(port mcp-server 3001)/mcp, and its page at /
through the bad network
            http://$(port network-chaos 3100)/mcp
grafana     http://$(port grafana 3000) (admin/admin unless overridden)
prometheus  http://$(port prometheus 9090)
alerts      http://$(port alertmanager 9093)
token       ${compose[*]} exec mcp-server mcp-orchestrator token show
TEXT

# ended SERVICE: waits until it has, and gives its exit code.
ended() { timeout $((duration * 2 + 600)) docker wait "$(id "$1")" || echo 124; }

say "playing ${scenarios[*]} ($MCP_SCENARIO_DURATION s each)"
runner=$(ended test-runner)
simulator=$(ended claude-simulator)

say "summary"
collect
verdict=0
for part in test-runner:"$runner" claude-simulator:"$simulator"; do
  case ${part#*:} in 0) word=held ;; *) word="failed (exit code ${part#*:})" verdict=1 ;; esac
  printf '%-17s %s\n' "${part%:*}" "$word"
  [ "${part#*:}" = 0 ] || tail -20 "$logs/${part%:*}.log"
done
printf '\nresults  %s\nlogs     %s\nreports  %s\n' "$results" "$logs" "$reports"
exit $verdict

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
#   --out DIR          where test-results/, logs/ and reports/ are (the folder of this script)
#
# MCP_PROJECT (mcp-reliability) is the name of the stack; another one runs beside the first, on ports
# of its own (see docs/stack.md).
#
# Each run has a folder of its own in each of these; none is ever removed. Exit codes: 0 every
# expectation held, 1 one failed or the stack did not come up, 2 something is missing or misspelt.
set -euo pipefail
from=$PWD
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here"

SCENARIOS=(handshake-reliability concurrent-sessions reconnection-resilience connection-stability
  network-chaos high-load-stress half-open slow-consumer reconnect-storm session-loss)

duration=3600 cleanup=yes build=yes out=$here
scenarios=() profiles=()

usage() { sed -n '2,19s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }
wrong() { echo "run-mcp-reliability-tests.sh: $*" >&2; exit 2; }
say() { printf '\n== %s\n' "$*"; }
# What a path means to who started this.
theirs() { case $1 in /*) echo "$1" ;; *) echo "$from/$1" ;; esac; }

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
    --out) [ -n "${2:-}" ] || wrong "--out takes a folder"; out=$(theirs "$2"); shift 2 ;;
    --no-build) build=no; shift ;;
    --no-cleanup) cleanup=no; shift ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; wrong "unknown argument '$1'" ;;
  esac
done
[ ${#scenarios[@]} -gt 0 ] || scenarios=("${SCENARIOS[@]}")
for at in "${!scenarios[@]}"; do
  case " ${SCENARIOS[*]} " in *" ${scenarios[at]} "*) continue ;; esac
  file=$(theirs "${scenarios[at]}")
  [ -f "$file" ] || wrong "no scenario and no file '${scenarios[at]}'; there are: ${SCENARIOS[*]}"
  [[ ${file##*/} != *[[:space:]]* ]] || wrong "a scenario's file may have no space in its name: '$file'"
  scenarios[at]=$file
done
project=${MCP_PROJECT:-mcp-reliability}
[[ $project =~ ^[a-z0-9][a-z0-9_-]*$ ]] || wrong "MCP_PROJECT takes small letters, digits, - and _"

# What is missing, and how to get it.
command -v docker >/dev/null || wrong "there is no docker: see https://docs.docker.com/engine/install/ (Debian: apt install docker.io)"
docker info >/dev/null 2>&1 || wrong "docker does not answer: start it (systemctl start docker), or join the group docker, or set DOCKER_HOST"
case $(docker info -f '{{.SecurityOptions}}' 2>/dev/null || true) in
  *name=rootless* | *name=userns*)
    wrong "this docker is rootless, or gives containers other users: what they write would belong to none of yours, and their limits may not hold. Use the context of one that runs as root (docker context use default)" ;;
esac
# Containers read these as users of their own.
closed=$(find deploy dashboards \( -type d ! -perm -005 \) -o \( -type f ! -perm -004 \))
[ -z "$closed" ] || wrong "containers cannot read all of deploy/ and dashboards/: chmod -R a+rX $(printf '%q %q' "$here/deploy" "$here/dashboards")"
if docker compose version >/dev/null 2>&1; then
  compose=(docker compose)
elif command -v docker-compose >/dev/null; then
  compose=(docker-compose)
else
  wrong "there is no compose: install the plugin (docker-compose-plugin, docker-compose-v2) or docker-compose (Debian: apt install docker-compose)"
fi
# Ours whatever COMPOSE_PROJECT_NAME says, since it is taken down at the end.
compose+=(-p "$project" -f "$here/docker-compose.mcp-reliability.yml")
# An empty array counts as unset in bash 3.2.
for profile in ${profiles[@]+"${profiles[@]}"}; do compose+=(--profile "$profile"); done
# As it can be typed, wherever one stands.
typed=$(printf '%q ' "${compose[@]}")

started=$(date -u +%s)
since=$(date -u +%Y-%m-%dT%H:%M:%S)
MCP_PROJECT=$project
MCP_RUN=$(date -u +%Y-%m-%dT%H-%M-%SZ)
mkdir -p "$out"
out=$(cd "$out" && pwd)
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
  case ${scenarios[at]} in
    /*)
      cp "${scenarios[at]}" "$results/"
      scenarios[at]=/test-results/$MCP_RUN/${scenarios[at]##*/} ;;
  esac
done
MCP_SCENARIOS=${scenarios[*]}
export MCP_PROJECT MCP_RUN MCP_UID MCP_GID MCP_RESULTS MCP_DURATION MCP_SCENARIO_DURATION MCP_SCENARIOS

# containers FORM [SERVICE]: those of this stack, also ones that have ended. The engine is asked, since
# compose takes a second for each question.
containers() {
  docker ps -a --no-trunc --filter "label=com.docker.compose.project=$project" \
    ${2:+--filter "label=com.docker.compose.service=$2"} --format "$1"
}
id() { containers '{{.ID}}' "$1"; }

# The server's lines since this run began, oldest first: the file of the highest number is the oldest.
server_lines() {
  # shellcheck disable=SC2016
  docker exec "$(id mcp-server)" sh -c 'cat $(ls /var/log/mcp/* | sort -rV)' |
    awk -v since="$since" 'match($0, /"timestamp":"[^"]*"/) && substr($0, RSTART + 13, RLENGTH - 14) >= since'
}

# The alerts that fired since then, with the times at which they did.
alerts() {
  local now; now=$(date -u +%s)
  docker exec "$(id prometheus)" wget -q -O - "http://127.0.0.1:9090/api/v1/query_range?query=ALERTS%7Balertstate%3D%22firing%22%7D&start=$started&end=$now&step=$(((now - started) / 10000 + 1))"
}

# What there is to keep, into the folders of this run.
collect() {
  collected=yes
  local service id part file
  while read -r id service; do
    docker logs --since "$started" "$id" >"$logs/$service.log" 2>&1 || true
  done < <(containers '{{.ID}} {{.Label "com.docker.compose.service"}}')
  server_lines >"$logs/mcp-server.json" 2>/dev/null || true
  alerts >"$reports/alerts.json" 2>/dev/null || true
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
    "${compose[@]}" down >"$logs/down.log" 2>&1 || cat "$logs/down.log" >&2
    echo "token, sessions and what Prometheus knows stay in volumes; to remove them: ${typed}down -v"
  else
    echo "everything is left running; to stop it: ${typed}down"
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

port() { docker port "$(id "$1")" "$2" 2>/dev/null | head -1 || true; }
cat <<TEXT

server      http://$(port mcp-server 3001)/mcp, and its page at /
through the bad network
            http://$(port network-chaos 3100)/mcp
grafana     http://$(port grafana 3000) (admin/admin unless overridden)
prometheus  http://$(port prometheus 9090)
alerts      http://$(port alertmanager 9093)
token       ${typed}exec mcp-server mcp-orchestrator token show
TEXT

# ended SERVICE: waits until it has, and gives its exit code.
deadline=$((SECONDS + duration * 2 + 600))
ended() {
  local id state; id=$(id "$1")
  while [ "$SECONDS" -lt "$deadline" ]; do
    # exited 0; one that is gone has no state.
    state=$(docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' "$id") || { echo 125; return; }
    case $state in exited* | dead*) echo "${state#* }"; return ;; esac
    sleep 1
  done
  echo 124
}

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

# What tests/compose/run looks at, while the stack runs and after.
# shellcheck shell=bash disable=SC2154

# Also with a project of the user's own, which is none of the script's business.
export COMPOSE_PROJECT_NAME=somebody-elses
compose() { in_stack docker-compose -p mcp-reliability -f docker-compose.mcp-reliability.yml "$@"; }
id() { docker ps -a -q --no-trunc --filter "label=com.docker.compose.service=$1"; }
inside_server() { docker exec "$(id mcp-server)" "$@"; }
get() { in_stack curl -fsS --max-time 5 "$@"; }

# As grep -q, but it hears who speaks out.
has() { grep -- "$1" >/dev/null; }

# until_true SECONDS WHAT COMMAND…
until_true() {
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || { echo "not so: $what" >&2; return 1; }
    sleep 1
  done
  say "$what"
}

# query EXPRESSION: the first value.
query() {
  get -G --data-urlencode "query=$1" http://127.0.0.1:9090/api/v1/query |
    sed -n 's/.*"value":\[[^,]*,"\([^"]*\)".*/\1/p'
}
holds() { [ -n "$(query "$1" 2>/dev/null)" ]; }

# All targets that Prometheus knows answer at one time, but the two runs of the lab at theirs.
targets_up() {
  holds 'count(up{job!="mcp-lab"} == 1) == 9 and count(max_over_time(up{job="mcp-lab"}[10m]) == 1) == 2 and count(up) == 11'
}

# What the script says where something is missing or misspelt, before it starts anything.
refuses() {
  local tool
  mkdir "$work/few"
  for tool in bash dirname sed; do ln -s "$(command -v $tool)" "$work/few/"; done
  refused 'apt install docker.io' env PATH="$work/few" ./run-mcp-reliability-tests.sh
  refused 'number of seconds' ./run-mcp-reliability-tests.sh --duration soon
  refused 'takes a name' ./run-mcp-reliability-tests.sh --scenario --no-cleanup
  refused "unknown argument '--forever'" ./run-mcp-reliability-tests.sh --forever
  refused "'nonesuch'; there are: handshake-reliability" ./run-mcp-reliability-tests.sh --scenario nonesuch
  refused 'small letters' env MCP_PROJECT=A ./run-mcp-reliability-tests.sh
  mkdir "$work/rootless"
  printf '#!/bin/sh\necho "[name=seccomp,profile=builtin name=rootless]"\n' >"$work/rootless/docker"
  chmod +x "$work/rootless/docker"
  refused 'docker is rootless' env PATH="$work/rootless:$PATH" ./run-mcp-reliability-tests.sh
  say "the script says what is missing"
}
refused() {
  local said status=0
  said=$("${@:2}" 2>&1) || status=$?
  [ "$status" = 2 ] && grep -q -- "$1" <<<"$said" && return
  echo "not refused for '$1' but: $status $said"
  exit 1
}

# The shipped plan of faults, four times as fast, so that a short run sees all of it.
quick_chaos() {
  awk -F'"' '/^(at|for|every) = / { ms = $2 * ($2 ~ /ms$/ ? 1 : 1000) / 4; printf "%s\"%dms\"\n", $1, ms; next } { print }' \
    deploy/stack/chaos.toml >"$work/chaos.toml"
}

# The run, while it is looked at from outside.
run_stack() {
  quick_chaos
  in_stack env MCP_PROMETHEUS=./deploy/prometheus/lab MCP_CHAOS_PLAN="$work/chaos.toml" \
    sh -c 'cd tests/compose && exec ../../run-mcp-reliability-tests.sh "$@"' sh \
    --duration "${MCP_COMPOSE_SECONDS:-32}" --scenario scenario.toml \
    --out "$work/out" --no-cleanup >"$work/run.log" 2>&1 9>&- &
  running=$!
  until_true 240 "Prometheus reaches all of its targets" targets_up_or_over || gave_up
  wait "$running" || gave_up
  say "the report is green"
}
targets_up_or_over() { targets_up || { kill -0 "$running" 2>/dev/null || gave_up; false; }; }
gave_up() {
  tail -60 "$work/run.log"
  echo "targets that do not answer: $(get -G --data-urlencode 'query=up == 0' http://127.0.0.1:9090/api/v1/query)"
  exit 1
}

check_all() {
  results
  shipped
  outage
  boxed
  pauses
  packets
  kept
  compose --profile pause --profile netem down -v -t 2 --remove-orphans >"$work/down.log" 2>&1
}

# What the run left, for who reads it later.
results() {
  local part
  for part in test-runner claude-simulator; do
    ls "$work"/out/test-results/*/"$part"/result.json "$work"/out/reports/*/"$part"-report.html >/dev/null
  done
  grep -q server_started "$work"/out/logs/*/mcp-server.json
  [ "$(sort -c <(grep -o '"timestamp":"[^"]*"' "$work"/out/logs/*/mcp-server.json) 2>&1)" = "" ]
  grep -q '"resultType":"matrix".*"alertname":"McpWatchdog"' "$work"/out/reports/*/alerts.json
  from_anywhere
  say "results, logs and reports are there"
}

# What the script says to type works from any folder.
from_anywhere() {
  local typed
  typed=$(sed -n 's/^token  *//p' "$work/run.log")
  (cd / && in_stack bash -c "${typed/ exec / exec -T }") 2>/dev/null | has .
}

# Numbers, lines and spans are where the dashboards look for them.
shipped() {
  until_true 30 "clients came through the bad network" holds 'sum(mcp_chaos_faults_injected_total) > 0'
  until_true 30 "spans reach the collector, and Tempo" \
    holds 'otelcol_receiver_accepted_spans_total > 0 and on() tempo_distributor_spans_received_total > 0'
  until_true 30 "lines reach Loki" lines server_started
  local boards=(dashboards/*.json)
  [ "$(get -u admin:admin http://127.0.0.1:3002/api/search | grep -o '"uid"' | wc -l)" = ${#boards[@]} ]
  say "dashboards are where Grafana looks for them"
}
lines() { all_lines | has "$1"; }
all_lines() {
  get -G --data-urlencode 'query={service_name="mcp-orchestrator"}' http://127.0.0.1:3100/loki/api/v1/query_range
}

# An upstream that goes is told in every way: to the caller, as an alert, in the log, in a trace.
outage() {
  token=$(inside_server mcp-orchestrator token show 2>/dev/null)
  session=
  session=$(opened)
  ask '{"jsonrpc":"2.0","method":"notifications/initialized"}' >/dev/null
  docker stop -t 1 "$(id mcp-upstream)" >/dev/null
  ask "$(echo_call)" | has '"mcp-orchestrator/code":"unavailable"'
  until_true 60 "an outage is told to the caller, and to Alertmanager" alerted McpUpstreamDown
  until_true 30 "and its line in Loki leads to its trace in Tempo" traced
  docker start "$(id mcp-upstream)" >/dev/null
  until_true 60 "its tools work again" works
}
alerted() { get http://127.0.0.1:9093/api/v2/alerts | has "\"alertname\":\"$1\""; }
works() { ask "$(echo_call)" | has 'Echo: x'; }
traced() {
  local trace
  trace=$(all_lines | grep -oE 'trace_id[^0-9a-f]+[0-9a-f]{32}' | tail -1 | grep -oE '[0-9a-f]{32}')
  get "http://127.0.0.1:3200/api/traces/$trace" 2>/dev/null | has "$trace"
}

# No container is root's, has rights, writes beside its volumes, sees the engine, or listens to others.
boxed() {
  local one facts
  for one in $(docker ps -a -q); do
    facts=$(docker inspect -f '{{.Name}} user={{.Config.User}} privileged={{.HostConfig.Privileged}} read_only={{.HostConfig.ReadonlyRootfs}} drop={{.HostConfig.CapDrop}} add={{json .HostConfig.CapAdd}} memory={{.HostConfig.Memory}} cpus={{.HostConfig.NanoCpus}} log={{index .HostConfig.LogConfig.Config "max-size"}} binds={{.HostConfig.Binds}} ports={{range $p, $to := .HostConfig.PortBindings}}{{range $to}}{{.HostIp}} {{end}}{{end}}' "$one")
    case $facts in
      *user=:* | *user=0:* | *user=root* | *"user= "* | *privileged=true* | *read_only=false* | *docker.sock* | *memory=0* | *"cpus=0 "*) ;;
      *drop=\[ALL\]\ add=null*log=10m* | *drop=\[ALL\]\ add=\[\]*log=10m*) grep -qE 'ports=(127\.0\.0\.1 )*$' <<<"$facts" && continue ;;
    esac
    echo "this container has too much: $facts"
    return 1
  done
  local server stress
  server=$(docker inspect -f '{{.HostConfig.CpusetCpus}} {{.HostConfig.Memory}}' "$(id mcp-server)")
  stress=$(docker inspect -f '{{.HostConfig.CpusetCpus}} {{.HostConfig.Memory}}' "$(id resource-stress)")
  [ "$server" = "$stress" ]
  say "no container is root's, privileged, or reached from elsewhere"
}

# The sidecar stops the server's process, and lets it go on.
pauses() {
  export MCP_PAUSE_SECONDS=6 MCP_PAUSE_EVERY=8
  compose --profile pause up -d --no-deps server-pause >>"$work/up.log" 2>&1
  until_true 60 "the server stands still" stopped
  until_true 60 "and goes on" answers
  docker stop "$(id server-pause)" >/dev/null
  until_true 60 "for good" answers
}
stopped() { inside_server sh -c 'grep -hs ^State /proc/[0-9]*/status' | has 'T (stopped)'; }
answers() { get http://127.0.0.1:3001/health >/dev/null 2>&1; }

# Packets are delayed in the server's network, or it is said that this kernel cannot.
packets() {
  compose --profile netem up -d --no-deps server-netem >>"$work/up.log" 2>&1
  until_true 30 "netem delays packets, or says that this kernel has none" packets_told
  docker stop "$(id server-netem)" >/dev/null
}
packets_told() { docker logs "$(id server-netem)" 2>&1 | has 'this kernel has no netem\|100ms ± 50ms'; }

# A new container of the server has the token and the sessions of the one before.
kept() {
  local before
  before=$(id mcp-server)
  compose up -d --no-deps --force-recreate mcp-server >>"$work/up.log" 2>&1
  [ "$(id mcp-server)" != "$before" ]
  until_true 60 "a new server is there" answers
  [ "$(inside_server mcp-orchestrator token show 2>/dev/null)" = "$token" ]
  until_true 60 "it has the token, the session and the tools of the one before" works
}

# A session of ours, on the server itself.
opened() {
  ask '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"compose","version":"1"}}}' |
    tr -d '\r' | sed -n 's/^mcp-session-id: //Ip'
}
echo_call() {
  printf '{"jsonrpc":"2.0","id":%s,"method":"tools/call","params":{"name":"everything__echo","arguments":{"message":"x"}}}' "$SECONDS"
}
# ask MESSAGE: the answer with its head, with the token, and in the session where there is one.
ask() {
  get --max-time 40 -i http://127.0.0.1:3001/mcp -H "Authorization: Bearer $token" -H 'Content-Type: application/json' \
    -H 'Accept: application/json, text/event-stream' ${session:+-H "Mcp-Session-Id: $session"} -d "$1"
}

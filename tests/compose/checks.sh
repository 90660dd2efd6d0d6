# What tests/compose/run looks at, while the stack runs and after.
# shellcheck shell=bash disable=SC2154

compose() { in_stack docker-compose -p mcp-reliability -f docker-compose.mcp-reliability.yml "$@"; }
get() { in_stack curl -fsS --max-time 5 "$@"; }

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

# All targets that Prometheus knows answer at one time, the simulator's among them.
targets_up() { holds 'count(up == 1) == 10 and count(up) == 10'; }

# What the script says where something is missing or misspelt, before it starts anything.
refuses() {
  local tool
  mkdir "$work/few"
  for tool in bash dirname sed; do ln -s "$(command -v $tool)" "$work/few/"; done
  refused 'apt install docker.io' env PATH="$work/few" ./run-mcp-reliability-tests.sh
  refused 'number of seconds' ./run-mcp-reliability-tests.sh --duration soon
  refused 'takes a name' ./run-mcp-reliability-tests.sh --scenario --no-cleanup
  refused "unknown argument '--forever'" ./run-mcp-reliability-tests.sh --forever
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
  in_stack env MCP_PROMETHEUS=./deploy/prometheus/lab MCP_CHAOS_PLAN="$work/chaos.toml" ./run-mcp-reliability-tests.sh \
    --duration "${MCP_COMPOSE_SECONDS:-32}" --scenario tests/compose/scenario.toml \
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
  boxed
  pauses
  kept
  compose --profile pause down -v --remove-orphans >"$work/down.log" 2>&1
}

# What the run left, for who reads it later.
results() {
  local part
  for part in test-runner claude-simulator; do
    ls "$work"/out/test-results/*/"$part"/result.json "$work"/out/reports/*/"$part"-report.html >/dev/null
  done
  grep -q server_started "$work"/out/logs/*/mcp-server.json
  grep -q '"alertname":"McpWatchdog"' "$work"/out/reports/*/alerts.json
  say "results, logs and reports are there"
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
lines() {
  get -G --data-urlencode 'query={service_name="mcp-orchestrator"}' \
    http://127.0.0.1:3100/loki/api/v1/query_range | grep -q "$1"
}

# No container is root's, has rights, writes beside its volumes, sees the engine, or listens to others.
boxed() {
  local id facts
  for id in $(compose ps -q); do
    facts=$(docker inspect -f '{{.Name}} user={{.Config.User}} privileged={{.HostConfig.Privileged}} read_only={{.HostConfig.ReadonlyRootfs}} drop={{.HostConfig.CapDrop}} add={{json .HostConfig.CapAdd}} memory={{.HostConfig.Memory}} log={{index .HostConfig.LogConfig.Config "max-size"}} binds={{.HostConfig.Binds}} ports={{range $p, $to := .HostConfig.PortBindings}}{{range $to}}{{.HostIp}} {{end}}{{end}}' "$id")
    case $facts in
      *user=:* | *user=0:* | *user=root* | *"user= "* | *privileged=true* | *read_only=false* | *docker.sock* | *memory=0*) ;;
      *drop=\[ALL\]\ add=null*log=10m* | *drop=\[ALL\]\ add=\[\]*log=10m*) grep -qE 'ports=(127\.0\.0\.1 )*$' <<<"$facts" && continue ;;
    esac
    echo "this container has too much: $facts"
    return 1
  done
  local server stress
  server=$(docker inspect -f '{{.HostConfig.CpusetCpus}} {{.HostConfig.Memory}}' "$(compose ps -q mcp-server)")
  stress=$(docker inspect -f '{{.HostConfig.CpusetCpus}} {{.HostConfig.Memory}}' "$(compose ps -q resource-stress)")
  [ "$server" = "$stress" ]
  say "no container is root's, privileged, or reached from elsewhere"
}

# The sidecar stops the server's process, and lets it go on.
pauses() {
  export MCP_PAUSE_SECONDS=6 MCP_PAUSE_EVERY=8
  compose --profile pause up -d --no-deps server-pause >>"$work/up.log" 2>&1
  until_true 60 "the server stands still" stopped
  until_true 60 "and goes on" answers
  compose --profile pause rm -sf server-pause >>"$work/up.log" 2>&1
  until_true 60 "for good" answers
}
stopped() { compose exec -T mcp-server sh -c 'grep -hs ^State /proc/[0-9]*/status' | grep -q 'T (stopped)'; }
answers() { get http://127.0.0.1:3001/health >/dev/null 2>&1; }

# A new container of the server has the token and the sessions of the one before.
kept() {
  local token before session
  token=$(compose exec -T mcp-server mcp-orchestrator token show 2>/dev/null)
  before=$(compose ps -q mcp-server)
  session=$(ask "$token" '' '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"compose","version":"1"}}}' |
    tr -d '\r' | sed -n 's/^mcp-session-id: //Ip')
  ask "$token" "$session" '{"jsonrpc":"2.0","method":"notifications/initialized"}' >/dev/null
  compose up -d --no-deps --force-recreate mcp-server >>"$work/up.log" 2>&1
  [ "$(compose ps -q mcp-server)" != "$before" ]
  until_true 60 "a new server is there" answers
  [ "$(compose exec -T mcp-server mcp-orchestrator token show 2>/dev/null)" = "$token" ]
  ask "$token" "$session" '{"jsonrpc":"2.0","id":2,"method":"tools/list"}' | grep -q everything__echo
  say "it has the token, the sessions and the tools of the one before"
}
# ask TOKEN SESSION MESSAGE: the answer with its head.
ask() {
  get -i http://127.0.0.1:3001/mcp -H "Authorization: Bearer $1" -H 'Content-Type: application/json' \
    -H 'Accept: application/json, text/event-stream' ${2:+-H "Mcp-Session-Id: $2"} -d "$3"
}

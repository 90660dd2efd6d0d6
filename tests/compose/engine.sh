# A container engine for tests/compose/run: started and ended here, seen by nobody else.
# shellcheck shell=bash disable=SC2154

engine='' inside=''

engine_install() {
  local missing=() tool
  for tool in dockerd:docker.io docker-compose:docker-compose iptables:iptables debootstrap:debootstrap \
    ip:iproute2 unshare:util-linux npm:npm strip:binutils; do
    command -v "${tool%%:*}" >/dev/null || missing+=("${tool#*:}")
  done
  [ ${#missing[@]} = 0 ] && return
  echo "installing Debian packages: ${missing[*]}"
  apt-get update -q >"$work/apt" 2>&1
  # RUNLEVEL=1 keeps the package from starting its service.
  DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -qy --no-install-recommends \
    "${missing[@]}" >"$work/apt" 2>&1 || { tail "$work/apt"; skipped "Debian's docker.io cannot be installed"; }
}

# engine_start host|own: where what runs in it has its network. Builds take packages from the host's;
# the stack has one of its own, with its ports, bridges and rules, and no way out.
engine_start() {
  local spaces=(--mount --pid --fork --kill-child --mount-proc) given=()
  if [ "$1" = host ]; then given=(--bridge=none --iptables=false --ip6tables=false --ip-forward=false); else spaces+=(--net); fi
  # What a run that was killed left must not be made anew, and least of all in the host's network.
  rm -rf "$cache"/data/{network,containers,volumes}
  export DOCKER_HOST=unix://$work/socket
  # shellcheck disable=SC2016
  unshare "${spaces[@]}" sh -c 'ip link set lo up; exec dockerd "$@"' dockerd \
    --data-root "$cache/data" --exec-root "$work/exec" --pidfile "$work/pid" --host "$DOCKER_HOST" \
    --storage-driver overlay2 --cgroup-parent "/$(basename "$work")" "${given[@]}" >"$work/engine.log" 2>&1 9>&- &
  engine=$!
  local tries
  for tries in $(seq 300); do
    docker info >/dev/null 2>&1 && { engine_first; return; }
    kill -0 "$engine" 2>/dev/null || break
    sleep 0.1
  done
  tail -5 "$work/engine.log"
  skipped "dockerd does not start here, after $tries tries: $(tail -1 "$work/engine.log")"
}

# engine_runs ARGUMENT…: a container starts at all. Namespaces, layers of files and bridges may each be
# forbidden where the engine itself starts.
engine_runs() {
  docker run --rm "$@" debian:bookworm-slim true >"$work/first.log" 2>&1 ||
    skipped "docker starts no container here (docker run $*): $(grep . "$work/first.log" | head -1)"
}

# The first process in the engine's namespaces, by which they are entered.
engine_first() { inside=$(pgrep -P "$engine" | head -1); }

# In the network of the stack.
in_stack() { nsenter --target "$inside" --net -- "$@"; }

engine_stop() {
  local tries
  [ -z "$inside" ] || kill -TERM "$inside" 2>/dev/null || true
  for tries in $(seq 150); do
    kill -0 "$engine" 2>/dev/null || break
    sleep 0.1
  done
  # With their first process end all others of the namespace.
  kill -KILL ${inside:+"$inside"} "$engine" 2>/dev/null || true
  wait "$engine" 2>/dev/null || true
  engine='' inside=''
  : "$tries"
}

engine_clean_up() {
  local status=$?
  trap - EXIT INT TERM
  if [ -n "${engine:-}" ]; then
    [ -z "${inside:-}" ] || docker ps -q 2>/dev/null | xargs -r docker kill >/dev/null 2>&1 || true
    docker container prune -f >/dev/null 2>&1 || true
    docker network prune -f >/dev/null 2>&1 || true
    docker volume prune -f >/dev/null 2>&1 || true
    docker image prune -f >/dev/null 2>&1 || true
    engine_stop
  fi
  find /sys/fs/cgroup -depth -type d -path "*/$(basename "$work")*" -exec rmdir {} + 2>/dev/null || true
  [ "$status" = 0 ] || [ "$status" = 77 ] || keep_logs
  rm -rf "$work"
  exit "$status"
}

# What is needed to find out what went wrong.
keep_logs() {
  rm -rf "$cache/failed"
  mkdir -p "$cache/failed"
  cp -r "$work/out" "$work"/*.log "$cache/failed" 2>/dev/null || true
  echo "logs are kept in $cache/failed"
}

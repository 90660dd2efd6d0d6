# The images of the stack: ours by the shipped Dockerfiles, all others as stand-ins under the names
# that the compose file has.
# shellcheck shell=bash disable=SC2154

# image SERVICE: what the compose file names for it.
image() { sed -n "/^  $1:/,/^  [a-z]/s/^ *image: //p" docker-compose.mcp-reliability.yml | head -1; }

# The base of all: bookworm, made by debootstrap once.
images_base() {
  docker image inspect debian:bookworm-slim >/dev/null 2>&1 && return
  say "debootstrap"
  debootstrap --variant=minbase --include=ca-certificates,curl bookworm "$work/rootfs" \
    >"$work/debootstrap.log" 2>&1 || { tail "$work/debootstrap.log"; exit 1; }
  rm -rf "$work"/rootfs/var/cache/apt/archives/*.deb "$work"/rootfs/var/lib/apt/lists/*
  tar -C "$work/rootfs" -c . | docker import - debian:bookworm-slim >/dev/null
  rm -rf "$work/rootfs"
}

# node and npm of one version, by npm.
images_node() {
  local wanted="node@22.23.3 npm@10.9.4" name
  name=$(sed -n 's/^FROM \(node:.*\)/\1/p' deploy/upstream/Dockerfile)
  local made; made=$(cat tests/compose/standins/node/Dockerfile /etc/ssl/certs/ca-certificates.crt - <<<"$wanted" | sha256sum)
  [ "$(cat "$cache/node" 2>/dev/null)" = "$made" ] && docker image inspect "$name" >/dev/null 2>&1 && return
  say "node for the stand-in"
  cp -r tests/compose/standins/node "$work/node"
  cp /etc/ssl/certs/ca-certificates.crt "$work/node/machine.crt"
  # shellcheck disable=SC2086
  (cd "$work/node" && npm install --no-audit --no-fund --silent --no-package-lock $wanted) || exit 1
  standin "$name" "$work/node"
  rm -rf "$work/node"
  echo "$made" >"$cache/node"
}

# standin NAME FOLDER ARGUMENT…
standin() {
  docker build -q --network host -t "$1" "${@:3}" "$2" >>"$work/build.log" 2>&1 ||
    { tail -20 "$work/build.log"; exit 1; }
}

images_rust() {
  cp -r tests/compose/standins/rust "$work/rust"
  mkdir "$work/rust/built"
  strip -o "$work/rust/built/mcp-orchestrator" "$MCP_BUILT/mcp-orchestrator"
  strip -o "$work/rust/built/fixture" "$MCP_BUILT/examples/fixture"
  standin "$(sed -n 's/^FROM \(rust:.*\) AS build$/\1/p' deploy/Dockerfile)" "$work/rust"
}

images_build() {
  images_base
  engine_runs --network none
  images_node
  images_rust
  local service
  for service in prometheus alertmanager loki alloy tempo collector grafana; do
    standin "$(image "$service")" tests/compose/standins --target "$service"
  done
  say "ours, by deploy/Dockerfile"
  # Here, where packages can be had: when the script builds, it finds all of it done.
  ours --target reliability -t mcp-orchestrator-reliability:0.1.0 -f deploy/Dockerfile .
  ours -t mcp-orchestrator:0.1.0 -f deploy/Dockerfile .
  ours --target netem -t mcp-reliability-netem:0.1.0 -f deploy/Dockerfile .
  ours -t mcp-reliability-upstream:0.1.0 deploy/upstream
}

ours() {
  docker build --network host "$@" >>"$work/build.log" 2>&1 || { tail -30 "$work/build.log"; exit 1; }
}

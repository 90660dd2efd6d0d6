#!/bin/sh
# Makes the network of this network namespace bad, packet by packet, with tc netem. It wants
# NET_ADMIN (root), tc, and a kernel with netem (module sch_netem); where the kernel has none it says
# so and ends with 3: the chaos proxy (`mcp-orchestrator chaos`) needs none of these.
#
#   netem.sh cycle      every two minutes: latency for 60 s, loss for 30 s, nothing passes for 5 s, all is well
#   netem.sh latency    100 ms ± 50 ms on everything that is sent, until told otherwise
#   netem.sh loss       5 % of what is sent is lost
#   netem.sh drop       all of it is lost
#   netem.sh off        all is well
#   netem.sh check      ends with 0 where the others would work: it puts a netem in that delays nothing, and
#                       takes it out
#
# A discipline that somebody else has set on the device is let alone: all of this is refused there.
#
# Variables: DEVICE (else that of the default route, or eth0), LATENCY, JITTER, LOSS; for `cycle` the
# seconds LATENCY_SECONDS, LOSS_SECONDS, DROP_SECONDS, EVERY, and ROUNDS (else for ever).
set -eu

default_device() {
  ip route show default 2>/dev/null | sed -n 's/.* dev \([^ ]*\).*/\1/p' | head -n 1
}
DEVICE=${DEVICE:-$(default_device)}
DEVICE=${DEVICE:-eth0}

say() { echo "netem.sh: $*"; }
stop() { echo "netem.sh: $2" >&2; exit "$1"; }

# Stops where the device has a discipline that is neither the default, whose handle is 0, nor a netem.
look() {
  there=$(tc qdisc show dev "$DEVICE" 2>&1) || stop 1 "tc cannot look at $DEVICE: $there"
  foreign=$(echo "$there" | sed -n '/^qdisc netem /d; / 0: /d; / root /p')
  [ -z "$foreign" ] || stop 1 "$DEVICE has a discipline of somebody else, which would be lost: $foreign"
}

# set_to ARGUMENTS…: one netem on the device, with these.
set_to() {
  look
  said=$(tc qdisc replace dev "$DEVICE" root netem "$@" 2>&1) && return
  case $said in
    *unknown* | *"No such file"*)
      stop 3 "this kernel has no netem: run 'modprobe sch_netem' on the host, or let the chaos proxy do it" ;;
    *permitted*) stop 1 "tc may not change $DEVICE: this wants NET_ADMIN" ;;
    *) stop 1 "tc cannot change $DEVICE: $said" ;;
  esac
}

latency() { set_to delay "${LATENCY:-100ms}" "${JITTER:-50ms}"; say "$DEVICE: ${LATENCY:-100ms} ± ${JITTER:-50ms}"; }
loss() { set_to loss "${LOSS:-5%}"; say "$DEVICE: ${LOSS:-5%} lost"; }
drop() { set_to loss 100%; say "$DEVICE: nothing passes"; }
# There may be nothing to take away; what counts is what is there then.
off() {
  tc qdisc delete dev "$DEVICE" root netem 2>/dev/null || true
  there=$(tc qdisc show dev "$DEVICE" 2>&1) || stop 1 "tc cannot look at $DEVICE: $there"
  case $there in *'qdisc netem'*) stop 1 "$DEVICE is still bad: $there" ;; esac
  say "$DEVICE: all is well"
}
check() { set_to delay 0ms; off; }

# A signal ends the wait at once, and what was set does not outlive this script.
pause() {
  sleep "$1" &
  sleeper=$!
  wait "$sleeper"
}
end() {
  kill "$sleeper" 2>/dev/null || true
  off
  exit 0
}

cycle() {
  latency_s=${LATENCY_SECONDS:-60} loss_s=${LOSS_SECONDS:-30} drop_s=${DROP_SECONDS:-5} every=${EVERY:-120}
  well_s=$((every - latency_s - loss_s - drop_s))
  [ "$well_s" -ge 0 ] || stop 2 "EVERY ($every s) is shorter than what it holds"
  sleeper='' round=0
  trap end TERM INT HUP
  while [ -z "${ROUNDS:-}" ] || [ "$round" -lt "$ROUNDS" ]; do
    round=$((round + 1))
    latency; pause "$latency_s"
    loss; pause "$loss_s"
    drop; pause "$drop_s"
    off; pause "$well_s"
  done
}

case ${1:-} in
  cycle | latency | loss | drop | off | check)
    command -v tc >/dev/null || stop 1 "there is no tc here: install iproute2"
    "$1" ;;
  *) sed -n '2,17s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac

#!/bin/sh
# Stops a server's process for a while and lets it go on (SIGSTOP, SIGCONT), as a machine that swaps or
# sleeps does. It runs in the process namespace of the server, as the same user, and needs no right
# beyond that. What it stopped goes on when this script is told to end.
#
#   pause.sh cycle      every two minutes, for 10 s, at the end of the two minutes
#   pause.sh once       now, for 10 s
#   pause.sh find       prints the ids of the processes that the others would stop
#
# Variables: NAME (mcp-orchestrator) of the program, SECONDS_PAUSED (10), EVERY (120), and ROUNDS (else
# for ever).
set -eu

NAME=${NAME:-mcp-orchestrator}
paused_s=${SECONDS_PAUSED:-10} every=${EVERY:-120}
stopped='' sleeper=''

say() { echo "pause.sh: $*"; }
stop() { echo "pause.sh: $2" >&2; exit "$1"; }

# The processes of this user that run the program of that name as a server, by what they were started
# with: other commands of it (`health`, `agent`, `connect`) are let alone.
find_them() {
  me=$(id -u)
  for folder in /proc/[0-9]*; do
    [ "$(stat -c %u "$folder" 2>/dev/null)" = "$me" ] || continue
    words=$(tr '\0' '\n' <"$folder/cmdline" 2>/dev/null | head -n 2)
    program=$(echo "$words" | head -n 1)
    [ "${program##*/}" = "$NAME" ] || continue
    case $(echo "$words" | sed -n 2p) in
      '' | serve | -*) echo "${folder#/proc/}" ;;
    esac
  done
}

# A signal ends the wait at once.
pause() {
  sleep "$1" &
  sleeper=$!
  wait "$sleeper"
  sleeper=''
}
go_on() {
  # One that has ended meanwhile is no reason to leave the others stopped.
  for id in $stopped; do kill -CONT "$id" 2>/dev/null || true; done
  stopped=''
}
end() {
  go_on
  [ -z "$sleeper" ] || kill "$sleeper" 2>/dev/null || true
  exit 0
}

# Whatever ends this script, nobody is left stopped.
trap go_on EXIT

once() {
  trap end TERM INT HUP
  found=$(find_them)
  [ -n "$found" ] || { say "no process '$NAME' of user $(id -u) here"; return 1; }
  for id in $found; do
    stopped="$stopped $id"
    # One that has ended meanwhile is no reason to go, either.
    kill -STOP "$id" 2>/dev/null || true
  done
  say "stopped:$stopped"
  pause "$paused_s"
  go_on
  say "goes on"
}

cycle() {
  trap end TERM INT HUP
  [ "$every" -ge "$paused_s" ] || stop 2 "EVERY ($every s) is shorter than the pause"
  round=0
  while [ -z "${ROUNDS:-}" ] || [ "$round" -lt "$ROUNDS" ]; do
    round=$((round + 1))
    pause $((every - paused_s))
    # A server that is being started anew is found the next time.
    once || true
  done
}

case ${1:-} in
  cycle) cycle ;;
  once) once ;;
  find) find_them ;;
  *) sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac

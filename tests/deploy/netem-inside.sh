#!/bin/sh
# The first process of the machine that tests/deploy/netem boots.
/bin/busybox echo 'netem: booted'
/bin/busybox --install -s /bin 2>/dev/null
export PATH=/bin DEVICE=lo
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
ifconfig lo 127.0.0.1 up

failed=no
tell() { echo "netem: $*"; }
# expect WHAT ACTUAL LEAST MOST: whole numbers.
expect() {
  if [ "$2" -ge "$3" ] && [ "$2" -le "$4" ]; then tell "$1: $2 (from $3 to $4)"
  else tell "WRONG: $1: '$2' is not from $3 to $4"; failed=yes; fi
}
# Upper bounds of times are wide: other programs want this processor, too.
# pings NUMBER INTERVAL: sets lost (percent), least, mean and most (ms).
pings() {
  said=$(ping -q -c "$1" -i "$2" -W 2 127.0.0.1)
  lost=$(echo "$said" | sed -n 's/.* \([0-9]*\)% packet loss.*/\1/p')
  times=$(echo "$said" | sed -n 's/.*= \([0-9.]*\)\/\([0-9.]*\)\/\([0-9.]*\) ms.*/\1 \2 \3/p')
  least=${times%% *} most=${times##* } mean=${times#* }
  mean=${mean%% *} least=${least%%.*} most=${most%%.*} mean=${mean%%.*}
}
well() { pings 10 0.01; expect "$1: lost, %" "$lost" 0 0; expect "$1: mean, ms" "$mean" 0 90; }

said=$(/netem.sh check 2>&1)
expect "exit code where the kernel has no netem" $? 3 3
case $said in *"no netem"*"modprobe sch_netem"*) tell "it says: $said" ;; *) tell "WRONG: $said"; failed=yes ;; esac
insmod /sch_netem.ko
/netem.sh check
expect "exit code where it has" $? 0 0
well "at first"

/netem.sh latency
pings 60 0.05
expect "latency, there and back: lost, %" "$lost" 0 0
expect "latency, there and back: least, ms" "$least" 100 190
expect "latency, there and back: mean, ms" "$mean" 170 400
expect "latency, there and back: most, ms" "$most" 210 2000

/netem.sh loss
pings 500 0.001
expect "loss of 5 % there and 5 % back: lost, %" "$lost" 4 16

/netem.sh drop
pings 3 0.01
expect "drop: lost, %" "$lost" 100 100
/netem.sh off
well "off"

# A round with other times; then one that is ended in its first step.
LATENCY_SECONDS=1 LOSS_SECONDS=1 DROP_SECONDS=1 EVERY=4 ROUNDS=1 /netem.sh cycle >/said
expect "exit code of a round" $? 0 0
expect "lines of a round" "$(wc -l </said)" 4 4
well "after a round"
LATENCY=20ms JITTER=0ms /netem.sh cycle >/said &
cycle=$!
until grep -q 20ms /said; do sleep 0.05; done
pings 5 0.05
expect "first step of a cycle: mean, ms" "$mean" 35 400
kill -TERM $cycle
wait $cycle
expect "exit code of a cycle that is ended" $? 0 0
well "after a cycle that was ended"

# What cannot be looked at is not well, and what somebody else has set is not ours.
DEVICE=nowhere /netem.sh off
expect "exit code of off where there is no such device" $? 1 1
if tc qdisc add dev lo root handle 1: pfifo_fast || tc qdisc add dev lo root handle 1: pfifo; then
  said=$(/netem.sh check 2>&1)
  expect "exit code where somebody else has set something" $? 1 1
  tell "it says: $said"
  tc qdisc show dev lo | grep -q ' 1: ' || { tell "WRONG: it is gone"; failed=yes; }
else tell "WRONG: no other discipline can be set"; failed=yes; fi

[ $failed = yes ] || tell "all is as it should be"
poweroff -f

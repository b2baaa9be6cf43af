#!/bin/bash
# "recycle": a process is replaced after so many requests, at a size in memory,
# at a time of the day; those of a pool in turns, the log names the reason, and
# no request is lost. A pool of which nothing is due is not even woken up.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

# replaced SLOT REASON N: how often, N at least.
replaced() {
	[ "$(lines "pool app\[$1\] pid [0-9]+: leaves \(recycle $2\)" \
		"$T/outlastd.log")" -ge "$3" ]
}
# in_turns LOG: no second generation is started before the one that was started
# before it is ready.
in_turns() {
	python3 - "$1" <<'PY'
import re
import sys
starting = set()
for line in open(sys.argv[1]):
    if m := re.search(r"(pool app\[\d+\]) pid \d+: (started|ready)", line):
        if m[2] == "ready":
            starting.discard(m[1])
        elif not line.rstrip().endswith("generation 1"):
            starting.add(m[1])
    if len(starting) > 1:
        sys.exit("at once: " + line)
PY
}
# ask N PATH: so many requests; $bad counts those that failed.
ask() {
	local i
	for ((i = 0; i < $1; i++)); do
		[ "$(http "$2")" = "$3" ] || bad=$((bad + 1))
	done
}
bad=0

pool_more='processes 2; recycle requests=20;'
write_conf 1 "$APP" --threads 2
start_outlastd
wait_for 10 grep -q 'ready, 1 pool$' "$T/outlastd.log"
start_nginx keep "$T/app.sock"
end=$(($(now_ms) + 20000))
until replaced 0 requests 1 && replaced 1 requests 1; do
	[ "$(now_ms)" -lt $end ] || fail 'no recycle by requests'
	ask 20 /x 202
done
grep -q -E 'has answered [0-9]+ requests of 20$' "$T/outlastd.log" ||
	fail 'the log does not say how many requests'
in_turns "$T/outlastd.log" || fail 'both are replaced at once'

: >"$T/outlastd.log"
pool_more='processes 1; recycle memory=100m;'
write_conf 1 "$APP" --threads 2
reload
wait_for 5 grep -q 'notice reloaded' "$T/outlastd.log"
wait_for 5 grep -q 'fewer processes' "$T/outlastd.log"
ask 5 /x 202
replaced 0 memory 1 && fail 'it is replaced for nothing'
ask 1 '/leak?kb=120000' 200
end=$(($(now_ms) + 20000))
until replaced 0 memory 1; do
	[ "$(now_ms)" -lt $end ] || fail 'no recycle by memory'
	ask 5 /x 202
done
grep -q -E 'has [0-9.]+ MiB in memory of 100.0 MiB' "$T/outlastd.log" ||
	fail 'the log does not say how much memory'
sleep 1
ask 5 /x 202
replaced 0 memory 2 && fail 'the successor is replaced, too'
expect 'requests that failed' "$bad" 0
stop "$outlastd" TERM 10

# A time of the day: the minute turns in 4 s in this zone.
: >"$T/outlastd.log"
now=$(date -u +%s)
offset=$((60 - (now + 4) % 60))
at=$(date -u -d "@$((now + 4 + offset))" +%H:%M)
pool_more="processes 3; recycle at=$at;"
write_conf 1 "$APP" --threads 2
TZ=$(printf 'XXX-00:00:%02d' $((offset % 60))) start_outlastd
wait_for 10 grep -q 'ready, 1 pool$' "$T/outlastd.log"
for slot in 0 1 2; do
	wait_for 10 replaced $slot at 1
done
in_turns "$T/outlastd.log" || fail 'all are replaced at once'
# And now nothing is due until tomorrow.
gone_all() {
	[ "$(children "$outlastd" | wc -l)" = 3 ]
}
wait_for 5 gone_all
sleep 1.2
before=$(awk '/^voluntary/ { print $2 }' "/proc/$outlastd/status")
sleep 1.5
after=$(awk '/^voluntary/ { print $2 }' "/proc/$outlastd/status")
expect 'wake-ups of an idle master' $((after - before)) 0
[ "$(lines ' (warn|error) ' "$T/outlastd.log")" = 0 ] || fail 'the log complains'
stop "$outlastd" TERM 10
expect 'exit status' "$exited" 0

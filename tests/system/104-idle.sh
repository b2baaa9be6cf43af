#!/bin/bash
# "idle_timeout": a pool without requests and items ends, and the next request
# starts it and is answered; a work item that waits or runs keeps it awake; a
# reload of something else does not wake it. "overlap off": never two processes
# that accept, and no request is lost.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

said() {
	grep -q -E "$1" "$T/outlastd.log"
}
none() {
	[ -z "$(children "$outlastd")" ]
}

pool_more='processes 2; idle_timeout 1s;'
write_conf 1 "$APP" --threads 2
start_outlastd
wait_for 10 grep -q 'ready, 1 pool$' "$T/outlastd.log"
start_nginx keep "$T/app.sock"
wait_for 10 said 'pool app: idle for 1 s, ending'
wait_for 5 none
said 'leaves \(idle\)' || fail 'the log does not say why they leave'

# It sleeps soundly, also through a reload.
kill -HUP "$outlastd"
wait_for 5 said 'notice reloaded'
sleep 0.5
none || fail 'a reload starts it'
before=$(awk '/^voluntary/ { print $2 }' "/proc/$outlastd/status")
sleep 1.5
after=$(awk '/^voluntary/ { print $2 }' "/proc/$outlastd/status")
expect 'wake-ups of the master' "$((after - before))" 0

for i in 1 2 3 4 5 6 7 8; do
	start "wake$i" curl -s -o /dev/null -w '%{http_code}\n' \
		"http://127.0.0.1:$port/x"
done
for i in 1 2 3 4 5 6 7 8; do
	wait_for 10 grep -q 202 "$T/wake$i.log"
done
said 'pool app: a request comes, starting' || fail 'no word of the start'
[ "$(children "$outlastd" | wc -l)" = 2 ] || fail 'not both are started'

# An item that waits for 3 s is work.
: >"$T/outlastd.log"
expect item "$(http '/item?id=late&ms=100&delay=3000')" 202
wait_for 10 said 'pool app: idle for 1 s, ending'
expect 'the item, ended before the pool' \
	"$(lines '^end late [0-9]+ ok 0$' "$T/ledger")" 1
wait_for 5 none
expect 'and again' "$(http /x)" 202

# Without overlap.
pool_more='processes 1; overlap off; shutdown_delay 5s;'
write_conf 2 "$APP" --threads 2
reload
wait_for 10 said 'pool app\[1\] .*ended'
wait_for 10 serves
old=$(serving)
: >"$T/outlastd.log"
expect item "$(http '/item?id=busy&ms=1500')" 202
write_conf 3 "$APP" --threads 2
start recycling bash -c "kill -HUP $outlastd"
for ((i = bad = 0; i < 60; i++)); do
	[ "$(http /x)" = 202 ] || bad=$((bad + 1))
done
expect 'requests that failed' $bad 0
wait_for 5 serves_other "$old"
wait_for 5 said "pid $old: ended"
# The old one left, then the new one was started: while the item was running.
python3 - "$T/outlastd.log" "$old" <<'PY' || fail 'they did not take turns'
import sys
text = open(sys.argv[1]).read()
leaves = text.index(f"pid {sys.argv[2]}: leaves (reload)")
started = text.index(": started ")
ended = text.index(f"pid {sys.argv[2]}: ended")
sys.exit(not leaves < started < ended)
PY
expect 'the item' "$(lines '^end busy [0-9]+ ok 1$' "$T/ledger")" 1
stop "$outlastd" TERM 10
expect 'exit status' "$exited" 0

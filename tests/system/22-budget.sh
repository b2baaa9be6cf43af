#!/bin/bash
# A stop ends within the budget, whatever the items, the program or its signal
# handlers do; and what was not finished is named. Control: the same three
# programs below a plain shell, which outlive the budget many times over.
# alone: a budget is measured
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

pool_more='shutdown_delay 2s; shutdown_delay_max 2s; kill_grace 1s;'
# on_time SECONDS WHAT: since start_watch, with half a second of grace.
on_time() {
	within $(($1 * 1000 + 500)) "$2, within $1 s"
}
# item SOCKET ID [OPTIONS]: of a minute, which does not listen.
item() {
	python3 "$LIB/fcgi.py" "$1" "/item?id=$2&ms=60000${3:-}" >/dev/null
}

# A program that ignores SIGTERM, or stops itself.
cat >"$T/deaf.py" <<'PY'
#!/usr/bin/python3
import os
import signal
import socket
import time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "NOTIFY_SOCKET" in os.environ:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.connect(os.environ["NOTIFY_SOCKET"])
    sock.send(b"READY=1")
print("deaf", os.getpid(), flush=True)
if os.environ.get("FREEZE"):
    os.kill(os.getpid(), signal.SIGSTOP)
while True:
    time.sleep(60)
PY
chmod +x "$T/deaf.py"

# The controls; whether they are still there is asked at the end.
cat >"$T/shell" <<'SH'
#!/bin/sh
trap 'kill $child' TERM
"$@" &
child=$!
wait
wait
SH
chmod +x "$T/shell"
controls=()
# below_shell NAME PROGRAM...
below_shell() {
	start "$1" "$T/shell" "${@:2}"
	controls+=("$pid")
	wait_for 5 pgrep -P "$pid"
	pids+=("$(pgrep -P "$pid")")
	controls+=("$(pgrep -P "$pid")")
}
below_shell deaf "$T/deaf.py"
FREEZE=1 below_shell frozen "$T/deaf.py"
below_shell alone "$APP" --listen "unix:$T/alone.sock"
wait_for 5 grep -q deaf "$T/deaf.log"
wait_for 5 grep -q deaf "$T/frozen.log"
wait_for 5 answers "$T/alone.sock"
item "$T/alone.sock" stubborn
for i in 0 2 4; do
	kill -TERM "${controls[i]}"
done
control_begin=$(now_ms)

# An item that takes a minute and does not listen.
write_conf 1 "$APP"
start_outlastd
wait_for 10 serves
item "$T/app.sock" stubborn
item "$T/app.sock" minds '&mind=1'
item "$T/app.sock" greedy '&extend=900'
old=$(serving)
start_watch
stop "$outlastd" TERM 8
on_time 2 'stop with a stubborn item'
alive "$old" && fail 'the process outlived its budget'
expect 'the item that minds' "$(lines '^end minds [0-9]+ fail 1' "$T/ledger")" 1
grep -q stubborn "$T/outlastd.log" || fail 'the log does not name the lost item'

# A recycle has the same budget.
rm -f "$T/ledger"
start_outlastd
wait_for 10 serves
item "$T/app.sock" stubborn
old=$(serving)
start_watch
write_conf 2 "$APP"
reload
gone 8 "$old" || fail 'the retired process outlived its budget'
on_time 2 'recycle with a stubborn item'
wait_for 1 serves_other "$old"
stop "$outlastd" TERM 8

for freeze in '' 'env FREEZE 1;'; do
	: >"$T/outlastd.log"
	base_more=$pool_more
	pool_more="$pool_more $freeze"
	write_conf 3 "$T/deaf.py"
	start_outlastd
	wait_for 10 grep -q deaf "$T/outlastd.log"
	deaf=$(children "$outlastd" | head -1)
	sleep 0.3
	start_watch
	stop "$outlastd" TERM 8
	on_time 2 "stop of a deaf program $freeze"
	alive "$deaf" && fail 'it is still there'
	pool_more=$base_more
done

# A second TERM means now.
write_conf 4 "$APP"
start_outlastd
wait_for 10 serves
item "$T/app.sock" stubborn
start_watch
kill -TERM "$outlastd"
sleep 0.3
stop "$outlastd" TERM 3
on_time 1 'stop with a second TERM'

say "the controls had TERM $(($(now_ms) - control_begin)) ms ago"
[ $(($(now_ms) - control_begin)) -gt 2500 ] || fail 'too early for the controls'
for pid in "${controls[@]}"; do
	alive "$pid" || fail "the control did not fall: process $pid obeyed"
	kill -KILL "$pid"
done

#!/bin/bash
# The master obeys its signals, also when it was started with all of them
# blocked or ignored; and what outlastd exits with says what happened.
# alone: time is measured
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

# run EXIT-STATUS OPTION...: outlastd in the foreground.
run() {
	local wanted=$1 status=0
	shift
	timeout -k 2 5 "$OUTLASTD" "$@" >"$T/out.log" 2>&1 || status=$?
	expect "exit status of outlastd $*" "$status" "$wanted"
}

said() {
	[ "$(lines "$1" "$T/outlastd.log")" -ge "${2:-1}" ]
}

need "$OUTLASTD" "$APP"
pool_more='shutdown_delay 20s;'
write_conf 1 "$APP"
run 0 -c "$T/outlast.conf" -tq
run 64 -c "$T/outlast.conf" -s restart
run 64 -c "$T/outlast.conf" -t -s stop
run 69 -c "$T/outlast.conf" -s stop
run 78 -c "$T/none.conf"

# Everything blocked, SIGCHLD ignored.
cat >"$T/blocked.py" <<'PY'
import os
import signal
import sys
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execv(sys.argv[1], sys.argv[1:])
PY
start outlastd python3 "$T/blocked.py" "$OUTLASTD" -c "$T/outlast.conf"
outlastd=$pid
wait_for 5 serves
run 1 -c "$T/outlast.conf"
grep -q "another outlastd runs, pid $outlastd" "$T/out.log" ||
	fail 'the second one does not say who runs'
first=$(serving)
python3 "$LIB/fcgi.py" "$T/app.sock" '/item?id=lost&ms=60000' >/dev/null
# It tells how many items it has at most once a second.
sleep 1.2
kill -KILL "$first"
wait_for 5 serves_other "$first"
said 'killed from outside with SIGKILL' || fail 'a killed process is not told of'
said "pid $first: 1 work items are lost" || fail 'nor is its item'
run 0 -c "$T/outlast.conf" -s stop
gone 3 "$outlastd" || fail 'it does not heed TERM'
wait "$outlastd" || fail 'a stop is no success'

# QUIT waits for the work, TERM after it sets the budget, a second TERM ends it.
: >"$T/outlastd.log"
start_outlastd
wait_for 5 serves
python3 "$LIB/fcgi.py" "$T/app.sock" '/item?id=long&ms=60000' >/dev/null
sleep 1.2
kill -QUIT "$outlastd"
wait_for 2 said 'no limit'
kill -QUIT "$outlastd"
wait_for 2 said 'a stop is under way'
reload
wait_for 2 said 'not reloading during a stop'
kill -TERM "$outlastd"
wait_for 2 said 'has 20.0 s left now'
start_watch
stop "$outlastd" INT 5
within 1000 'the end after a second one'
expect 'exit status' "$exited" 0
said '1 processes were killed, 1 work items lost' ||
	fail 'the log does not say what the stop cost'
[ ! -e "$T/outlastd.pid" ] || fail 'the pid file is left'
[ ! -e "$T/app.sock" ] || fail 'the socket is left'

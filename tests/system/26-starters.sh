#!/bin/bash
# One application, started in each way that it knows: by hand, by spawn-fcgi, by
# systemd's socket activation, with another server's socket in its way. It
# answers, finishes its item after TERM, and ends with 0. Control: started with
# no socket at all it ends with 64 and says what to do.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

need "$APP"
export TEST_LEDGER=$T/ledger

# serves_and_drains NAME PID SOCKET
serves_and_drains() {
	wait_for 10 answers "$3"
	python3 "$LIB/fcgi.py" "$3" "/item?id=$1&ms=700" >/dev/null ||
		fail "$1: no item was queued"
	wait_for 5 grep -q "^start $1 " "$T/ledger"
	kill -TERM "$2"
	gone 10 "$2" || fail "$1: did not end"
	expect "$1: its item" "$(lines "^end $1 $2 ok" "$T/ledger")" 1
}

start hand "$APP" --listen "unix:$T/hand.sock"
serves_and_drains hand "$pid" "$T/hand.sock"

# A path whose server is gone is taken over, one that answers is not.
start first "$APP" --listen "unix:$T/hand.sock"
first=$pid
wait_for 10 answers "$T/hand.sock"
"$APP" --listen "unix:$T/hand.sock" >"$T/second.log" 2>&1
expect 'a second server on the path' $? 64
grep -q 'another server answers there' "$T/second.log" ||
	fail "it does not say why: $(cat "$T/second.log")"
serves_and_drains first "$first" "$T/hand.sock"

start spawned spawn-fcgi -n -s "$T/spawned.sock" -- "$APP"
serves_and_drains spawned "$pid" "$T/spawned.sock"

cat >"$T/activate.py" <<'PY'
import os
import socket
import sys

listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(10)
os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
PY
start activated python3 "$T/activate.py" "$T/activated.sock" "$APP"
serves_and_drains activated "$pid" "$T/activated.sock"

"$APP" </dev/null >"$T/none.log" 2>&1
expect 'started without a socket' $? 64
grep -q 'nowhere to listen' "$T/none.log" ||
	fail "it does not say why: $(cat "$T/none.log")"

#!/bin/bash
# With no descriptor left the process neither dies nor spins; when there are
# some again it serves again, without a restart. Control: plain libfcgi behind
# poll(2), which spins.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

cat >"$T/hold.py" <<'PY'
import sys
import time
import fcgi
held = []
for _ in range(200):
    held.append(fcgi.Conn(sys.argv[1]))
print("ready", flush=True)
time.sleep(60)
PY
# starve NAME PROGRAM...: its pid in $starved, the one who holds 200 connections
# to $T/NAME.sock in $hold.
starve() {
	local name=$1
	shift
	need "$1"
	start "$name" bash -c 'ulimit -n 64; exec "$@"' - "$@"
	starved=$pid
	wait_for 5 answers "$T/$name.sock"
	start "hold-$name" python3 "$T/hold.py" "$T/$name.sock"
	hold=$pid
	wait_for 10 grep -q ready "$T/hold-$name.log"
	sleep 0.5
	before=$(cpu_ms "$starved")
}
used() {
	echo $(($(cpu_ms "$starved") - before))
}
too_much=300
spins() {
	[ "$(used)" -ge $too_much ]
}

starve plain "$CLOSING" --listen "$T/plain.sock"
# More than 3 s: there may be others on the processor.
wait_for 10 spins
say "plain: $(descriptors "$starved") descriptors, it spins"
stop "$starved" KILL
stop "$hold" KILL

export TEST_LEDGER=$T/ledger
starve app "$APP" --listen "unix:$T/app.sock"
sleep 3
say "app: $(descriptors "$starved") descriptors, $(used) ms of processor in 3 s"
# It keeps some back for its own use, so accept(2) itself need not fail.
[ "$(descriptors "$starved")" -ge 40 ] || fail 'the descriptors were not used up'
spins && fail "it spins: $(used) ms of processor in 3 s"
alive "$starved" || fail 'the application died'
[ "$(lines '^error 5' "$T/ledger")" -gt 0 ] || fail 'it told nobody'
[ "$(lines '^error 5' "$T/ledger")" -lt 20 ] || fail 'it floods the log'
stop "$hold" KILL
wait_for 10 answers "$T/app.sock"
load --connections 8 --seconds 1 "unix:$T/app.sock" /x
expect 'lost requests' "$(lost)" 0

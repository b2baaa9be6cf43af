#!/bin/bash
# With no descriptor left the process neither dies nor spins; when there are
# some again it serves again, without a restart.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

need "$APP"
export TEST_LEDGER=$T/ledger
start app bash -c 'ulimit -n 64; exec "$@"' - "$APP" --listen "unix:$T/app.sock"
app=$pid
wait_for 5 answers "$T/app.sock"

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
start hold python3 "$T/hold.py" "$T/app.sock"
hold=$pid
ready() {
	grep -q ready "$T/hold.log"
}
wait_for 10 ready
sleep 0.5
before=$(cpu_ms "$app")
sleep 3
used=$(($(cpu_ms "$app") - before))
say "$(descriptors "$app") descriptors, $used ms of processor in 3 s"
# It keeps some back for its own use, so accept(2) itself need not fail.
[ "$(descriptors "$app")" -ge 40 ] || fail 'the descriptors were not used up'
[ $used -lt 300 ] || fail "it spins: $used ms of processor in 3 s"
alive "$app" || fail 'the application died'
[ "$(lines '^error 5' "$T/ledger")" -gt 0 ] || fail 'it told nobody'
[ "$(lines '^error 5' "$T/ledger")" -lt 20 ] || fail 'it floods the log'
stop "$hold" KILL
wait_for 10 answers "$T/app.sock"
load --connections 8 --seconds 1 "unix:$T/app.sock" /x
expect 'lost requests' "$(lost)" 0

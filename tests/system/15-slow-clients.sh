#!/bin/bash
# 1000 clients that send a byte now and then and never finish do not keep
# anybody else waiting, and are closed when their time is up. Beside it the
# same application without such clients, at the same moment: whatever else the
# machine does, it does to both. Control: plain libfcgi with 128 threads, which
# then answers nobody.
# alone: the latency of a quiet machine shows more
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

cat >"$T/slow.py" <<'PY'
import select
import sys
import time
import fcgi

path, n, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
# A third in the first head, a third in the parameters, a third in the body.
whole = fcgi.request("/slow-client", "POST", b"x" * 30000)
starts = (1, 60, 2000)
conns, closed = [], 0
for i in range(n):
    while True:
        try:
            conn = fcgi.Conn(path, 10)
            break
        except BlockingIOError:
            time.sleep(0.01)
    at = starts[i % 3]
    conn.send(whole[:at])
    conns.append([conn, at])
print("ready", flush=True)
end = time.monotonic() + seconds
while time.monotonic() < end and conns:
    for entry in list(conns):
        conn, at = entry
        if select.select([conn.sock], [], [], 0)[0] or \
                not conn.send(whole[at:at + 1]):
            conns.remove(entry)
            closed += 1
            conn.close()
        entry[1] += 1
    time.sleep(1)
print("closed", closed)
PY
begun() {
	grep -q ready "$T/slow-$1.log"
}
# start slow NAME SOCKET SECONDS
slow() {
	start "slow-$1" python3 "$T/slow.py" "$2" 1000 "$3"
	slow=$pid
	wait_for 20 begun "$1"
}

ulimit -n "$(ulimit -Hn)"
start_plain "$T/plain.sock" --threads 128
start_nginx fresh "$T/plain.sock"
slow plain "$T/plain.sock" 5
load --connections 8 --seconds 2 --timeout 1500 "http://127.0.0.1:$port/x"
[ "$(field timeout)" -gt 0 ] || fail 'the control did not fall'
stop "$slow" KILL
stop "$plain" KILL
stop "$nginx"

start_app "$T/calm.sock" --threads 4
start_nginx keep "$T/calm.sock"
calm_port=$port
start_app "$T/app.sock" --threads 4 --request-timeout 4000
start_nginx keep "$T/app.sock"
slow app "$T/app.sock" 30
start calm "$LOAD" --connections 8 --rate 500 --seconds 3 --post 50 \
	"http://127.0.0.1:$calm_port/x"
beside=$pid
load --connections 8 --rate 500 --seconds 3 --post 50 "http://127.0.0.1:$port/x"
expect 'lost requests' "$(lost)" 0
p99=$(field p99_us)
wait "$beside" || fail 'the load generator failed'
result=$(grep ^RESULT "$T/calm.log")
say "p99: $(field p99_us) us without, $p99 us beside slow clients"
[ "$p99" -lt $(($(field p99_us) * 2 + 10000)) ] || fail 'others were slowed down'
gone 30 "$slow" || fail 'the slow clients did not end'
expect 'slow clients closed' \
	"$(sed -n 's/^closed //p' "$T/slow-app.log")" 1000

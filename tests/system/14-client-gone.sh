#!/bin/bash
# The visitor leaves: before the reply, in the upload, in the headers. What was
# queued is done all the same, what was not sent whole queues nothing, nothing
# leaks, and others are served. Control: the same visitors, when they stay, must
# be seen in the descriptors. (That the ledger shows a lost item: 20-straddle.)
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

export TEST_LEDGER=$T/ledger
start_app "$T/app.sock" --threads 4 --request-timeout 2000
start_nginx keep "$T/app.sock"
fds=$(descriptors "$app")

cat >"$T/visitors.py" <<'PY'
import socket
import sys
import time
import fcgi
stay, held = sys.argv[3] == "stay", []


def leave(conn):
    if stay:
        held.append(conn)
    else:
        conn.close()


whole = fcgi.request("/item?id=cut&ms=1", "POST", b"x" * 20000)
for cut in (1, 8, 15, 16, 100, len(whole) // 2, len(whole) - 1):
    for _ in range(20):
        conn = fcgi.Conn(sys.argv[1])
        conn.send(whole[:cut])
        leave(conn)
for _ in range(50):
    conn = fcgi.Conn(sys.argv[1])
    conn.send(fcgi.request("/", "POST", b"x" * 20000))
    leave(conn)
for _ in range(50):
    sock = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
    sock.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\nxx")
    leave(sock)
print("ready", flush=True)
if stay:
    time.sleep(60)
PY
few_descriptors() {
	# nginx keeps its own connections, at most one for each request below.
	[ "$(descriptors "$app")" -le $((fds + 16)) ]
}

start stay python3 "$T/visitors.py" "$T/app.sock" "$port" stay
stay=$pid
wait_for 10 grep -q ready "$T/stay.log"
say "$(descriptors "$app") descriptors while they stay, $fds before"
few_descriptors && fail 'the control did not fall: who stays is not seen'
stop "$stay" KILL
wait_for 8 few_descriptors

for i in 1 2 3 4 5 6 7 8; do
	curl -s -o /dev/null --max-time 0.2 \
		"http://127.0.0.1:$port/queue-late?id=gone-$i&ms=500&item-ms=100"
	expect "visitor $i left before the reply: a timeout of curl's" $? 28
done
python3 "$T/visitors.py" "$T/app.sock" "$port" leave >"$T/leave.log" ||
	fail 'visitors'
expect 'a request in between' "$(http /between)" 202
ended() {
	[ "$(lines '^end gone-. [0-9]+ ok' "$TEST_LEDGER")" = 8 ]
}
wait_for 10 ended
wait_for 8 few_descriptors
expect 'items of requests that were cut' "$(lines '^start cut' "$TEST_LEDGER")" 0
alive "$app" || fail 'the application died'

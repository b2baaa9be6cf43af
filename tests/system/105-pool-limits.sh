#!/bin/bash
# "limit" in a pool: its processes have the limits of the block, no others; a
# change of it is a recycle; one that is not there is not set.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

cat >"$T/limited" <<SH
#!/bin/sh
ulimit -v >"$T/limits"
ulimit -t >>"$T/limits"
exec "$APP" --threads 2
SH
chmod +x "$T/limited"
is() {
	[ "$(xargs <"$T/limits")" = "$1" ]
}
pool_more='limit memory=2g cpu=1500ms;'
write_conf 1 "$T/limited"
start_outlastd
wait_for 10 serves
is '2097152 2' || fail "limits: $(xargs <"$T/limits")"
old=$(serving)
pool_more=''
write_conf 1 "$T/limited"
reload
wait_for 10 serves_other "$old"
is 'unlimited unlimited' || is "$(ulimit -v) $(ulimit -t)" ||
	fail "limits without a limit: $(xargs <"$T/limits")"
stop "$outlastd" TERM 10
expect 'exit status' "$exited" 0

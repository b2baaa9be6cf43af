#!/bin/bash
# A crash in an item, in a request or on the loop costs one process: the others
# serve on, a new one takes its place, and a report says what was running.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

pool_more='processes 2;'
write_conf 1 "$APP" --threads 2
start_outlastd
wait_for 10 serves
start_nginx fresh "$T/app.sock"

two_children() {
	[ "$(children "$outlastd" | wc -l)" = 2 ]
}
wait_for 5 two_children
for where in item request loop; do
	: >"$T/outlastd.log"
	before=$(children "$outlastd" | sort | xargs)
	http "/crash?where=$where" >/dev/null
	# Somebody serves all the time.
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		expect "a request after the crash in $where" "$(http /x)" 202
		sleep 0.05
	done
	replaced() {
		two_children &&
			[ "$(children "$outlastd" | sort | xargs)" != "$before" ]
	}
	wait_for 10 replaced
	grep -q SIGSEGV "$T/outlastd.log" || fail "$where: the log has no SIGSEGV"
	[ $where = request ] || grep -r -q bomb "$T"/outlastd.log "$T"/*crash* ||
		fail "$where: no report names the item"
done
stop "$outlastd"
expect 'exit status' "$exited" 0

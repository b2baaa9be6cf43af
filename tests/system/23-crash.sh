#!/bin/bash
# A crash in an item, in a request or on the loop costs one process: the others
# serve on, a new one takes its place, and a report says what was running.
# Control: plain libfcgi under the same outlastd; the log must have its crash,
# and nothing that names the request.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

# named WHERE: whether the crash is in the log with what was running, and in the
# file that the log names.
named() {
	local what='work item "bomb"' line report
	[ "$1" != request ] || what='request GET /crash'
	line=$(grep "SIGSEGV.* in $what" "$T/outlastd.log" | head -1)
	report=${line##*report: }
	[ -n "$line" ] && grep -q "in $what" "$report"
}
crashed() {
	grep -q 'SIGSEGV' "$T/outlastd.log"
}

write_conf 0 "$CLOSING"
start_outlastd
wait_for 10 serves
python3 "$LIB/fcgi.py" "$T/app.sock" '/crash?where=request' >"$T/reply.log" 2>&1
wait_for 5 crashed
say "plain: $(grep SIGSEGV "$T/outlastd.log" | head -1)"
named request && fail 'the control did not fall: who wrote its report?'
stop "$outlastd"

: >"$T/outlastd.log"
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
	named $where || fail "$where: no report says what was running"
done
stop "$outlastd"
expect 'exit status' "$exited" 0

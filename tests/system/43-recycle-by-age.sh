#!/bin/bash
# "recycle time=": each process is replaced at that age or up to a quarter
# earlier, not all at once; the log says why, no request is lost, and nothing is
# left open or allocated.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

pool_more='processes 3; recycle time=2s;'
write_conf 1 "$APP" --threads 2
start_outlastd
wait_for 5 grep -q 'ready, 1 pool$' "$T/outlastd.log"
start_nginx keep "$T/app.sock"
before=$(descriptors "$outlastd")
for ((n = bad = 0, end = $(now_ms) + 9000; $(now_ms) < end; n++)); do
	[ "$(http /x)" = 202 ] || bad=$((bad + 1))
done
say "$n requests"
expect 'requests that failed' "$bad" 0
for slot in 0 1 2; do
	leaves=$(lines "pool app\[$slot\] pid [0-9]+: leaves \(recycle time\)" \
		"$T/outlastd.log")
	say "slot $slot: $leaves recycles"
	{ [ "$leaves" -ge 3 ] && [ "$leaves" -le 6 ]; } ||
		fail "slot $slot: $leaves recycles in 9 s"
done
# The first time around, no two within 100 ms.
python3 - "$T/outlastd.log" <<'PY' || fail 'the processes are replaced at once'
import datetime
import re
import sys
text = open(sys.argv[1]).read()
at = sorted(
    datetime.datetime.fromisoformat(m[1]).timestamp()
    for m in re.finditer(r"(?m)^(\S+)Z .*started .* generation 2$", text))
print("second generations", [round(t - at[0], 3) for t in at])
sys.exit(len(at) != 3 or min(at[1] - at[0], at[2] - at[1]) < 0.1)
PY
[ "$(lines ' (warn|error) ' "$T/outlastd.log")" = 0 ] || fail 'the log complains'
settled() {
	[ "$(children "$outlastd" | wc -l)" = 3 ]
}
wait_for 3 settled
[ $(($(descriptors "$outlastd") - before)) -le 2 ] ||
	fail "descriptors: $before, now $(descriptors "$outlastd")"
stop "$outlastd" TERM 8
expect 'exit status' "$exited" 0

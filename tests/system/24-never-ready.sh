#!/bin/bash
# A new generation that never becomes READY does not replace the old one: it is
# ended at startup_time_limit, the old one serves on, and the log says so. The
# same for one that cannot even start. Control: a healthy one, of which all that
# is the contrary.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

pool_more='startup_time_limit 1s; shutdown_delay 2s; kill_grace 500ms;'
write_conf 1 "$APP"
start_outlastd
wait_for 10 serves
old=$(serving)
printf '#!/bin/sh\nexec sleep 60\n' >"$T/mute"
printf '#!/bin/sh\nexit 3\n' >"$T/dead"
chmod +x "$T/mute" "$T/dead"

successor() {
	children "$outlastd" | grep -v -x "$old"
}
# try PROGRAM: as the next generation, for 3 s; its first process is $first.
try() {
	: >"$T/outlastd.log"
	write_conf "$1" "$1"
	reload
	wait_for 3 grep -q "started $1" "$T/outlastd.log"
	first=$(grep -o "pid [0-9]*: started $1" "$T/outlastd.log" |
		awk 'NR == 1 { print $2 + 0 }')
	sleep 3
}
# refused: whether the log says that there is no successor, and why.
refused() {
	grep -q -E 'not ready in 1\.|before it was ready: exit 3' \
		"$T/outlastd.log" &&
		grep -q 'serves on without a successor' "$T/outlastd.log"
}

for program in "$T/mute" "$T/dead"; do
	try "$program"
	expect "who serves beside $program" "$(serving)" "$old"
	refused || fail "$program: the log does not say so"
	alive "$first" && fail "$program: its first process is still there"
	[ "$(successor | wc -l)" -le 1 ] || fail "$program: they pile up"
	[ "$(wc -l <"$T/outlastd.log")" -lt 60 ] || fail "$program: a flood of lines"
done

try "$APP"
refused && fail 'the control is refused'
alive "$first" || fail 'the first process of the control has gone'
expect 'who serves beside the control' "$(serving)" "$first"
alive "$old" && fail 'the old process stayed'
stop "$outlastd" TERM 8
expect 'exit status' "$exited" 0

#!/bin/bash
# A new generation that never becomes READY does not replace the old one: it is
# ended at startup_time_limit, the old one serves on, and the log says so. The
# same for one that cannot even start.
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
for program in mute dead; do
	: >"$T/outlastd.log"
	write_conf "2-$program" "$T/$program"
	reload
	sleep 4
	expect "who serves beside $program" "$(serving)" "$old"
	[ -s "$T/outlastd.log" ] || fail "$program: the log says nothing"
	[ "$(pgrep -c -f "$T/$program")" -le 1 ] || fail "$program: they pile up"
	attempts=$(lines "$program|ready|start" "$T/outlastd.log")
	[ "$attempts" -lt 60 ] || fail "$program: $attempts lines in 4 s"
done
# The good program back: it replaces.
write_conf 3 "$APP"
reload
wait_for 15 serves_other "$old"
gone 10 "$old" || fail 'the old process stayed'
stop "$outlastd" TERM 8
expect 'exit status' "$exited" 0

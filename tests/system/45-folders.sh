#!/bin/bash
# The folder beside the pid file: made so that the pools' users get through it,
# whatever our umask; not shared with another outlastd, whose notify sockets
# would be swept away.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

write_conf 1 "$APP"
sed -i "s,^pid .*,pid $T/run/outlastd.pid;," "$T/outlast.conf"
"$OUTLASTD" -tq -c "$T/outlast.conf" ||
	fail '-t refuses a folder that the start makes'
umask 077
start_outlastd
wait_for 5 serves
umask 022
expect 'the mode of the folder' "$(stat -c %a "$T/run")" 755
expect 'the mode of the notify folder' "$(stat -c %a "$T/run/notify")" 711
expect 'the mode of the notify socket' \
	"$(stat -c %a "$T/run/notify/app.0.1")" 600

sed "s,outlastd.pid,other.pid,; s,app.sock,other.sock," "$T/outlast.conf" \
	>"$T/other.conf"
status=0
timeout -k 2 5 "$OUTLASTD" -c "$T/other.conf" >"$T/other.log" 2>&1 || status=$?
expect 'exit status of the second' "$status" 1
grep -q "another outlastd uses the folder $T/run/notify" "$T/other.log" ||
	fail 'it does not say why it does not start'
[ -S "$T/run/notify/app.0.1" ] || fail 'it removed the notify socket'

# The next one starts after a kill that left everything behind.
kill -KILL "$outlastd"
gone 3 "$outlastd"
start_outlastd
wait_for 5 serves
wait_for 5 grep -q 'pid .*generation 2' "$T/outlastd.log"
stop "$outlastd" TERM 8
expect 'exit status' "$exited" 0

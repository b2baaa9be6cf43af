#!/bin/bash
# A request that began before the recycle may queue its item after it: the
# retiring process takes it and finishes it. Control: the process is killed
# instead of recycled, and neither reply nor item may come.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

# ask NAME: two requests that queue after 2 s; who has them is $old.
ask() {
	local i
	old=$(serving)
	for i in 1 2; do
		start "$1-$i" curl -s -o /dev/null -w '%{http_code}\n' \
			"http://127.0.0.1:$port/queue-late?id=$1-$i&ms=2000&item-ms=1000"
	done
	sleep 0.5
}
# replies NAME
replies() {
	wait_for 5 grep -q . "$T/$1-1.log"
	wait_for 5 grep -q . "$T/$1-2.log"
	cat "$T/$1-1.log" "$T/$1-2.log" | xargs
}
# finished NAME STOPPING: how many items ended well in the old process.
finished() {
	lines "^end $1-. $old ok $2$" "$T/ledger"
}

write_conf 1 "$APP" --threads 4
start_outlastd
wait_for 10 serves
start_nginx keep "$T/app.sock"

ask killed
kill -KILL "$old"
expect 'replies of the control' "$(replies killed)" '502 502'
wait_for 5 serves_other "$old"

ask late
write_conf 2 "$APP" --threads 4
reload
wait_for 5 serves_other "$old"
expect 'replies' "$(replies late)" '202 202'
gone 5 "$old" || fail 'the old process stayed'
expect 'items that ended well in the old process' "$(finished late 1)" 2
# More than 3 s later.
expect 'items of the control' "$(lines 'killed-' "$T/ledger")" 0

#!/bin/bash
# A work item outlives its request and its process's retirement: the reply is at
# once, a recycle puts a new process in front, and the old one finishes what it
# has, then goes. Control: the old process is killed instead of recycled; a new
# one comes then, too, but the ledger must show the items lost.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

# started NAME, finished NAME STOPPING: whether each of its two items began, or
# ended well in the old process, once.
started() {
	[ "$(lines "^start $1-" "$T/ledger")" = 2 ]
}
finished() {
	started "$1" && [ "$(lines "^end $1-" "$T/ledger")" = 2 ] &&
		[ "$(lines "^end $1-(blocking|async) $old ok $2$" \
			"$T/ledger")" = 2 ]
}
# queue NAME MS: two items; who has them is $old.
queue() {
	old=$(serving)
	start_watch
	expect 'reply' "$(http "/item?id=$1-blocking&ms=$2")" 202
	expect 'reply' "$(http "/item?id=$1-async&flavour=async&ms=$2")" 202
	within 1000 'replies, which do not wait for the items'
	wait_for 2 started "$1"
}

write_conf 1 "$APP" --threads 2
start_outlastd
wait_for 10 serves
start_nginx keep "$T/app.sock"

queue killed 1000
kill -KILL "$old"
wait_for 5 serves_other "$old"
sleep 1
finished killed 0 && fail 'the control did not fall: nothing was lost'

queue kept 3000
write_conf 2 "$APP" --threads 2
reload
wait_for 5 serves_other "$old"
say "process $old is replaced by $(serving)"
alive "$old" || fail 'the old process ended before its items'
expect 'a request in between' "$(http /x)" 202
[ "$(http /pid)" = 200 ] && [ "$(cat "$T/body")" != "$old" ] ||
	fail 'nginx still reaches the old process'
gone 6 "$old" || fail 'the old process stayed'
finished kept 1 || fail "the ledger of $old: $(grep kept "$T/ledger" | xargs)"
# And without a stop: nothing is left behind.
stop "$outlastd" TERM 10
expect 'exit status' "$exited" 0
[ -z "$(pgrep -f "$T/app.sock")" ] || fail 'a process is left'

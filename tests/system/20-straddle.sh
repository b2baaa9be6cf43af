#!/bin/bash
# A work item outlives its request and its process's retirement: the reply is at
# once, a recycle puts a new process in front, and the old one finishes what it
# has, then goes.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

write_conf 1 "$APP" --threads 2
start_outlastd
wait_for 10 serves
start_nginx keep "$T/app.sock"
old=$(serving)

begin=$(now_ms)
expect 'reply' "$(http '/item?id=blocking-1&ms=3000')" 202
expect 'reply' "$(http '/item?id=async-1&flavour=async&ms=3000')" 202
[ $(($(now_ms) - begin)) -lt 1000 ] || fail 'the reply waited for the item'

write_conf 2 "$APP" --threads 2
reload
wait_for 5 serves_other "$old"
say "process $old is replaced by $(serving)"
alive "$old" || fail 'the old process ended before its items'
expect 'a request in between' "$(http /x)" 202
[ "$(http /pid)" = 200 ] && [ "$(cat "$T/body")" != "$old" ] ||
	fail 'nginx still reaches the old process'
gone 6 "$old" || fail 'the old process stayed'
for item in blocking-1 async-1; do
	expect "$item" "$(grep "^end $item" "$T/ledger")" "end $item $old ok 1"
done
expect 'starts' "$(lines '^start' "$T/ledger")" 2
# And without a stop: nothing is left behind.
stop "$outlastd" TERM 10
expect 'exit status' "$exited" 0
[ -z "$(pgrep -f "$T/app.sock")" ] || fail 'a process is left'

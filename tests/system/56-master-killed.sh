#!/bin/bash
# The master is killed: within a second nothing of the engine, the spawner and
# their programs is left; the next master takes the socket and the store over.
# alone: time is measured
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/roles.sh
. "$(dirname "$0")/../lib/roles.sh"

# Deaf to TERM, and with a child that hides.
script deaf <<-'EOS'
	#!/bin/bash
	trap '' TERM
	echo $$ >>"$OUT/pids"
	(setsid sleep 1000 & echo $! >>"$OUT/pids")
	echo >>"$OUT/up"
	while :; do sleep 1; done
EOS
write_roles "$(listen "$sock")" \
	"$(task deaf "$T/deaf" 'concurrency 4; backoff fixed 100ms;')"
start_outlastd
wait_for 5 is_ready
submit deaf
first=$id
wait_for 5 test -s "$out/up"
submit deaf
second=$id
wait_for 5 has_state "$second" running
both_up() {
	[ "$(lines '' "$out/up")" = 2 ]
}
wait_for 5 both_up
{
	cat "$out/pids"
	role engine
	role spawner
} >"$T/pids"
expect 'processes' "$(pids_in "$T/pids" | wc -l)" 6

start_watch
kill -KILL "$outlastd"
wait_for 20 none_left "$T/pids"
within 1000 'nothing left'

mv "$T/outlastd.log" "$T/before"
start_outlastd
wait_for 5 is_ready
for id in "$first" "$second"; do
	wait_for 5 has_state "$id" running
done
stop "$outlastd" KILL

#!/bin/bash
# The engine is killed: its programs end with it, and only then a new one
# starts, within a second; requests wait for it in the backlog. One that dies
# again and again is waited for longer and longer, and the log says so.
# alone: time is measured
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/roles.sh
. "$(dirname "$0")/../lib/roles.sh"

script long <<-'EOS'
	#!/bin/bash
	echo $$ >>"$OUT/pids"
	(setsid sleep 1000 & echo $! >>"$OUT/pids")
	sleep 1000
EOS
write_roles "$(listen "$sock")" "$(task long "$T/long" 'concurrency 4; backoff fixed 100ms;')"
start_outlastd
wait_for 5 is_ready
wait_for 5 grep -q 'ready, 0 pools, 1 task' "$T/outlastd.log"
submit long
wait_for 5 has_state "$id" running
wait_for 5 test -s "$out/pids"
first=$id

engine=$(role engine) spawner=$(role spawner)
[ -n "$engine" ] || fail 'no child is called "outlastd: engine"'
[ -n "$spawner" ] || fail 'no child is called "outlastd: spawner"'
both_run() {
	[ "$(pids_in "$out/pids" | wc -l)" = 2 ]
}
wait_for 5 both_run
cp "$out/pids" "$T/pids"
start_watch
kill -KILL "$engine"
expect 'what /livez says' "$(answer /livez)" 200
within 1000 'the answer after the kill'
other_role engine "$engine" || fail 'there is no other engine'
other_role spawner "$spawner" || fail 'the spawner outlived its engine'
none_left "$T/pids" || fail 'a program outlived its engine'
said 'error the engine died \(SIGKILL\)' || fail 'no word of it in the log'
wait_for 5 is_ready
# It is charged, and runs again.
wait_for 5 has_state "$first" running
has_attempt "$first" 2 || fail 'the lost attempt was not charged'

# Again, soon after the start: a second's pause, then two.
for pause in 1 2; do
	engine=$(role engine)
	start_watch
	kill -KILL "$engine"
	expect 'what /livez says' "$(answer /livez)" 200
	within $((pause * 1000 + 1000)) "the answer after kill $((pause + 1))"
	[ $took -ge $((pause * 1000)) ] || fail "no pause of $pause s: $took ms"
	said "the engine died $((pause + 1)) times in a row; the next one starts in $pause s" ||
		fail 'no word of the pause'
done

# Nothing is left of it in the master.
was=$(descriptors "$outlastd")
engine=$(role engine)
kill -KILL "$engine"
wait_for 10 other_role engine "$engine"
wait_for 5 is_ready
expect 'descriptors of the master' "$(descriptors "$outlastd")" "$was"
cp "$out/pids" "$T/pids"
stop "$outlastd" TERM 10
expect 'exit code' "$exited" 0
none_left "$T/pids" || fail 'a program outlived outlastd'
[ ! -e "$sock" ] || fail 'the socket was left behind'

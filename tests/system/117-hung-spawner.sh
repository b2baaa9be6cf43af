#!/bin/bash
# An engine or a spawner that hangs (SIGSTOP) while a program runs is found out
# by the master, which asks them, and replaced: the program ends with it, and its
# task runs again, once at a time. Control: one that is stopped for a moment is
# left alone. In the build with failpoints, where it asks each second.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/roles.sh
. "$(dirname "$0")/../lib/roles.sh"

OUTLASTD=${FAULTY:-$SRC/build/failpoints}/src/outlastd/outlastd
export OUTLAST_FAILPOINT=quick_pulse:error:0
script work <<-'EOS'
	#!/bin/bash
	echo $$ >>"$OUT/pids"
	until [ -e "$OUT/go" ]; do sleep 0.05; done
EOS
are_up() {
	[ "$(lines '' "$out/pids")" = "$1" ]
}
write_roles "$(listen "$sock")" "$(task work "$T/work" 'backoff fixed 100ms;')"
start_outlastd
wait_for 5 is_ready
submit work
wait_for 5 are_up 1
runs=1
for hung in spawner engine; do
	before=$(role $hung)
	if [ $hung = spawner ]; then
		# One question is missed, not three.
		kill -STOP "$before"
		sleep 1.5
		kill -CONT "$before"
		sleep 1.5
		expect 'the one that stood still' "$(role $hung)" "$before"
	fi
	kill -STOP "$before"
	wait_for 20 other_role $hung "$before"
	said "$hung pid $before: killed after .* without an answer" ||
		fail "no word of the $hung"
	runs=$((runs + 1))
	wait_for 10 are_up $runs
	expect 'programs at a time' "$(pids_in "$out/pids" | wc -l)" 1
done
touch "$out/go"
wait_for 10 has_state "$id" succeeded
expect 'runs' "$(lines '' "$out/pids")" 3
stop "$outlastd"
expect 'exit status' "$exited" 0

#!/bin/bash
# kill -9 of the engine, the spawner, a program, the master or all of them, at
# any instant, while tasks are submitted through nginx: nothing that was
# acknowledged is lost, everything ends, no task runs twice at once. One trial
# is one kill. TRIALS=2000 VICTIM=engine: the long run of one victim.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/tasks.sh
. "$LIB/tasks.sh"
need "$OUTLASTD" "$CHORE" "$FAULTY"
trials=$((TRIALS > 1 ? TRIALS : 150))
say "seed $SEED"

# storm VICTIM TRIALS [OUTLASTD]: in $result.
storm() {
	start storm python3 "$LIB/storm.py" "$1" --trials "$2" --seed "$SEED" \
		--folder "$T" --port "$port" --outlastd "${3:-$OUTLASTD}"
	stormed=0
	wait "$pid" || stormed=$?
	cat "$T/storm.log"
	result=$(grep ^RESULT "$T/storm.log") || fail 'the storm did not end'
}

write_tasks
start_nginx keep "$sock" "$TASK_LOCATION"
storm "${VICTIM:-any}" "$trials"
[ $stormed = 0 ] || fail 'see the faults above'
[ "$(field acked)" -gt $((trials * 5)) ] || fail 'hardly anything was acknowledged'
[ "$(field struck)" -gt $((trials / 2)) ] || fail 'hardly anything was killed'
[ "$(field slowest_ms)" -lt 1000 ] ||
	fail "not ready within a second: $(field slowest_ms) ms"

# The control: an engine that acknowledges before the commit loses some.
export OUTLAST_FAILPOINT=ack_before_commit:error:0
for ((lost = 0, i = 0; i < 5 && lost == 0; i++)); do
	fresh
	rm -f "$T/storm.log"
	storm all 8 "$FAULTY"
	lost=$(field lost)
done
unset OUTLAST_FAILPOINT
say "control, acknowledged before the commit: $lost lost after $i storms"
[ "$lost" -gt 0 ] || fail 'the control lost nothing: this test sees nothing'

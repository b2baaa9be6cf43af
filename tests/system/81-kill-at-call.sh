#!/bin/bash
# kill -9 of the engine at each system call with which it writes, receives and
# answers, over 20 tasks: what was acknowledged is not lost. One trial is one
# call; TRIALS=2 and more: every one, else some of each.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/tasks.sh
. "$LIB/tasks.sh"
need "$OUTLASTD" "$FAULTY"
need_strace
most=$((TRIALS > 1 ? 100000 : 3))
RANDOM=$SEED
say "seed $SEED"

# life OUTLASTD CALL K: a daemon's life in which the engine is killed at the
# K-th CALL. 1: it was not, K is past the last one.
life() {
	local program=$1
	fresh
	start_tasks "$program"
	say "$2 $3"
	inject "$2:signal=KILL:when=$3"
	submit --tasks 10 --connections 2 --ms 3 --keys 50 --bad 20 --cancel 10 \
		--timeout 5 --pad $(($3 % 2 * 40000))
	killed=1
	if alive "$tracer"; then
		killed=0
		uninject
	fi
	wait_for 10 ready
	judge
	[ $killed = 1 ]
}

write_tasks
start_nginx keep "$sock" "$TASK_LOCATION"
n=0 acked=0
for call in fdatasync pwrite64 fsync write sendto sendmsg recvfrom recvmsg \
	epoll_wait openat; do
	for ((i = 0, when = 1; i < most; i++)); do
		# Near one another at first: that is where a task begins.
		if [ "$TRIALS" -gt 1 ]; then
			when=$((i + 1))
		else
			when=$((when + RANDOM % (1 + i * 12) + (i > 0)))
		fi
		life "$OUTLASTD" $call $when || break
		[ $judged = 0 ] || fail "$call $when: $(cat "$T/check.out")"
		n=$((n + 1))
		acked=$((acked + $(field acked)))
	done
done
say "$n kills, $acked tasks acknowledged, none lost"
[ $n -gt 10 ] && [ $acked -gt 100 ] || fail 'hardly anything was killed'

# The control: an engine that acknowledges before the commit loses some. (Not
# at fdatasync: what was written by then outlives the process.)
export OUTLAST_FAILPOINT=ack_before_commit:error:0
for ((when = 2, lost = 0; when < 20 && lost == 0; when++)); do
	life "$FAULTY" pwrite64 $when || break
	lost=$(field lost)
done
unset OUTLAST_FAILPOINT
say "control, acknowledged before the commit: $lost lost at call $when"
[ "$lost" -gt 0 ] || fail 'the control lost nothing: this test sees nothing'

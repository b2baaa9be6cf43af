#!/bin/bash
# A system call of the engine fails: it does not end or hang, no 202 is a lie,
# and it works on. Then the disk fails for a while: 503 within a second, what is
# there can be read, and it takes tasks again without a restart. One trial is
# one failed call.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/tasks.sh
. "$LIB/tasks.sh"
need "$OUTLASTD" "$FAULTY"
need_strace
each=$((TRIALS > 1 ? TRIALS : 1))
RANDOM=$SEED
say "seed $SEED"

# Call and error: what the kernel may say when disk, memory or descriptors run
# out. "+": the engine may end, as it may when there is no memory for a small
# object (design); the master starts it again.
FAULTS='fdatasync:EIO fdatasync:ENOSPC pwrite64:EIO pwrite64:ENOSPC fsync:EIO
	openat:EMFILE openat:ENOSPC openat:ENOMEM openat:EIO accept4:EMFILE
	accept4:ENOMEM accept4:ECONNABORTED sendto:EPIPE sendto:ENOMEM recvfrom:ENOMEM
	sendmsg:ENOBUFS sendmsg:EMFILE recvmsg:ENOMEM pipe2:EMFILE socket:EMFILE
	socketpair:EMFILE ftruncate:EIO unlinkat:EIO epoll_ctl:ENOMEM+ mmap:ENOMEM+
	brk:ENOMEM+'

write_tasks
start_nginx keep "$sock" "$TASK_LOCATION"
n=0 idle=
for fault in ${ONLY-$FAULTS}; do
	may_end=0
	[ "${fault%+}" = "$fault" ] || may_end=1
	fault=${fault%+}
	for ((i = 0; i < each; i++)); do
		when=$((RANDOM % 6 + 1))
		fresh
		start_tasks
		say "$fault $when"
		inject "${fault%%:*}:error=${fault#*:}:when=$when"
		before=$engine
		submit --tasks 12 --connections 3 --ms 3 --keys 100 --bad 20 \
			--pad $((RANDOM % 2 * 40000)) --timeout 5
		[ $may_end = 1 ] || alive "$before" ||
			fail "$fault $when: the engine has ended"
		uninject
		wait_for 10 ready
		[ $may_end = 1 ] ||
			expect "$fault $when: the engine" "$(role engine)" "$before"
		if grep -q INJECTED "$T/trace"; then
			n=$((n + 1))
		else
			idle="$idle $fault:$when"
		fi
		judge
		[ $judged = 0 ] || fail "$fault $when: $(cat "$T/check.out")"
		[ "$(field acked)" = 36 ] || fail "$fault $when: $result"
	done
done
say "$n calls failed, nothing lost; not called:${idle:- none}"
[ -n "${ONLY+x}" ] || [ $n -gt 10 ] || fail 'hardly any call failed'

# fails_for_a_while OUTLASTD CALL
fails_for_a_while() {
	fresh
	start_tasks "$1"
	submit --tasks 5 --connections 2 --keys 0
	inject "$2:error=EIO:when=1+"
	start_watch
	submit --seconds 3 --connections 2 --pause 50 --keys 0 --timeout 5
	stop_watch
	read_back=$(http "/tasks/$(acked | head -1)")
	health=$(http /tasks/readyz)
	uninject
}
for call in fdatasync pwrite64; do
	fails_for_a_while "$OUTLASTD" $call
	say "a failing $call: $result; GET of a task $read_back, /readyz $health"
	[ "$(field failed)" -gt 3 ] || fail 'it was not refused'
	[ "$(field refusal_ms)" -lt $((1300 + stalled)) ] || fail 'refused too late'
	expect 'the engine' "$(role engine)" "$engine"
	# The database is closed then: nobody knows, and 404 would be a lie.
	[[ $read_back = 200 || $read_back = 503 ]] ||
		fail "GET while the disk fails: $read_back"
	expect '/readyz while the disk fails' "$health" 503
	wait_for 10 ready
	submit --tasks 5 --connections 2 --keys 0
	[ "$(field acked)" = 10 ] || fail "not taken again: $result"
	nothing_lost
done

# The control: an engine that acknowledges before the commit loses some. (What
# was written and not flushed is found again when the store reopens.)
export OUTLAST_FAILPOINT=ack_before_commit:error:0
fails_for_a_while "$FAULTY" pwrite64
unset OUTLAST_FAILPOINT
# A submit is gone, or an end that only memory knows of.
wait_for 20 ready
judge 5
say "control, acknowledged before the commit: $result"
[ "$(field faults)" -gt 0 ] || fail 'the control lost nothing: this test sees nothing'

#!/bin/bash
# The disk under `state` is full: 503 with Retry-After within a second, what is
# there can be read and runs, and tasks are taken again without a restart when
# there is room. One trial is one filling.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/tasks.sh
. "$LIB/tasks.sh"
need "$OUTLASTD" "$FAULTY"
cycles=$((TRIALS > 1 ? 3 * TRIALS : 3))
[ "$(id -u)" -eq 0 ] || skip 'only root can mount a small disk'
mkdir "$T/disk"
truncate -s 64M "$T/image"
mkfs.ext4 -q -m 0 "$T/image" 2>/dev/null || skip 'there is no mkfs.ext4'
mount -o loop "$T/image" "$T/disk" 2>/dev/null ||
	mount -t tmpfs -o size=64m none "$T/disk" 2>/dev/null ||
	skip 'nothing can be mounted here'
unmount() {
	local status=$?
	trap - EXIT
	[ "$outlastd" = 0 ] || kill -KILL "$outlastd" 2>/dev/null
	wait_for 5 umount "$T/disk"
	(exit $status)
	cleanup
}
trap unmount EXIT
state=$T/disk/state

# fill: until nothing fits any more.
fill() {
	dd if=/dev/zero of="$T/disk/ballast" bs=64k status=none 2>/dev/null
	dd if=/dev/zero of="$T/disk/crumbs" bs=1k status=none 2>/dev/null
	true
}

taken() {
	[ "$(http /t/full -d "again$i 0")" = 202 ]
}

write_tasks
start_nginx keep "$sock" "$TASK_LOCATION"
start_tasks
before=$(role engine)
for ((i = 0; i < cycles; i++)); do
	pad=$((i % 3 * 30000))
	submit --tasks 20 --connections 2 --keys 0 --pad $pad
	task=$(acked | tail -1)
	fill
	start_watch
	submit --seconds 3 --connections 4 --pause 10 --keys 0 --pad $pad \
		--timeout 5
	stop_watch
	say "full: $result"
	[ "$(field failed)" -gt 10 ] || fail "pad $pad: it was not refused"
	[ "$(field refusal_ms)" -lt $((1000 + stalled)) ] || fail "pad $pad: refused too late"
	expect 'GET on a full disk' "$(http "/tasks/$task")" 200
	expect '/livez on a full disk' "$(http /tasks/livez)" 200
	rm "$T/disk/ballast" "$T/disk/crumbs"
	from=$(now_ms)
	wait_for 10 taken
	echo "sent again$i -" >>"$T/ledger"
	say "taken again after $(($(now_ms) - from)) ms"
	expect 'the engine' "$(role engine)" "$before"
done
nothing_lost
say "$cycles fillings: $result"

# The control: an engine that acknowledges before the commit loses some.
fresh
export OUTLAST_FAILPOINT=ack_before_commit:error:0
start_tasks "$FAULTY"
fill
submit --seconds 2 --connections 4 --pause 10 --keys 0 --timeout 5
rm -f "$T/disk/ballast" "$T/disk/crumbs"
unset OUTLAST_FAILPOINT
# A submit is gone, or an end that only memory knows of.
wait_for 20 ready
judge 5
say "control, acknowledged before the commit: $result"
[ "$(field faults)" -gt 0 ] || fail 'the control lost nothing: this test sees nothing'

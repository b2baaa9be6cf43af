#!/bin/bash
# A full disk: refused within a second, what is there can be read, and it works
# again without a restart once there is room. One trial is one filling.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
need "$BUILD/bench_store"
trials=$((TRIALS > 1 ? 3 * TRIALS : 3))
[ "$(id -u)" -eq 0 ] || skip 'only root can mount a small disk'
mkdir "$T/disk"
truncate -s 64M "$T/image"
mkfs.ext4 -q "$T/image" 2>/dev/null || skip 'there is no mkfs.ext4'
mount -o loop "$T/image" "$T/disk" 2>/dev/null ||
	mount -t tmpfs -o size=64m none "$T/disk" 2>/dev/null ||
	skip 'nothing can be mounted here'
trap 'umount "$T/disk"; cleanup' EXIT

# fill TRIAL STORE BALLAST [OPTION]: with 8 to 24 MB of ballast on the disk.
fill() {
	dd if=/dev/zero of="$T/disk/ballast" bs=1M count=$((8 + $1 % 3 * 8)) \
		status=none
	shift
	"$BUILD/bench_store" full "$@" >"$T/full.out" 2>"$T/full.log"
}

for ((i = 0; i < trials; i++)); do
	start_watch
	fill "$i" "$T/disk/store" "$T/disk/ballast" ||
		fail "$(tail -3 "$T/full.log")"
	stop_watch
	result=$(grep ^RESULT "$T/full.out")
	say "${result#RESULT }"
	[ "$(field refused_ms)" -lt $((1000 + stalled)) ] || fail 'refused too late'
	[ "$(field stored)" -gt 100 ] || fail 'hardly anything was stored'
	# The log: 2000 pages, and a batch.
	wal=$(stat -c %s "$T/disk/store/tasks.db-wal" 2>/dev/null || echo 0)
	[ "$wal" -lt $((20 * 1024 * 1024)) ] || fail "a log of $wal bytes"
done

# The controls. Who takes the refusal for a yes has lost that task,
! fill 0 "$T/disk/store" "$T/disk/ballast" -t ||
	fail 'the control lost nothing: this test sees nothing'
grep -q 'is lost' "$T/full.log" || fail "control: $(tail -1 "$T/full.log")"
say "control, the refusal taken for a yes: $(tail -1 "$T/full.log")"
# and where no room is made, nothing works again.
rm -rf "$T/disk/store"
: >"$T/nothing"
! fill 0 "$T/disk/store" "$T/nothing" ||
	fail 'it works on a full disk: this test sees nothing'
grep -q 'does not work again' "$T/full.log" ||
	fail "control: $(tail -1 "$T/full.log")"
say "control, no room made: $(tail -1 "$T/full.log")"

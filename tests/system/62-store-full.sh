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
for ((i = 0; i < trials; i++)); do
	dd if=/dev/zero of="$T/disk/ballast" bs=1M count=$((8 + i % 3 * 8)) \
		status=none
	"$BUILD/bench_store" full "$T/disk/store" "$T/disk/ballast" \
		>"$T/full.out" 2>"$T/full.log" || fail "$(tail -3 "$T/full.log")"
	result=$(grep ^RESULT "$T/full.out")
	say "${result#RESULT }"
	[ "$(field refused_ms)" -lt 1000 ] || fail 'refused too late'
	[ "$(field stored)" -gt 100 ] || fail 'hardly anything was stored'
done

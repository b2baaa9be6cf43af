#!/bin/bash
# Power loss of an ext4 at any instant of a writer to the store: what was
# acknowledged is there, whole. Nothing that was not flushed is on the disk
# afterwards (EXT4_GOING_FLAGS_NOLOGFLUSH). One trial is one loss.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
need "$BUILD/bench_store"
STORE=$BUILD/bench_store
trials=$((TRIALS > 1 ? 10 * TRIALS : 10))
RANDOM=$SEED
[ "$(id -u)" -eq 0 ] || skip 'only root can mount a disk'
disk=$T/disk
mkdir "$disk"
truncate -s 256M "$T/image"
mkfs.ext4 -q "$T/image" 2>/dev/null || skip 'there is no mkfs.ext4'
mount -o loop "$T/image" "$disk" 2>/dev/null ||
	skip 'no loop device can be mounted here'
trap 'umount "$disk" 2>/dev/null; cleanup' EXIT
"$STORE" cut "$disk" 2>"$T/cut.log" ||
	skip "this kernel cannot cut ext4 off: $(tail -1 "$T/cut.log")"

restart_disk() {
	umount "$disk" || fail 'the disk is in use'
	mount -o loop "$T/image" "$disk" || fail 'the disk cannot be mounted'
}

# Whether no thread of the process runs: stopped, or within a system call that
# it will not return from.
stands_still() {
	! cut -d ')' -f 2- "/proc/$1"/task/*/stat | grep -qv '^ [TD]'
}

# lose_power FOLDER LEDGER [OPTION…]: write, cut, restart, look. The ledger is
# on a disk that keeps its power. Sets $lost to what is missing; refused is
# everything.
lose_power() {
	local folder=$1 ledger=$2 status=0
	shift 2
	start writer "$STORE" write "$folder" "$ledger" "$@"
	sleep "0.$(printf '%03d' $((RANDOM % 300 + 20)))"
	alive "$pid" || fail 'the writer ended by itself'
	# The writer ends at that instant, too. If it went on, a flush that the
	# cut overtakes could return 0 (1 in 40 losses, measured; all that was
	# acknowledged before the cut was there), and there is nobody whom a
	# machine without power could tell so.
	kill -STOP "$pid"
	wait_for 5 stands_still "$pid"
	"$STORE" cut "$disk" || fail 'the power cannot be cut'
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null
	restart_disk
	lost=0
	"$STORE" verify "$folder" "$ledger" >"$T/verify.out" 2>"$T/verify.log" ||
		status=1
	result=$(grep ^RESULT "$T/verify.out") ||
		result='RESULT sent=0 acked=0 lost=1 torn=1'
	lost=$(($(field lost) + $(field torn)))
	return $status
}

acked=0
restart_disk
for ((i = 0; i < trials; i++)); do
	# A new store now and then; the last one grows in between.
	[ $((i % 5)) -ne 0 ] || {
		rm -rf "$disk"/store*
		folder=$disk/store$i ledger=$T/ledger$i before=0
	}
	# With a log that is shortened all the time, or hardly ever.
	pages=$((RANDOM % 2 * 1980 + 20))
	lose_power "$folder" "$ledger" -c $((RANDOM % 2 * 31 + 1)) -p $pages ||
		fail "trial $i: $result: $(tail -3 "$T/verify.log")"
	acked=$((acked + $(field acked) - before))
	before=$(field acked)

done
say "power loss: $trials trials, $acked tasks acknowledged, none lost"
[ "$acked" -gt $((trials * 5)) ] || fail 'hardly anything was acknowledged'

# The controls: without a flush before the answer, most trials lose some.
for control in '-l lazy' '-f never-flushed'; do
	losses=0
	n=$((trials < 20 ? 5 : trials / 4))
	for ((i = 0; i < n; i++)); do
		rm -rf "$disk"/store* "$T/control.ledger"
		lose_power "$disk/store" "$T/control.ledger" -c 8 \
			"${control%% *}"
		[ "$lost" -eq 0 ] || losses=$((losses + 1))
	done
	say "control, ${control#* }: lost some in $losses of $n trials"
	[ $losses -gt 0 ] ||
		fail "the control (${control#* }) lost nothing: this test sees nothing"
done

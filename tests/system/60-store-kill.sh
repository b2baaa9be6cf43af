#!/bin/bash
# kill -9 of a process that writes to the store, at any instant: what was
# acknowledged is there, whole. One trial is one kill.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
need "$BUILD/bench_store"
STORE=$BUILD/bench_store
trials=$((TRIALS > 1 ? 40 * TRIALS : 40))
RANDOM=$SEED
lost=0 sent=0 acked=0 slowest=0

# storm FOLDER LEDGER [OPTION…]: write, kill, look; adds to $lost and $torn.
storm() {
	local folder=$1 ledger=$2
	shift 2
	start writer "$STORE" write "$folder" "$ledger" "$@"
	sleep "0.$(printf '%03d' $((RANDOM % 200 + 5)))"
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null
	"$STORE" verify "$folder" "$ledger" >"$T/verify.out" 2>>"$T/verify.log"
	local status=$?
	result=$(grep ^RESULT "$T/verify.out") || fail 'it cannot be opened'
	lost=$((lost + $(field lost) + $(field torn)))
	[ "$(field open_ms)" -le $slowest ] || slowest=$(field open_ms)
	return $status
}

for ((i = 0; i < trials; i++)); do
	# A new store now and then: a large one takes longer to look at.
	[ $((i % 20)) -ne 0 ] || {
		acked=$((acked + $(field acked)))
		sent=$((sent + $(field sent)))
		folder=$T/store$i
		ledger=$T/ledger$i
	}
	storm "$folder" "$ledger" -c $((RANDOM % 2 * 31 + 1)) ||
		fail "trial $i: $result"
done
acked=$((acked + $(field acked)))
sent=$((sent + $(field sent)))
say "kill -9: $trials trials, $sent sent, $acked acknowledged, $lost lost;" \
	"slowest open $slowest ms"
[ "$acked" -gt 0 ] || fail 'nothing was acknowledged'
[ "$slowest" -lt 1000 ] || say 'slower than a second'
if command -v sqlite3 >/dev/null; then
	expect 'integrity_check' \
		"$(sqlite3 "$folder/tasks.db" 'PRAGMA integrity_check')" ok
fi

# The control: a writer that acknowledges before the commit loses some.
lost=0
for ((i = 0; i < 20 && lost == 0; i++)); do
	storm "$T/control" "$T/control.ledger" -c 32 -e
done
say "control, acknowledged before the commit: $lost lost after $i trials"
[ $lost -gt 0 ] || fail 'the control lost nothing: this test sees nothing'

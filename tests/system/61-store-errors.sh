#!/bin/bash
# A system call of the store fails: no crash, no hang, nothing acknowledged is
# lost, and it works again without a restart. One trial is one failed call.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
need "$BUILD/bench_store"
STORE=$BUILD/bench_store
command -v strace >/dev/null || skip 'strace is not installed'
strace -o /dev/null true 2>/dev/null || skip 'strace may not trace here'
each=$((TRIALS > 1 ? 3 * TRIALS : 3))
RANDOM=$SEED
n=0 unknown=0

# The ledger is written with write(), which the store uses for body files only.
for call in fdatasync pwrite64 fsync; do
	for error in EIO ENOSPC; do
		for ((i = 0; i < each; i++)); do
			# Past those of the opening.
			when=$((RANDOM % 30 + 14))
			[ $call != fsync ] || when=$((RANDOM % 4 + 5))
			rm -rf "$T/store" "$T/ledger"
			"$STORE" write "$T/store" "$T/ledger" -n 1 \
				>"$T/write.out" 2>"$T/write.log" || fail 'no store'
			timeout -k 1 30 strace -f -o "$T/trace" -e trace=$call \
				-e inject=$call:error=$error:when=$when \
				"$STORE" write "$T/store" "$T/ledger" -n 20 -c 2 \
				>"$T/write.out" 2>"$T/write.log" ||
				{
					# In the opening: said so, and nothing done.
					grep -q 'the store was refused' "$T/write.log" ||
						fail "$call $error $when: the writer failed"
					continue
				}
			result=$(grep ^RESULT "$T/write.out")
			expect "$call $error $when: tasks" "$(field tasks)" 20
			[ "$(field settled)" = 0 ] || unknown=$((unknown + 1))
			grep -q INJECTED "$T/trace" || continue
			n=$((n + 1))
			"$STORE" verify "$T/store" "$T/ledger" \
				>"$T/verify.out" 2>"$T/verify.log" ||
				fail "$call $error $when: $(tail -1 "$T/verify.out")"
		done
	done
done
say "$n calls failed, $unknown commits were unknown for a while; nothing lost"
[ $n -gt 0 ] || fail 'no call failed'

# The control: a writer that takes every answer for a yes loses some.
lost=0
for ((i = 0; i < 20 && lost == 0; i++)); do
	rm -rf "$T/store" "$T/ledger"
	strace -f -o "$T/trace" -e trace=fdatasync \
		-e inject=fdatasync:error=EIO:when=$((i + 8)) \
		"$STORE" write "$T/store" "$T/ledger" -n 40 -c 2 -t \
		>"$T/write.out" 2>"$T/write.log" || continue
	"$STORE" verify "$T/store" "$T/ledger" >"$T/verify.out" 2>>"$T/verify.log"
	result=$(grep ^RESULT "$T/verify.out")
	lost=$(field lost)
done
say "control, every answer taken for a yes: $lost lost after $i trials"
[ "$lost" -gt 0 ] || fail 'the control lost nothing: this test sees nothing'

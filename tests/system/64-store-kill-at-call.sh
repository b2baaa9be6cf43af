#!/bin/bash
# kill -9 at each system call with which the store writes, from its making to
# its closing: what was acknowledged is there, whole. One trial is one call;
# TRIALS=2 and more: every one, else every fourth.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
need "$BUILD/bench_store"
STORE=$BUILD/bench_store
command -v strace >/dev/null || skip 'strace is not installed'
strace -o /dev/null true 2>/dev/null || skip 'strace may not trace here'
step=$((TRIALS > 1 ? 1 : 4))
n=0 acked=0
for call in pwrite64 fdatasync fsync ftruncate unlink,unlinkat openat; do
	for ((when = 1 + SEED % step; ; when += step)); do
		rm -rf "$T/store" "$T/ledger"
		: >"$T/ledger"
		# In a subshell, whose word about the kill goes to the log.
		(strace -f -o "$T/trace" -e trace=$call \
			-e inject=$call:signal=KILL:when=$when \
			"$STORE" write "$T/store" "$T/ledger" -n 16 -c 4 ||
			true) >"$T/write.out" 2>"$T/write.log"
		# Past the last one.
		! grep -q ^RESULT "$T/write.out" || break
		n=$((n + 1))
		"$STORE" verify "$T/store" "$T/ledger" >"$T/verify.out" \
			2>"$T/verify.log" ||
			fail "$call $when: $(tail -1 "$T/verify.out" "$T/verify.log")"
		result=$(grep ^RESULT "$T/verify.out")
		acked=$((acked + $(field acked)))
	done
done
say "$n kills, $acked tasks acknowledged before them, none lost"
[ $n -gt 10 ] && [ $acked -gt 10 ] || fail 'hardly anything was killed'

# The control: a writer that acknowledges before the commit loses some.
lost=0
for ((when = 8; when < 40 && lost == 0; when++)); do
	rm -rf "$T/store" "$T/ledger"
	(strace -f -o "$T/trace" -e trace=fdatasync \
		-e inject=fdatasync:signal=KILL:when=$when \
		"$STORE" write "$T/store" "$T/ledger" -n 16 -c 4 -e ||
		true) >"$T/write.out" 2>"$T/write.log"
	"$STORE" verify "$T/store" "$T/ledger" >"$T/verify.out" 2>>"$T/verify.log"
	result=$(grep ^RESULT "$T/verify.out")
	lost=$(field lost)
done
say "control, acknowledged before the commit: $lost lost at call $when"
[ "$lost" -gt 0 ] || fail 'the control lost nothing: this test sees nothing'

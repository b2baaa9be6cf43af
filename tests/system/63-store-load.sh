#!/bin/bash
# 100 000 waiting tasks are read within 2 s of the start after kill -9. TRIALS:
# that many times as many tasks.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
need "$BUILD/bench_store"
tasks=$((100000 * (TRIALS > 1 ? TRIALS : 1)))
"$BUILD/bench_store" fill "$T/store" $tasks || fail 'cannot be filled'
# New ones, after those; it leaves a log behind, as a crash does.
echo "S $tasks" >"$T/ledger"
start writer "$BUILD/bench_store" write "$T/store" "$T/ledger" -c 16
sleep 0.5
kill -KILL "$pid"
wait "$pid" 2>/dev/null
[ -s "$T/store/tasks.db-wal" ] || fail 'kill -9 left no log'
start_watch
"$BUILD/bench_store" load "$T/store" >"$T/load.out" || fail 'cannot be read'
stop_watch
result=$(grep ^RESULT "$T/load.out")
say "${result#RESULT }"
[ "$(field loaded)" -ge $tasks ] || fail 'tasks are missing'
[ $(($(field open_ms) + $(field load_ms))) -lt $((2000 * tasks / 100000 + stalled)) ] ||
	fail 'too slow'

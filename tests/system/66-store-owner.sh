#!/bin/bash
# One owner: while a writer works, with a log that is shortened at every page
# (SQLite's WAL-reset race needs a second connection), nobody else gets the
# database open, and it is whole after kill -9. One trial is one writer.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
need "$BUILD/bench_store"
STORE=$BUILD/bench_store
trials=$((TRIALS > 1 ? 2 * TRIALS : 2))
seconds=$((TRIALS > 1 ? 10 : 2))
db=$T/store/tasks.db

# The processes that have the database, or its log, open.
owners() {
	find /proc/[0-9]*/fd -lname "$db*" 2>/dev/null |
		cut -d/ -f3 | sort -u | xargs
}

# As sqlite3(1) would: to read, or to write.
intrude() {
	python3 - "$db" "$1" <<'END'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=0)
try:
    db.execute(sys.argv[2]).fetchall()
    db.commit()
except sqlite3.Error as error:
    sys.exit(str(error))
END
}

looks=0
for ((i = 0; i < trials; i++)); do
	start writer "$STORE" write "$T/store" "$T/ledger" -c 16 -p 1
	writer=$pid
	wait_for 5 grep -q ^A "$T/ledger"
	end=$(($(now_ms) + seconds * 1000))
	while [ "$(now_ms)" -lt $end ]; do
		alive "$writer" || fail 'the writer ended by itself'
		! "$STORE" load "$T/store" >"$T/second.out" 2>"$T/second.log" ||
			fail 'a second owner was let in'
		grep -q 'in use' "$T/second.log" ||
			fail "a second owner: $(tail -1 "$T/second.log")"
		! intrude 'SELECT count(*) FROM task' 2>"$T/read.log" ||
			fail 'somebody could read beside the owner'
		! intrude 'PRAGMA wal_checkpoint' 2>"$T/write.log" ||
			fail 'somebody could move the log beside the owner'
		expect 'who has it open' "$(owners)" "$writer"
		looks=$((looks + 1))
	done
	kill -KILL "$writer"
	wait "$writer" 2>/dev/null
	expect 'who has it open after the kill' "$(owners)" ''
	"$STORE" verify "$T/store" "$T/ledger" >"$T/verify.out" \
		2>"$T/verify.log" ||
		fail "trial $i: $(tail -1 "$T/verify.out" "$T/verify.log")"
	result=$(grep ^RESULT "$T/verify.out")
	expect 'integrity_check' "$(python3 -c 'import sqlite3, sys
print(sqlite3.connect(sys.argv[1]).execute("PRAGMA integrity_check").fetchone()[0])' \
		"$db")" ok
done
say "$trials writers, $looks looks, $(field acked) tasks acknowledged," \
	"none lost, always one owner"
[ "$(field acked)" -gt 50 ] || fail 'hardly anything was acknowledged'

# The controls: two who have it open are seen, and the intruder gets in where
# there is no owner.
for name in one another; do
	start $name bash -c "exec 8<'$db' && exec sleep 60"
done
wait_for 5 eval '[ "$(owners | wc -w)" -gt 1 ]'
expect 'control: who has it open' "$(owners | wc -w)" 2
intrude 'SELECT count(*) FROM task' || fail 'control: nobody can read it ever'
say 'controls: two owners are seen, an intruder gets in beside none'

#!/bin/bash
# on_crash gets the report of each crash on standard input, as the pool's user;
# one that crashes, and one that hangs, are told of in the log and hold up
# neither the pool nor a stop. Control: without on_crash, and for processes that
# outlastd ends itself, nothing is told.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/roles.sh
. "$(dirname "$0")/../lib/roles.sh"

need "$APP"
copy_app "$T/application"
script tell <<-'EOS'
	#!/bin/bash
	[ "$1" = ops ] || exit 9
	cat >"$OUT/report.part"
	id -un >"$OUT/user"
	mv "$OUT/report.part" "$OUT/report"
	echo "told of $OUTLAST_POOL"
EOS
script bomb <<-'EOS'
	#!/bin/bash
	echo >>"$OUT/bombs"
	kill -SEGV $$
EOS
script hang <<-'EOS'
	#!/bin/bash
	(trap '' TERM; sleep 1000 & echo $! >>"$OUT/pids"; wait) &
	echo $$ >>"$OUT/pids"
	trap '' TERM
	wait
EOS
# conf [DIRECTIVE]
conf() {
	cat >"$T/outlast.conf" <<-CONF
		pid $T/outlastd.pid; log stderr info; shutdown_delay 5s;
		pool app {
			listen unix:$T/app.sock; program $T/application;
			$program_user env OUT $out; rapid_fail off;
			${1:-}
		}
	CONF
}
# crash: the process that serves, until another one does.
crash() {
	local before
	before=$(serving)
	python3 "$LIB/fcgi.py" "$T/app.sock" '/crash?where=request' \
		--timeout 5 >/dev/null 2>&1
	wait_for 10 serves_other "$before"
}
told() {
	[ -e "$out/report" ]
}

conf "on_crash $T/tell ops;"
start_outlastd
wait_for 10 serves
crash
wait_for 5 told
grep -q '^SIGSEGV.* in request GET /crash' "$out/report" ||
	fail "the report: $(cat "$out/report")"
[ "$(id -u)" -ne 0 ] || expect 'its user' "$(cat "$out/user")" nobody
wait_for 5 said '^told of app'
rm "$out/report"

# Without a report of its own there is a line.
kill -KILL "$(serving)"
wait_for 5 told
expect 'the line' "$(cat "$out/report")" SIGKILL
rm "$out/report"
wait_for 10 serves

# What outlastd ends is none; a reload does not replace a process for on_crash.
before=$(serving)
conf "on_crash $T/bomb;"
reload
wait_for 5 said 'notice reloaded'
expect 'who serves' "$(serving)" "$before"

# Its own crash is not told: it would be its own report.
crash
wait_for 5 said 'on_crash pid [0-9]+ ended: SIGSEGV'
expect 'starts' "$(lines '' "$out/bombs")" 1

before=$(serving)
conf "on_crash $T/tell ops; env NEW 1;"
reload
wait_for 10 serves_other "$before"
wait_for 5 said "pid $before: ended .*: exit 0"
! told || fail "a recycle was told as a crash: $(cat "$out/report")"

# One that hangs holds up nothing, and nothing of it is left.
conf "on_crash $T/hang; env NEW 1;"
: >"$T/outlastd.log"
reload
wait_for 5 said 'notice reloaded'
crash
wait_for 5 test -s "$out/pids"
crash
stop "$outlastd" TERM 10
expect 'exit status' "$exited" 0
none_left "$out/pids" || fail 'a process of on_crash was left'

# The control.
conf
rm -f "$out"/*
: >"$T/outlastd.log"
start_outlastd
wait_for 10 serves
crash
! said on_crash || fail 'on_crash without a word of it'
stop "$outlastd"

# outlastd -t looks at it as at the pool's program.
conf "on_crash $T/nowhere;"
"$OUTLASTD" -c "$T/outlast.conf" -t >"$T/check.log" 2>&1 &&
	fail 'a program that is not there is taken'
grep -q "cannot execute \"$T/nowhere\"" "$T/check.log" ||
	fail "-t says $(cat "$T/check.log")"

# shellcheck shell=bash disable=SC2034,SC2154
# outlastd with tasks behind nginx, and its witness. Source it after lib.sh.
#
#     full, lazy   durable as they are called; each runs bench_chore
#     held         durable full; one runs and never ends, the others wait
#
# are submitted at http://127.0.0.1:$port/t/NAME; the API is at /tasks.

# shellcheck source=../lib/daemon.sh
. "$LIB/daemon.sh"

# A copy: the program's user may not reach the build.
CHORE=$T/bench_chore
ORACLE=$LIB/oracle.py
# The build with failpoints (tests/run.sh makes it).
FAULTY=${FAULTY:-$SRC/build/failpoints}/src/outlastd/outlastd
chore=$T/chore
[ -x "$BUILD/bench_chore" ] || fail "$BUILD/bench_chore has not been built"
cp "$BUILD/bench_chore" "$CHORE"

# For the location in nginx: the type is the path's second word.
# shellcheck disable=SC2016 # nginx's variables
TASK_LOCATION='
	set $task "";
	if ($uri ~ "^/t/([a-z]+)$") { set $task $1; }
	fastcgi_param OUTLAST_TASK $task;'

# write_tasks [DIRECTIVES of the main context [DIRECTIVES of each task]]:
# $T/outlast.conf
write_tasks() {
	local name
	{
		main_directives
		echo "${1:-}"
		for name in full lazy; do
			cat <<-CONF
				task $name {
					program $CHORE;
					durable $name;
					$program_user
					env CHORE $chore;
					concurrency 4;
					retries 1000;
					backoff fixed 100ms;
					poison_after off;
					client_cancel on;
					${2:-}
				}
			CONF
		done
		cat <<-CONF
			task held {
				program /bin/sleep 100000;
				$program_user
				timeout 7d;
				max_waiting 2000000;
			}
		CONF
	} >"$T/outlast.conf"
}

ready() {
	[ "$(python3 "$LIB/fcgi.py" "$sock" /tasks/readyz --timeout 1 \
		2>/dev/null | head -1)" = 200 ]
}

# start_tasks [OUTLASTD]: with $T/outlast.conf; ready when this returns.
start_tasks() {
	local program=${1:-$OUTLASTD}
	need "$program" "$CHORE"
	start outlastd "$program" -c "$T/outlast.conf"
	outlastd=$pid
	wait_for 10 ready
}

# submit OPTION…: the client of the oracle, to /t/full; its RESULT in $result.
submit() {
	timeout -k 5 60 python3 "$ORACLE" submit "$T/ledger" \
		"http://127.0.0.1:$port/t/full" --seed "$SEED" "$@" \
		>"$T/submit.out" ||
		fail "the client did not end: $(tail -3 "$T/ledger")"
	result=$(grep ^RESULT "$T/submit.out")
}

# acked: the ids in the ledger.
acked() {
	awk '$1 == "acked" { print $3 }' "$T/ledger"
}

# end_now: what runs, need not end; a second TERM means now.
end_now() {
	kill -TERM "$outlastd"
	sleep 0.2
	stop "$outlastd" TERM 20
}

# judge [SECONDS]: wait until all have ended, stop outlastd, judge; in $result;
# $judged is 0 when there is no fault.
# shellcheck disable=SC2120 # a test gives one
judge() {
	python3 "$ORACLE" check "$T/ledger" "$chore" --states "$T/states" \
		--ended "${1:-30}" \
		--url "http://127.0.0.1:$port/tasks" >"$T/api.out" || true
	stop "$outlastd" TERM 20
	judged=0
	python3 "$ORACLE" check "$T/ledger" "$chore" --states "$T/states" \
		--db "$state/store/tasks.db" >"$T/check.out" || judged=$?
	result=$(grep ^RESULT "$T/check.out")
}

# nothing_lost: judge, and fail with what the oracle says.
nothing_lost() {
	judge
	[ $judged = 0 ] || fail "$(cat "$T/check.out")"
}

# fresh: nothing of an earlier life.
fresh() {
	rm -rf "$state" "$T/ledger" "$T/states" "$chore" "$T/outlastd.log"
	mkdir -p "$chore/locks"
	chmod 777 "$chore" "$chore/locks"
}

fresh

# need_strace: else the test is skipped.
need_strace() {
	command -v strace >/dev/null || skip 'strace is not installed'
	strace -o /dev/null true 2>/dev/null || skip 'strace may not trace here'
}

# inject WORD…: into the engine's system calls, until uninject; strace's words
# for -e inject=.
tracer=0
inject() {
	local word words=() calls=
	for word; do
		words+=(-e "inject=$word")
		calls=$calls${calls:+,}${word%%:*}
	done
	engine=$(role engine)
	[ -n "$engine" ] || fail 'there is no engine'
	rm -f "$T/strace.log"
	start strace strace -f -p "$engine" -o "$T/trace" -e "trace=$calls" \
		"${words[@]}"
	tracer=$pid
	wait_for 5 grep -q attached "$T/strace.log"
}

uninject() {
	kill -TERM "$tracer" 2>/dev/null
	gone 5 "$tracer" || kill -KILL "$tracer"
	wait "$tracer" 2>/dev/null
}

#!/bin/bash
# Each failpoint in the code × exit, sleep and, where it knows one, error: what
# was acknowledged is not lost, everything ends, no task runs twice at once. A
# point that was never passed is a failure. One trial is one round of all.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/tasks.sh
. "$LIB/tasks.sh"
need "$FAULTY"
rounds=$((TRIALS > 1 ? TRIALS : 1))
RANDOM=$SEED

# points MACRO: the names that are in the code.
points() {
	find "$SRC/src" -name '*.c' -exec \
		sed -n "s/.*$1(\"\\([a-z_]*\\)\").*/\\1/p" {} + | sort -u
}
# ack_before_commit is the control of the kill storm: it is to lose.
# quick_pulse shortens a time (117).
fails=$(points OL_FAILS | grep -v -e ack_before_commit -e quick_pulse)
all=$( (points OL_FAILPOINT && echo "$fails") | sort -u)
[ -n "$all" ] || fail 'there is no failpoint in the code'

# life POINT ACTION NTH: a whole life with one fault.
life() {
	local pad=0 ms=5 cancel=20 connections=2
	fresh
	rm -f "$T/points/$1.acted"
	export OUTLAST_FAILPOINT=$1:$2:$3
	case $1 in
	# It comes behind another fault only.
	store_reopen) OUTLAST_FAILPOINT=store_commit:error,$OUTLAST_FAILPOINT ;;
	# A large payload is a file.
	store_body*) pad=40000 ;;
	# What is cancelled is to run meanwhile.
	mark*) ms=150 cancel=80 ;;
	# What is cancelled is to wait meanwhile.
	idle*) ms=50 cancel=60 connections=12 ;;
	esac
	rm -f "$T/points/store_commit.acted"
	export OUTLAST_FAILPOINT_FOLDER=$T/points
	start_tasks "$FAULTY"
	# Some fail once, some are cancelled: every move is made.
	submit --tasks 10 --connections $connections --ms $ms --keys 100 --timeout 5 \
		--bad 30 --cancel $cancel --pad $pad
	[ "$(field acked)" -gt 5 ] || fail "$1 $2: $result"
	# Written behind its back, at leisure.
	[ "$1" != store_checkpoint ] || lazily
	nothing_lost
	unset OUTLAST_FAILPOINT
	[ -e "$T/points/$1.acted" ]
}

# life_of_replay POINT ACTION: one with a backend. Nobody ends what that began:
# it may be asked twice, but the task ends.
life_of_replay() {
	fresh
	rm -f "$T/points/$1.acted"
	export OUTLAST_FAILPOINT=$1:$2:1 OUTLAST_FAILPOINT_FOLDER=$T/points
	start_tasks "$FAULTY"
	[ "$(curl -s -m 10 -o "$T/body" -w '%{http_code}' -d body \
		"http://127.0.0.1:$port/t/replay")" = 202 ] ||
		fail "$1 $2: no 202, but $(cat "$T/body")"
	id=$(sed 's/.*"id":"\([^"]*\)".*/\1/' "$T/body")
	wait_for 30 has_succeeded
	stop "$outlastd" TERM 20
	unset OUTLAST_FAILPOINT
	[ -e "$T/points/$1.acted" ]
}

has_succeeded() {
	curl -s -m 5 "http://127.0.0.1:$port/tasks/$id" |
		grep -q '"state":"succeeded"'
}

# A full commit that comes behind a lazy one flushes it: then there is nothing
# left to do at leisure, and it takes another one.
lazily() {
	local i
	for ((i = 0; i < 10; i++)); do
		[ ! -e "$T/points/store_checkpoint.acted" ] || return 0
		python3 "$ORACLE" submit "$T/ledger" \
			"http://127.0.0.1:$port/t/lazy" \
			--tasks 1 --connections 1 --keys 0 >/dev/null
		sleep 0.8
	done
}

# round POINT ACTION: at one of the first times that it is passed.
round() {
	case $1 in replay_*)
		life_of_replay "$1" "$2" || fail "$1 did not $2"
		acted=$((acted + 1))
		return
		;;
	esac
	life "$1" "$2" $((RANDOM % 3 + 1)) || life "$1" "$2" 1 ||
		fail "$1 did not $2"
	acted=$((acted + 1))
}

mkdir "$T/points"
chmod 777 "$T/points"
write_tasks
fake=$T/fake.sock
start fake python3 "$LIB/backend.py" "$fake"
wait_for 5 test -S "$fake"
cat >>"$T/outlast.conf" <<CONF
task replay {
	fastcgi_pass unix:$fake;
	fastcgi_param DOCUMENT_URI /fake/echo;
	retries 1000; backoff fixed 100ms; poison_after off;
}
CONF
start_nginx keep "$sock" "$TASK_LOCATION"
acted=0
for ((i = 0; i < rounds; i++)); do
	for point in $all; do
		round "$point" exit
		round "$point" sleep
		! grep -qx "$point" <<<"$fails" || round "$point" error
	done
done
missed=
for point in $all; do
	[ -e "$T/points/$point.hit" ] || missed="$missed $point"
done
say "$(wc -w <<<"$all") points, $acted faults:" $all
[ -z "$missed" ] || fail "never passed:$missed"

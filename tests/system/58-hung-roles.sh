#!/bin/bash
# An engine or a spawner that hangs (SIGSTOP) does not hold up a stop: it ends
# in time, and leaves nothing of a program behind.
# alone: time is measured
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/roles.sh
. "$(dirname "$0")/../lib/roles.sh"

script long <<-'EOS'
	#!/bin/bash
	echo $$ >>"$OUT/pids"
	(setsid sleep 1000 & echo $! >>"$OUT/pids")
	echo >>"$OUT/up"
	sleep 1000
EOS

are_up() {
	[ "$(lines '' "$out/up")" = "$1" ]
}

# begin [PROGRAMS]: outlastd with that many programs that run; the pids of all
# are in $T/pids.
begin() {
	local i
	rm -rf "$state" "${out:?}"/*
	: >"$T/outlastd.log"
	write_roles "shutdown_delay_max 5s;" "$(listen "$sock")" \
		"$(task long "$T/long" 'concurrency 4;')"
	sed -i 's/shutdown_delay 5s; kill_grace 1s/shutdown_delay 2s; kill_grace 400ms/' \
		"$T/outlast.conf"
	start_outlastd
	wait_for 5 is_ready
	for ((i = 1; i <= ${1:-1}; i++)); do
		submit long
		wait_for 5 are_up "$i"
	done
	{
		cat "$out/pids" 2>/dev/null
		role engine
		role spawner
	} >"$T/pids"
}

# ends FROM TO [MORE SIGNALS]: TERM, and how long the end took, in ms.
ends() {
	start_watch
	stop "$outlastd" TERM 30
	stop_watch
	say "$what: the stop took $took ms, for $stalled others had the machine"
	pids_in "$T/pids" >"$T/left"
	if [ -s "$T/left" ]; then
		# shellcheck disable=SC2046 # words on purpose
		ps -o pid,stat,args -p "$(paste -sd, "$T/left")"
		# shellcheck disable=SC2046
		kill -KILL $(cat "$T/left")
		fail "$what: processes were left"
	fi
	{ [ $took -ge "$1" ] && [ $took -le $(($2 + stalled)) ]; } ||
		fail "$what: it took $took ms, not $1 … $2"
}

what='a hung engine'
begin
kill -STOP "$(role engine)"
ends 2000 2700
said 'warn engine pid [0-9]+: killed' || fail 'no word of the kill'
expect 'exit code' "$exited" 0

what='a hung spawner with nothing to do'
begin 0
kill -STOP "$(role spawner)"
ends 0 700

what='a hung spawner'
begin
kill -STOP "$(role spawner)"
ends 2000 2700

what='both hung'
begin
kill -STOP "$(role spawner)" "$(role engine)"
ends 2000 2900

what='both hung, and a second signal'
begin
kill -STOP "$(role spawner)" "$(role engine)"
kill -TERM "$outlastd"
wait_for 2 grep -q 'SIGTERM: stopping' "$T/outlastd.log"
ends 0 700

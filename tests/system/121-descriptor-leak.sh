#!/bin/bash
# Reloads that change pools, recycles, crashes that are told of, tasks that
# succeed, fail, are cancelled or cannot be started, refused reloads: afterwards
# master, engine and spawner have no more descriptors than before.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/roles.sh
. "$(dirname "$0")/../lib/roles.sh"

need "$APP"
copy_app "$T/application"
script bad <<-'EOS'
	#!/bin/sh
	echo wrong >&2
	exit 64
EOS
script tell <<-'EOS'
	#!/bin/sh
	exec cat >>"$OUT/told"
EOS
# conf GENERATION
conf() {
	write_roles "$(listen "$sock")" "$(task good /bin/true)" \
		"$(task bad "$T/bad" 'retries 0;')" \
		"$(task missing "$T/missing" 'backoff fixed 100ms;')" \
		"$(task long '/bin/sleep 1000')" \
		"pool app { listen unix:$T/app.sock; program $T/application;
			rapid_fail off; env GENERATION $1; env OUT $out;
			on_crash $T/tell; $program_user }" \
		"pool extra$1 { listen unix:$T/extra$1.sock;
			program $T/application; $program_user }"
}
counts() {
	echo "$(descriptors "$outlastd") $(descriptors "$(role engine)")" \
		"$(descriptors "$(role spawner)")"
}
# master, engine, spawner and a process of each pool.
are_four() {
	[ "$(children "$outlastd" | wc -l)" = 4 ]
}
told() {
	[ "$(lines SIGSEGV "$out/told")" = $round ]
}
round=0
once() {
	local before
	round=$((round + 1))
	: >"$T/outlastd.log"
	submit long
	long=$id
	submit missing
	missing=$id
	submit bad
	wait_for 5 has_state "$id" failed
	submit good
	wait_for 5 has_state "$id" succeeded
	wait_for 5 has_state "$long" running
	before=$(serving)
	kill -SEGV "$before"
	wait_for 10 serves_other "$before"
	wait_for 5 told
	before=$(serving)
	conf $round
	reload
	wait_for 10 said 'notice reloaded'
	wait_for 10 serves_other "$before"
	echo rubbish >"$T/outlast.conf"
	reload
	wait_for 5 said 'not reloaded'
	for id in $long $missing; do
		ask "/$id" --method DELETE >/dev/null
		wait_for 10 has_state "$id" cancelled
	done
	wait_for 10 are_four
}
no_more() {
	local was now i
	read -ra was <<<"$before"
	read -ra now <<<"$(counts)"
	for i in 0 1 2; do
		[ "${now[i]}" -le "${was[i]}" ] || return 1
	done
}
conf 0
start_outlastd
wait_for 5 is_ready
wait_for 5 serves
once
before=$(counts)
once
say "descriptors of master, engine, spawner: $before, then $(counts)"
wait_for 5 no_more
stop "$outlastd"
expect 'exit status' "$exited" 0

#!/bin/bash
# Without a cgroup: outlastd says so, programs are started, stopped and killed
# all the same, and what they tried to leave behind is gone when the task has
# ended; also what a killed engine leaves.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/roles.sh
. "$(dirname "$0")/../lib/roles.sh"

script runaway <<-'EOS'
	#!/bin/bash
	(setsid env -i sleep 1000 & echo $! >>"$OUT/pids")
	(setsid bash -c '(trap "" TERM; setsid sleep 1000 & echo $! >>"$OUT/pids")')
	echo >>"$OUT/up"
	[ "$1" = ends ] || exec sleep 1000
EOS
hide='mount -t tmpfs none /sys/fs/cgroup && exec "$@"'
unshare -m bash -c "$hide" - true 2>/dev/null ||
	skip 'cgroups cannot be hidden here'
are_up() {
	[ "$(lines '' "$out/up")" = "$1" ]
}
write_roles "$(listen "$sock")" "$(task ends "$T/runaway ends")" \
	"$(task stays "$T/runaway stays" 'timeout 500ms; kill_grace 200ms; retries 0;')" \
	"$(task long "$T/runaway stays" 'backoff fixed 100ms;')"
start outlastd unshare -m bash -c "$hide" - "$OUTLASTD" -c "$T/outlast.conf"
outlastd=$pid
wait_for 5 is_ready
said 'programs run without cgroups of their own' ||
	fail "$(grep cgroup "$T/outlastd.log")"
submit ends
wait_for 5 has_state "$id" succeeded
none_left "$out/pids" || fail 'ends: something is left'
submit stays
wait_for 5 has_state "$id" failed
none_left "$out/pids" || fail 'stays: something is left'
expect 'pids' "$(lines '' "$out/pids")" 4
submit long
wait_for 5 are_up 3
cp "$out/pids" "$T/pids"
kill -KILL "$(role engine)"
wait_for 10 are_up 4
none_left "$T/pids" || fail 'long: something of the lost attempt is left'
stop "$outlastd" TERM 15
expect 'exit status' "$exited" 0
none_left "$out/pids" || fail 'the stop: something is left'

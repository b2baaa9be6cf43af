#!/bin/bash
# The spawner is killed: its programs, wherever they hid, are killed by the
# master, what a pool left behind is not; the engine serves on, gets a new
# spawner, and runs what was lost again.
# alone: time is measured
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/roles.sh
. "$(dirname "$0")/../lib/roles.sh"

# A child, one in a session of its own, one that has lost its environment too.
script hide <<-'EOS'
	#!/bin/bash
	echo $$ >>"$OUT/pids"
	sleep 1000 &
	echo $! >>"$OUT/pids"
	(setsid sleep 1000 & echo $! >>"$OUT/pids")
	(setsid env -i /bin/sleep 1000 & echo $! >>"$OUT/pids")
	echo >>"$OUT/up"
	wait
EOS
# A pool's, which it leaves behind.
script daemonize <<-'EOS'
	#!/bin/bash
	# The second time: while its parent lives, so that the master does not
	# hear of it.
	[ ! -e "$OUT/pools" ] || {
		(setsid sleep 1000 & echo $! >>"$OUT/pools")
		exec sleep 1000
	}
	(setsid sleep 1000 & echo $! >>"$OUT/pools")
	(setsid env -i /bin/sleep 1000 & echo $! >>"$OUT/pools")
	# What is still in its group would end with it.
	sleep 0.3
EOS
script quick <<-'EOS'
	#!/bin/bash
	echo done
EOS
pool_user=
[ "$(id -u)" -ne 0 ] || pool_user='user nobody;'
write_roles "$(listen "$sock")" \
	"$(task hide "$T/hide" 'concurrency 4; backoff fixed 100ms; retries 1;')" \
	"$(task quick "$T/quick")" \
	"pool p { listen unix:$T/p.sock; program $T/daemonize; $pool_user env OUT $out; shutdown_delay 1s; }"
start_outlastd
wait_for 5 is_ready
wait_for 5 grep -q 'p\[0\] .*ended unasked: exit 0' "$T/outlastd.log"
pool_left() {
	[ "$(pids_in "$out/pools" | wc -l)" = 3 ]
}
wait_for 5 pool_left
submit hide
hidden=$id
wait_for 5 test -s "$out/up"
all_run() {
	[ "$(pids_in "$out/pids" | wc -l)" = 4 ]
}
wait_for 5 all_run
cp "$out/pids" "$T/pids"

engine=$(role engine) spawner=$(role spawner)
start_watch
kill -KILL "$spawner"
wait_for 5 other_role spawner "$spawner"
within 1000 'a new one'
none_left "$T/pids" || fail "programs outlived their spawner"
pool_left || fail 'what the pool left was killed with it'
expect 'the engine' "$(role engine)" "$engine"
said 'error the spawner died \(SIGKILL\)' || fail 'no word of it in the log'
submit quick
wait_for 5 has_state "$id" succeeded
wait_for 5 has_state "$hidden" running
has_attempt "$hidden" 2 || fail 'the lost attempt was not charged'

# One that left by itself, and what it had started.
cp "$out/pids" "$T/pids"
stop "$outlastd" TERM 15
expect 'exit code' "$exited" 0
none_left "$T/pids" || fail 'a program outlived outlastd'
none_left "$out/pools" || fail 'an orphan of the pool outlived outlastd'

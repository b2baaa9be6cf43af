#!/bin/bash
# A pool that crashes in a loop is stopped by rapid_fail: its requests get 503
# and Retry-After from the engine, or an ended connection when there is none;
# one process is tried now and then; a reload starts it at once; and when the
# program is mended it serves again by itself. The other pool goes on. Control:
# with "rapid_fail off" the same program is started again and again.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

# shellcheck source=../lib/daemon.sh
. "$LIB/daemon.sh"

need "$APP"
user=$program_user
# A copy: its account may not reach the build.
copy_app "$T/application"
cat >"$T/fragile" <<SH
#!/bin/sh
[ -e "$T/mended" ] || exit 3
exec $T/application --threads 2
SH
chmod +x "$T/fragile"

# Without an engine there is no other account to be named.
# conf TYPE RULE [MORE]
conf() {
	cat >"$T/outlast.conf" <<-CONF
		pid $T/outlastd.pid; state $state; log stderr info; $daemon_user
		pool app {
			listen unix:$T/app.sock; program $T/fragile; $user
			type $1; rapid_fail $2; shutdown_delay 2s;
		}
		pool other {
			listen unix:$T/other.sock; program $T/application; $user
		}
		${3:-}
	CONF
}
said() {
	grep -q -E "$1" "$T/outlastd.log"
}
retry_after() {
	tr -d '\r' <"$T/head" | sed -n 's/^Retry-After: //Ip'
}
# is STATUS: what a request gets.
is() {
	[ "$(http /pid -D "$T/head")" = "$1" ]
}
engine="listen unix:$sock; task t { program /bin/true; $user }"

start_nginx keep "$T/app.sock"
for type in notify simple; do
	rm -f "$T/mended" "$T/outlastd.log"
	conf $type '3 1m retry=2s' "$engine"
	start_outlastd
	wait_for 10 said 'pool app: stopped, it crashed too often'
	wait_for 5 is 503
	grep -q 'urn:outlast:problem:pool-stopped' "$T/body" || fail 'no problem'
	[ "$(retry_after)" -ge 1 ] && [ "$(retry_after)" -le 2 ] ||
		fail "Retry-After: $(retry_after)"
	# With a large body, too.
	head -c 3000000 /dev/zero >"$T/large"
	expect 'a large POST' "$(http /x --data-binary @"$T/large")" 503
	answers "$T/other.sock" || fail 'the other pool does not answer'
	wait_for 5 said 'ready, 2 pools'
	# Each trial ends as the first ones did.
	wait_for 8 said 'pool app: one process is tried'
	wait_for 8 is 503
	expect 'starts before the trial' \
		"$(sed '/one process is tried/,$d' "$T/outlastd.log" |
			grep -c 'started .*fragile')" 3
	# Its engine is killed: the next one answers.
	kill -KILL "$(role engine)"
	wait_for 10 is 503
	touch "$T/mended"
	wait_for 10 said 'pool app: serves again'
	wait_for 5 is 200
	alive "$(head -1 "$T/body")" || fail 'somebody else answers'
	stop "$outlastd" TERM 10
	expect 'exit status' "$exited" 0
done

# A reload does not wait for the trial; and no engine.
rm -f "$T/mended" "$T/outlastd.log"
conf notify '3 1m retry=1h'
start_outlastd
wait_for 10 said 'pool app: stopped, it crashed too often'
begin=$(now_ms)
expect 'a request without an engine' "$(http /x)" 502
[ $(($(now_ms) - begin)) -lt 3000 ] || fail 'it waited'
touch "$T/mended"
: >"$T/outlastd.log"
reload
wait_for 5 is 200

# The control.
rm -f "$T/mended"
conf notify off
: >"$T/outlastd.log"
kill -KILL "$(head -1 "$T/body")"
reload
wait_for 10 said 'the next start is in 1.00 s'
said 'stopped, it crashed' && fail 'off does not switch it off'
stop "$outlastd" TERM 10
expect 'exit status' "$exited" 0

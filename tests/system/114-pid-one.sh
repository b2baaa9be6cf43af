#!/bin/bash
# outlastd as PID 1 of a namespace, as in a container without an init: orphans
# of its programs, and of strangers, are reaped, a stop by signal works and
# leaves nobody, and is in time.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/roles.sh
. "$(dirname "$0")/../lib/roles.sh"

need "$OUTLASTD" "$APP"
unshare -pf --mount-proc true 2>/dev/null ||
	skip 'no pid namespace can be made here'
cp "$APP" "$T/application"
# Leaves a child behind that ends soon, and one that does not.
script parent <<-'EOS'
	#!/bin/bash
	(sleep 0.2 & setsid sleep 1000 & echo >>"$OUT/ran")
EOS
script pool <<-EOS
	#!/bin/bash
	(setsid sleep 0.2 &)
	exec $T/application
EOS
write_roles 'shutdown_delay_max 5s;' "$(listen "$sock")" \
	"$(task parent "$T/parent")" \
	"pool app { listen unix:$T/app.sock; program $T/pool; $program_user }"
start outlastd unshare -pf --mount-proc --kill-child=KILL \
	"$OUTLASTD" -c "$T/outlast.conf"
unshare=$pid
is_there() {
	outlastd=$(children "$unshare")
	[ -n "$outlastd" ]
}
wait_for 5 is_there
wait_for 5 is_ready
wait_for 5 serves
expect 'its pid there' "$(awk '/^NSpid/ { print $3 }' "/proc/$outlastd/status")" 1
submit parent
wait_for 5 has_state "$id" succeeded
# below PID: all of its descendants.
below() {
	local child
	for child in $(children "$1"); do
		echo "$child"
		below "$child"
	done
}
# A stranger enters, as docker exec does, and leaves an orphan: it ends as a
# child of PID 1, which did not start it.
nsenter -t "$outlastd" -p -m bash -c 'setsid sleep 0.3 & echo' >/dev/null
no_rest() {
	local one
	for one in $(below "$outlastd"); do
		! ps -o stat=,args= -p "$one" | grep -q '^Z\|sleep' || return 1
	done
}
wait_for 5 no_rest
expect 'processes below' "$(below "$outlastd" | wc -l)" 3
start_watch
kill -TERM "$outlastd"
gone 10 "$unshare" || fail 'it does not end'
within 2000 'the stop'
wait "$unshare"
expect 'exit status' $? 0
said 'notice stopped after' || fail 'no orderly stop'

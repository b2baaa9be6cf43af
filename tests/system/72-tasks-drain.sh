#!/bin/bash
# While outlastd stops: /readyz says so, what is known is told, a durable task
# is still taken and runs after the next start; one that would be lost is not.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/tasks.sh
. "$LIB/tasks.sh"
# shellcheck source=../lib/api.sh
. "$LIB/api.sh"

cat >"$T/outlast.conf" <<-CONF
	$(main_directives)
	shutdown_delay 4s;
	kill_grace 1s;
	task held { program /bin/sleep 1000; $program_user }
	task kept { program /bin/cat; $program_user }
	task lost { program /bin/cat; $program_user durable off; }
CONF
start_tasks
start_nginx keep "$sock" "$TASK_LOCATION"

unready() {
	[ "$(http /tasks/readyz -D "$T/head")" = 503 ]
}

ask 'ready' 200 /tasks/readyz
ask 'durable off' 202 /t/lost -d x
wait_for 5 in_state succeeded "/tasks/$id"
ask 'runs' 202 /t/held -d x
held=$id
wait_for 5 in_state running "/tasks/$held"

kill -TERM "$outlastd"
wait_for 2 unready
grep -q . "$T/body" || fail '/readyz does not say why'
[ "$(header Retry-After)" -ge 1 ] || fail 'no Retry-After'
ask 'alive' 200 /tasks/livez
ask 'durable off' 503 /t/lost -d x
[ "$(header Retry-After)" -ge 1 ] || fail 'no Retry-After'
ask 'durable' 202 /t/kept -d kept
kept=$id
in_state running "/tasks/$held" || fail 'what runs is not told'
gone 8 "$outlastd" || fail 'it does not end'

start_tasks
wait_for 5 in_state succeeded "/tasks/$kept"
ask 'its result' 200 "/tasks/$kept/result"
expect 'the result' "$(cat "$T/body")" kept
wait_for 5 in_state running "/tasks/$held"
http "/tasks/$held" >/dev/null
grep -q '"attempt":2,' "$T/body" || fail 'the attempt was not a new one'

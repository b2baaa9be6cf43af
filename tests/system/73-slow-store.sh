#!/bin/bash
# A store that takes its time: the second request with a key is told so while
# the first one is being written; who waited a second is told that nobody
# knows, and finds with his key what came of it.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/tasks.sh
. "$LIB/tasks.sh"
need_strace

# post KEY NAME: the status in $T/NAME.status, the body in $T/NAME.
post() {
	curl -s -o "$T/$2" -D "$T/$2.head" -w '%{http_code}' --max-time 20 \
		-d payload -H "Idempotency-Key: $1" \
		"http://127.0.0.1:$port/t/full" >"$T/$2.status"
}

# said NAME STATUS PROBLEM
said() {
	expect "$1" "$(cat "$T/$1.status")" "$2"
	grep -q "^{\"type\":\"urn:outlast:problem:$3\"" "$T/$1" ||
		fail "$1: $(cat "$T/$1")"
	grep -qi '^Retry-After: [1-9]' "$T/$1.head" || fail "$1: no Retry-After"
}

# task_of NAME
task_of() {
	sed -n 's/^Outlast-Task-Id: \([0-9a-f-]*\).*/\1/Ip' "$T/$1.head"
}

write_tasks
start_nginx keep "$sock" "$TASK_LOCATION"
start_tasks

# Half a second for a flush.
inject fdatasync:delay_enter=500000
post one first &
sleep 0.2
post one second
said second 409 idempotency-key-in-flight
wait $!
expect first "$(cat "$T/first.status")" 202
uninject
post one third
expect third "$(cat "$T/third.status")" 202
expect 'the same task' "$(task_of third)" "$(task_of first)"
grep -qi '^Outlast-Duplicate: 1' "$T/third.head" || fail 'no duplicate'

# Longer than anybody should wait.
inject fdatasync:delay_enter=3000000
post two late
said late 503 unsure
post two early
said early 409 idempotency-key-in-flight
uninject
again() {
	post two again
	[ "$(cat "$T/again.status")" = 202 ]
}
wait_for 10 again
grep -qi '^Outlast-Duplicate: 1' "$T/again.head" ||
	fail 'it was stored, but the key finds nothing'

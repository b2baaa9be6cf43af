#!/bin/bash
# The disk is full while a result is spooled, then while a large payload is: the
# attempt fails and is made again, the submit is refused, and both go well by
# themselves when there is room. Nothing of the half ones is left.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/roles.sh
. "$(dirname "$0")/../lib/roles.sh"

[ "$(id -u)" -eq 0 ] || skip 'only root can mount a small disk'
mkdir "$T/disk"
mount -t tmpfs -o size=32m none "$T/disk" 2>/dev/null ||
	skip 'nothing can be mounted here'
unmount() {
	local status=$?
	trap - EXIT
	[ "$outlastd" = 0 ] || kill -KILL "$outlastd" 2>/dev/null
	wait_for 5 umount "$T/disk"
	(exit $status)
	cleanup
}
trap unmount EXIT
state=$T/disk/state
script large <<-'EOS'
	#!/bin/sh
	head -c 8000000 /dev/zero
EOS
used() {
	df --output=used -k "$T/disk" | tail -1
}
upload() {
	python3 "$LIB/fcgi.py" "$sock" /tasks/small --method POST \
		--body 8000000 --timeout 10 --param OUTLAST_ACCESS=operator
}
taken() {
	[ "$(upload | head -1)" = 202 ]
}
write_roles "$(listen "$sock")" \
	"$(task large "$T/large" 'retries 1000; backoff fixed 200ms; max_result 10m;')" \
	"$(task small /bin/true 'max_payload 10m;')"
start_outlastd
wait_for 5 is_ready
submit small
wait_for 5 has_state "$id" succeeded
engine=$(role engine)
# Room for rows, not for a result.
head -c $((25 * 1048576)) /dev/zero >"$T/disk/ballast"
before=$(used)
submit large
wait_for 10 has_attempt "$id" 3
! has_state "$id" succeeded || fail 'there was room for it'
reply=$(upload)
[ "${reply:0:3}" = 503 ] || fail "a payload for which there is no room: $reply"
is_ready || fail 'it is not ready'
[ $(($(used) - before)) -lt 7000 ] || fail 'half a result or payload is left'
ask "/$id" | grep -q 'No space left on device' || fail "$(ask "/$id")"
rm "$T/disk/ballast"
wait_for 10 has_state "$id" succeeded
expect 'bytes of the result' "$(ask "/$id/result" | tail -n +2 | tr -d '\n' |
	wc -c)" 8000000
wait_for 5 taken
expect 'the engine' "$(role engine)" "$engine"
stop "$outlastd"
outlastd=0
expect 'exit status' "$exited" 0

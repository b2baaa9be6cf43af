#!/bin/bash
# A path where a live server answers is not taken, neither at the start nor by a
# reload, and that server serves on; the file of a dead one is.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

need "$APP" "$OUTLASTD"
# A server that was killed leaves its file.
start_plain "$T/app.sock"
stop "$plain" KILL
[ -S "$T/app.sock" ] || fail 'there is no file'
! answers "$T/app.sock" || fail 'it is not dead'
write_conf 1 "$APP"
start_outlastd
wait_for 10 serves
served=$(serving)

# The reload names the path of a live one; the old pool stays as it is.
start_plain "$T/held.sock"
inode=$(stat -c %i "$T/held.sock")
sed -i "s#$T/app.sock#$T/held.sock#" "$T/outlast.conf"
reload
wait_for 5 grep -q 'not reloaded' "$T/outlastd.log"
grep -q "listen unix:$T/held.sock: cannot listen: another server answers there" \
	"$T/outlastd.log" || fail "$(tail -3 "$T/outlastd.log")"
expect 'who serves' "$(serving)" "$served"
answers "$T/held.sock" || fail 'the live server was disturbed'
expect 'its file' "$(stat -c %i "$T/held.sock")" "$inode"
stop "$outlastd"
expect 'exit status' "$exited" 0

# Nor at the start.
"$OUTLASTD" -c "$T/outlast.conf" >"$T/second.log" 2>&1
expect 'exit status of a start' $? 1
grep -q 'another server answers there' "$T/second.log" ||
	fail "$(cat "$T/second.log")"
answers "$T/held.sock" || fail 'the live server was disturbed'
expect 'its file' "$(stat -c %i "$T/held.sock")" "$inode"

# Once that one is dead, the same file will do.
stop "$plain" KILL
: >"$T/outlastd.log"
start_outlastd
wait_for 5 answers "$T/held.sock"
stop "$outlastd"
expect 'exit status' "$exited" 0
[ ! -e "$T/held.sock" ] || fail 'the file stays behind'

# A backlog above the kernel's limit is told of; one below it is not.
most=$(</proc/sys/net/core/somaxconn)
[ "$most" -lt 65535 ] || exit 0
write_conf 1 "$APP"
sed -i "s#listen .*;#listen unix:$T/app.sock backlog=65535;#" "$T/outlast.conf"
! grep -q 'backlog .* is cut' "$T/outlastd.log" || fail 'a needless warning'
start_outlastd
wait_for 10 serves
grep -q "warn listen unix:.*: backlog 65535 is cut to $most by net.core.somaxconn" \
	"$T/outlastd.log" || fail 'no word of the backlog'
stop "$outlastd"

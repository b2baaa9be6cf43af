#!/bin/bash
# Started without root: tasks, a pool and replay work; "user" is refused in
# words that say what to do, and so is nothing else.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/roles.sh
. "$(dirname "$0")/../lib/roles.sh"

need "$OUTLASTD" "$APP"
as=()
if [ "$(id -u)" -eq 0 ]; then
	command -v setpriv >/dev/null || skip 'there is no setpriv'
	as=(setpriv --reuid nobody --regid nogroup --clear-groups)
	# Its account may not reach the build.
	cp "$OUTLASTD" "$T/daemon"
	OUTLASTD=$T/daemon
fi
mkdir "$T/home"
chmod 777 "$T/home"
copy_app "$T/application"
sock=$T/home/tasks.sock state=$T/home/state

script who <<-'EOS'
	#!/bin/sh
	printf %s "$(id -u)"
EOS
# conf [LINE OF A TASK]
conf() {
	cat >"$T/outlast.conf" <<-CONF
		pid $T/home/outlastd.pid; log stderr info; state $state;
		listen unix:$sock access=operator;
		task who { program $T/who; limit memory=1g; $1 }
		task again { fastcgi_pass unix:$T/home/php.sock; }
		pool app {
			listen unix:$T/home/app.sock; program $T/application;
			limit processes=2000;
		}
	CONF
}
conf 'user daemon;'
"${as[@]}" timeout -k 5 20 "$OUTLASTD" -c "$T/outlast.conf" \
	2>"$T/refused.log"
expect 'exit status' $? 78
grep -q '"user" needs outlastd to be started as root: start it so, or remove the line' \
	"$T/refused.log" || fail "it says $(cat "$T/refused.log")"
expect 'errors' "$(lines 'error:' "$T/refused.log")" 1

conf ''
start php python3 "$LIB/backend.py" "$T/home/php.sock"
wait_for 5 chmod 777 "$T/home/php.sock"
start outlastd "${as[@]}" "$OUTLASTD" -c "$T/outlast.conf"
outlastd=$pid
wait_for 10 is_ready
wait_for 5 answers "$T/home/app.sock"
uid=$(stat -c %u "/proc/$outlastd")
[ "$uid" != 0 ] || fail 'it is root'
submit who
wait_for 5 has_state "$id" succeeded
expect 'the user of the program' "$(ask "/$id/result" | tail -1)" "$uid"
id=$(python3 "$LIB/fcgi.py" "$sock" /php/echo --method POST --body 3 \
	--param OUTLAST_TASK=again | grep -o '"id":"[^"]*"' | head -1 | cut -d'"' -f4)
[ -n "$id" ] || fail 'the replay was not taken'
wait_for 5 has_state "$id" succeeded
for child in $(children "$outlastd"); do
	expect "the user of $child" "$(stat -c %u "/proc/$child")" "$uid"
done
! said ' error ' || fail "$(grep ' error ' "$T/outlastd.log")"
stop "$outlastd"
expect 'exit status' "$exited" 0

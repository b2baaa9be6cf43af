#!/bin/bash
# outlastctl, word by word, for people and as JSON: status, pool list, show,
# recycle, stop, start, reload; wrong words; exit codes. A pool that was stopped
# answers 503 with Retry-After and stays stopped over a reload. A reload tells
# what it applied, and what needs a restart; a bad file changes nothing.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

# shellcheck source=../lib/daemon.sh
. "$LIB/daemon.sh"

CTL=$BUILD/src/ctl/outlastctl
need "$APP" "$CTL"
user=$program_user
copy_app "$T/application"

# conf [MORE [MORE OF THE POOL]]
conf() {
	{
		main_directives
		cat <<-CONF
			pool shop {
				listen unix:$T/app.sock; program $T/application;
				$user processes 2; shutdown_delay 5s; ${2:-}
			}
			task t { program /bin/true; $user }
			${1:-}
		CONF
	} >"$T/outlast.conf"
}

# ctl CODE WORD...: what it prints is in $T/out and $T/err.
ctl() {
	local code=$1 got=0
	shift
	timeout -k 5 60 "$CTL" -s "$T/control.sock" "$@" \
		>"$T/out" 2>"$T/err" || got=$?
	[ "$got" = "$code" ] || {
		cat "$T/out" "$T/err"
		fail "outlastctl $*: exit $got, not $code"
	}
}

# json EXPRESSION: of the object d that ctl --json printed.
json() {
	python3 -c 'import json, sys
d = json.load(open(sys.argv[1]))
print(json.dumps(eval(sys.argv[2])))' "$T/out" "$1"
}

# out PATTERN, err PATTERN: it was printed.
out() {
	grep -q -E "$1" "$T/out" || {
		cat "$T/out"
		fail "outlastctl did not print $1"
	}
}
err() {
	grep -q -E "$1" "$T/err" || {
		cat "$T/err"
		fail "outlastctl did not say $1"
	}
}

# Those that serve: a predecessor may take its time.
pids_of() {
	ctl 0 --json pool show shop
	json '[p["pid"] for p in d["pool"]["processes"] if p["state"] != "leaving"]'
}

settled() {
	"$CTL" -s "$T/control.sock" --json status >"$T/out" 2>/dev/null &&
		[ "$(json 'd["engine"]["ready"] and d["engine"]["current"]')" = true ] &&
		[ "$(json '[(p["ready"], p["recycling"]) for p in d["pools"]]')" = \
			'[[2, false]]' ]
}

conf
start_outlastd
wait_for 10 settled
start_nginx keep "$T/app.sock"

say 'status'
ctl 0 status
out "^outlastd [0-9.]+, running since .*, pid $outlastd, $T/outlast.conf\$"
out "^engine: ready, pid $(role engine), spawner pid $(role spawner), 0 tasks"
out $'^shop\trunning\t2/2\t0\t0\t'
ctl 0 --json status
expect 'pid' "$(json 'd["pid"]')" "$outlastd"
expect 'engine' "$(json 'd["engine"]["pid"]')" "$(role engine)"
expect 'keys' "$(json 'sorted(d)')" '["engine", "file", "ok", "pid", "pools", "since", "state", "uptime_ms", "version"]'
ctl 0 pool list
expect 'lines' "$(wc -l <"$T/out")" 2
! grep -q $'\033' "$T/out" || fail 'colours in a pipe'
ctl 0 pool show shop
expect 'processes' "$(grep -c $'\tready\t' "$T/out")" 2
ctl 0 --json pool list
expect 'pool' "$(json 'd["pools"][0]["name"]')" '"shop"'

say 'recycle'
before=$(pids_of)
ctl 0 pool recycle shop
out '^pool shop: recycled'
after=$(pids_of)
[ "$before" != "$after" ] || fail 'the same processes'
expect 'reason' "$(json 'd["pool"]["last_recycle"]["reason"]')" '"outlastctl"'
expect 'wanted' "$(json 'd["pool"]["ready"]')" 2
ctl 0 pool recycle --no-wait shop
out 'is being recycled'
wait_for 10 settled

say 'stop and start'
ctl 0 pool stop shop
out '^pool shop: stopped'
expect 'processes' "$(pids_of)" '[]'
expect 'all processes' "$(json 'd["pool"]["processes"]')" '[]'
expect 'state' "$(json 'd["pool"]["state"]')" '"stopped"'
is() {
	[ "$(http /pid -D "$T/head")" = "$1" ]
}
wait_for 10 is 503
grep -q -i '^Retry-After: [0-9]' "$T/head" || fail 'no Retry-After'
ctl 1 pool recycle shop
err 'the pool is stopped: start it'
conf 'wait_max 20s;'
ctl 0 reload
out '^applied: wait_max$'
ctl 0 --json pool show shop
expect 'state' "$(json 'd["pool"]["state"]')" '"stopped"'
ctl 0 pool stop shop
ctl 0 pool start shop
out '^pool shop: started'
wait_for 10 is 200

say 'reload'
ctl 0 reload
out '^nothing has changed$'
conf "base /x; control unix:$T/elsewhere.sock;" 'env A 1;'
before=$(pids_of)
ctl 0 reload
out '^applied: base, wait_max$'
out '^pools recycled: shop$'
out '^not applied, needs a restart: control$'
[ "$(pids_of)" != "$before" ] || fail 'the reload did not wait'
expect 'ready' "$(json 'd["pool"]["ready"]')" 2
conf 'task u { program /bin/true; }' 'recycle requests=9;'
sed -i 's,task t { program /bin/true,&; retries 9,' "$T/outlast.conf"
[ -z "$user" ] || sed -i "s,task u {,& $user," "$T/outlast.conf"
before=$(pids_of)
ctl 0 --json reload
expect 'what' "$(json 'd["reload"]["pools"], d["reload"]["tasks"]')" \
	'[{"added": [], "changed": [], "recycled": ["shop"], "removed": []}, {"added": ["u"], "changed": ["t"], "removed": []}]'
conf '' 'recycle requests=9;'
ctl 0 reload
conf '' 'recycle requests=8;'
before=$(pids_of)
ctl 0 --json reload
expect 'changed' "$(json 'd["reload"]["pools"]["changed"]')" '["shop"]'
expect 'processes' "$(pids_of)" "$before"
# It waits, also for those that take their time.
printf '#!/bin/sh\nsleep 1\nexec %s "$@"\n' "$T/application" >"$T/slow"
chmod +x "$T/slow"
sed -i "s,program $T/application,program $T/slow," "$T/outlast.conf"
ctl 0 reload
ctl 0 --json pool show shop
expect 'the pool after a reload' \
	"$(json '[d["pool"][k] for k in ("ready", "starting", "recycling")]')" \
	'[2, 0, false]'
conf '' 'recycle requests=8;'
ctl 0 reload
before=$(pids_of)
conf 'shutdown_dealy 3s;'
ctl 78 reload
err 'outlast.conf:[0-9]+:[0-9]+: error: unknown directive "shutdown_dealy"'
err 'did you mean "shutdown_delay"'
ctl 78 --json reload
expect 'kind' "$(json 'd["error"]["kind"]')" '"configuration"'
expect 'processes' "$(pids_of)" "$before"
"$OUTLASTD" -c "$T/outlast.conf" -s reload >"$T/out" 2>"$T/err"
expect 'outlastd -s reload' $? 78
conf 'base /y;' 'recycle requests=8;'
"$OUTLASTD" -c "$T/outlast.conf" -s reload >"$T/out" 2>"$T/err"
expect 'outlastd -s reload' $? 0
out '^applied: base$'

say 'wrong words'
ctl 64
ctl 64 stats
err 'did you mean "status"'
ctl 64 pool
ctl 64 pool show
ctl 64 status now
ctl 64 pool show shpo
err 'did you mean "shop"'
ctl 64 --json pool show ../x
expect 'ok' "$(json 'd["ok"]')" false
ctl 64 status --no-wait
ctl 64 pool recycle shop --timeout soon
ctl 64 --frobnicate
ctl 0 --help
ctl 0 pool recycle --help
out 'usage: outlastctl pool recycle'
ctl 0 --version

say 'a program that does not start any more'
conf 'base /y;' 'recycle requests=8; startup_time_limit 3s;'
ctl 0 reload
before=$(pids_of)
mv "$T/application" "$T/application.old"
printf '#!/bin/sh\nexit 3\n' >"$T/application"
chmod +x "$T/application"
ctl 1 pool recycle shop
err 'a new process did not become ready.*the old ones serve on'
expect 'processes' "$(pids_of)" "$before"
mv "$T/application.old" "$T/application"
wait_for 40 settled

say 'a stop'
stop "$outlastd"
expect 'exit' "$exited" 0
[ ! -e "$T/control.sock" ] || fail 'the socket is left'
ctl 69 status
err 'cannot reach outlastd at .*: No such file or directory: is it running\?'
ctl 69 --json pool stop shop
expect 'kind' "$(json 'd["error"]["kind"]')" '"unreachable"'

#!/bin/bash
# SIGUSR2: another binary in the place of the running one. Under load of GET,
# POST, slow requests and submits through nginx, upgrades cost no request and no
# task; pool processes serve on, and descriptors stay as many. A binary that is
# missing, no program, older, or does not take the configuration changes
# nothing. Control: a stop and a start instead, which must cost some.
# One trial: 5 upgrades under load.
# alone: requests time out where nobody gets the machine
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/tasks.sh
. "$LIB/tasks.sh"

upgrades=$((5 * (TRIALS > 0 ? TRIALS : 1)))
user=
[ "$(id -u)" -ne 0 ] || user='user root;'

# A copy, to be replaced as a package does it: another file of that name.
program=$T/outlastd
install_program() {
	cp "${1:-$OUTLASTD}" "$program.new" && mv "$program.new" "$program"
}
install_program

write_all() {
	write_tasks "$(
		cat <<-CONF
			shutdown_delay 20s;
			pool app {
				listen unix:$T/app.sock;
				program $APP --threads 4;
				processes 2;
				$user
				env GENERATION ${1:-0};
				env TEST_LEDGER $T/app.ledger;
			}
		CONF
	)"
}
write_all
port=$(free_port)
run_nginx "
	upstream app { server unix:$T/app.sock max_fails=0; keepalive 32; }
	upstream tasks { server unix:$sock max_fails=0; keepalive 32; }
	server {
		listen 127.0.0.1:$port backlog=1024;
		location = /nginx { return 204; }
		location ~ ^/(t|tasks)/ {
			include /etc/nginx/fastcgi_params;
			$TASK_LOCATION
			fastcgi_pass tasks;
			fastcgi_keep_conn on;
		}
		location / {
			include /etc/nginx/fastcgi_params;
			fastcgi_pass app;
			fastcgi_keep_conn on;
		}
	}"
start_tasks "$program"
wait_for 10 answers "$T/app.sock"

took_over() {
	[ "$(lines 'took over, pid' "$T/outlastd.log")" -ge "$1" ] && ready
}

# upgrade N: the Nth one, done when this returns.
upgrade() {
	install_program
	kill -USR2 "$outlastd"
	wait_for 30 took_over "$1"
	expect 'pid' "$(cat "$T/outlastd.pid")" "$outlastd"
}

# statuses NAME COMMAND...: again and again, each status a line of $T/NAME.seen
statuses() {
	local name=$1
	shift
	trap 'exit 0' TERM
	while :; do
		http "$@" >>"$T/$name.seen"
		echo >>"$T/$name.seen"
	done
}

# others NAME STATUS: how many were something else. 202 of an app is an item.
others() {
	grep -c -v -x -e "$2" "$T/$1.seen"
}

# --- What is refused changes nothing. ---

refused() {
	local before
	before=$(lines 'not upgraded' "$T/outlastd.log")
	kill -USR2 "$outlastd"
	refused_more() {
		[ "$(lines 'not upgraded' "$T/outlastd.log")" -gt "$before" ]
	}
	wait_for 40 refused_more
	[ "$(lines "$1" "$T/outlastd.log")" -gt 0 ] ||
		fail "the log does not say \"$1\""
	ready || fail "it does not serve after: $1"
	expect 'pids of roles' "$(role engine) $(role spawner)" "$roles"
}

roles="$(role engine) $(role spawner)"
served=$(children "$outlastd" | sort)
rm "$program"
refused 'cannot open .*No such file'
echo 'no program' >"$program"
chmod +x "$program"
refused 'cannot execute .*format error'
# One from before upgrades: it knows no --handover, and must not begin to run.
install_program /bin/false
refused 'does not take over .exit 1.'
install_program
cp "$T/outlast.conf" "$T/good.conf"
echo 'no_such_thing on;' >>"$T/outlast.conf"
refused 'upgrade: .*unknown directive "no_such_thing"'
cp "$T/good.conf" "$T/outlast.conf"
expect 'processes' "$(children "$outlastd" | sort)" "$served"

# --- Once, with nothing else to do. ---

before=$(pgrep -P "$outlastd" bench_app | sort)
instance=$(tr '\0' '\n' <"/proc/${before%%[!0-9]*}/environ" |
	grep ^OUTLAST_INSTANCE=)
upgrade 1
expect 'the pool after an upgrade' "$(pgrep -P "$outlastd" bench_app | sort)" \
	"$before"
open=$(descriptors "$outlastd")
# Its table is the same: it still recycles, and ends what it did not start.
write_all 1
reload
others_serve() {
	local now
	now=$(pgrep -P "$outlastd" bench_app | sort)
	[ "$(wc -w <<<"$now")" = 2 ] &&
		[ -z "$(comm -12 <(echo "$before") <(echo "$now"))" ]
}
wait_for 20 others_serve
one=$(pgrep -P "$outlastd" bench_app | head -1)
expect 'OUTLAST_INSTANCE' \
	"$(tr '\0' '\n' <"/proc/$one/environ" | grep ^OUTLAST_INSTANCE=)" \
	"$instance"

# --- While somebody leaves, and a task runs. ---

# One item of 4 s: its process leaves, and is somebody's child meanwhile.
expect 'an item' "$(http '/item?id=1&ms=4000')" 202
write_all 2
reload
leaves() {
	[ "$(lines 'leaves .reload.' "$T/outlastd.log")" -ge 4 ]
}
wait_for 20 leaves
# A chore of 1.5 s: the engine waits for it. HUP comes in between.
submit --tasks 1 --connections 1 --ms 1500
wait_for 10 grep -q 'attempt 1 starts' "$T/outlastd.log"
install_program
kill -USR2 "$outlastd"
wait_for 20 grep -q 'the engine ends for its successor within' "$T/outlastd.log"
reload
wait_for 30 took_over 2
wait_for 10 grep -q 'notice reloaded' "$T/outlastd.log"
grep -q 'reloading after the upgrade' "$T/outlastd.log" ||
	say 'the reload came too late to be put off'
ended_well() {
	[ "$(lines '^end 1 [0-9]* ok ' "$T/app.ledger")" = 1 ]
}
wait_for 20 ended_well
four_ended() {
	[ "$(lines 'ended .* s after it began to leave: exit 0' \
		"$T/outlastd.log")" -ge 4 ]
}
wait_for 20 four_ended

# --- Under load. ---

start get statuses get /x
gets=("$pid")
start post statuses post /x -d a=b
gets+=("$pid")
start slow statuses slow '/slow?ms=700'
gets+=("$pid")
start load "$LOAD" --connections 16 --seconds $((upgrades * 3)) --post 50 \
	--rate 400 "http://127.0.0.1:$port/x"
load=$pid
start oracle timeout -k 5 $((upgrades * 20)) python3 "$ORACLE" submit \
	"$T/ledger" "http://127.0.0.1:$port/t/full" --seed "$SEED" \
	--seconds $((upgrades * 3)) --pause 40
submitter=$pid
for ((i = 3; i < upgrades + 3; i++)); do
	sleep 1
	upgrade $i
done
for pid in "${gets[@]}"; do
	stop "$pid"
done
gone 60 "$load" || fail 'the load generator hangs'
result=$(grep ^RESULT "$T/load.log") || fail 'no result'
say "load over $upgrades upgrades: ${result#RESULT }"
expect 'lost requests' "$(lost)" 0
for name in get post slow; do
	say "$name: $(lines . "$T/$name.seen") requests"
	expect "statuses of $name that are not 2xx" "$(others $name '2..')" 0
done
gone 60 "$submitter" || fail 'the submitter hangs'
wait_for 10 ready
after=$(descriptors "$outlastd")
[ "$after" -le "$open" ] || fail "$open descriptors, after $upgrades $after"
say "$open descriptors before, $after after"
result=$(grep ^RESULT "$T/oracle.log")
say "submits: ${result#RESULT }"
expect 'submits without a 202' "$(field failed)" 0
nothing_lost
say "tasks: ${result#RESULT }"

# --- A TERM while the engine is waited for: no upgrade, and a stop. ---

fresh
start_tasks "$program"
submit --tasks 1 --connections 1 --ms 3000
wait_for 10 grep -q 'attempt 1 starts' "$T/outlastd.log"
kill -USR2 "$outlastd"
wait_for 20 grep -q 'the engine ends for its successor within' "$T/outlastd.log"
stop "$outlastd" TERM 25
expect 'exit status' "$exited" 0
grep -q 'the upgrade is given up' "$T/outlastd.log" ||
	fail 'no word of the upgrade'
expect 'take-overs' "$(lines 'took over' "$T/outlastd.log")" 0

# --- The control: a stop and a start. ---

fresh
start_tasks "$program"
wait_for 10 answers "$T/app.sock"
: >"$T/load.log"
start load "$LOAD" --connections 16 --seconds 4 --post 50 --rate 400 \
	"http://127.0.0.1:$port/x"
load=$pid
sleep 1
stop "$outlastd" TERM 25
start_tasks "$program"
gone 60 "$load" || fail 'the load generator hangs'
result=$(grep ^RESULT "$T/load.log")
say "a stop and a start: ${result#RESULT }"
[ "$(lost)" -gt 0 ] || fail 'the control lost nothing: the load is blunt'

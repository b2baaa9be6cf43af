# shellcheck shell=bash disable=SC2034,SC2154
# Measurements of durable tasks. Sourced by tests/bench/run.sh behind lib.sh and
# tasks.sh.

REDIS=$(command -v redis-server || true)
FPM=$(command -v php-fpm8.2 || true)

# write_bench_tasks: off, lazy, full: one runs for ever, the others wait;
# chore: starts at once; empty: /bin/true; work: what bench_store fills in.
write_bench_tasks() {
	local user=$program_user name
	{
		echo "pid $T/outlastd.pid; log stderr warn; state $state;"
		echo "$daemon_user"
		echo "listen unix:$sock access=operator;"
		echo "task work { program /bin/sleep 100000; timeout 7d; $user
			max_waiting 4000000; concurrency 1; }"
		echo "task chore { program $CHORE; env CHORE $chore; $user
			max_waiting 4000000; concurrency 16; }"
		echo "task empty { program /bin/true; $user
			max_waiting 4000000; concurrency 16; }"
		for name in off lazy full; do
			echo "task $name { program /bin/sleep 100000; timeout 7d;
				durable $name; $user
				max_waiting 4000000; concurrency 1; }"
		done
	} >"$T/outlast.conf"
}

# All processes of the daemon, its engine among them.
family() {
	echo "$outlastd"
	pgrep -P "$outlastd"
}

cpu_of() {
	local one sum=0
	for one; do
		sum=$((sum + $(cpu_ms "$one")))
	done
	echo $sum
}

rss_of() {
	awk '/VmRSS/ { print $2 }' "/proc/$1/status"
}

# The daemon with an empty store.
fresh_daemon() {
	fresh
	start_tasks
	engine=$(role engine)
	[ -n "$engine" ] || fail 'there is no engine'
}

# bench_nginx: /ok answers 202 by itself, /plain goes to plain libfcgi, /php to
# php-fpm, all else to the engine.
bench_nginx() {
	port=$(free_port)
	run_nginx "
		upstream engine { server unix:$sock max_fails=0; keepalive 256; }
		upstream plain { server unix:$T/plain.sock max_fails=0; keepalive 256; }
		include /etc/nginx/fastcgi_params;
		server {
			listen 127.0.0.1:$port backlog=4096;
			location = /nginx { return 204; }
			location = /ok { return 202; }
			location = /plain {
				fastcgi_pass plain;
				fastcgi_keep_conn on;
			}
			location = /php {
				include /etc/nginx/fastcgi_params;
				fastcgi_param SCRIPT_FILENAME $T/push.php;
				fastcgi_pass unix:$T/fpm.sock;
			}
			location / {
				include /etc/nginx/fastcgi_params;
				fastcgi_pass engine;
				fastcgi_keep_conn on;
				fastcgi_param OUTLAST_ACCESS app;
				$TASK_LOCATION
			}
		}"
}

# php-fpm and Redis, each with its own folder; Redis flushes each push.
start_php() {
	local user='' root=
	mkdir -p "$T/redis"
	start redis "$REDIS" --port 0 --unixsocket "$T/redis.sock" --dir "$T/redis" \
		--appendonly yes --appendfsync always --save ''
	redis=$pid
	cat >"$T/push.php" <<-'PHP'
		<?php
		$redis = new Redis();
		$redis->pconnect(__DIR__ . '/redis.sock');
		$redis->lPush('queue', file_get_contents('php://input'));
		http_response_code(202);
	PHP
	[ "$(id -u)" -ne 0 ] || {
		user='user = root' root=-R
	}
	cat >"$T/fpm.conf" <<-CONF
		[global]
		error_log = $T/fpm.error.log
		daemonize = no
		[www]
		$user
		listen = $T/fpm.sock
		listen.backlog = 4096
		pm = static
		pm.max_children = 16
	CONF
	# shellcheck disable=SC2086 # empty, or one word
	start fpm "$FPM" $root -y "$T/fpm.conf"
	fpm=$pid
	wait_for 5 test -S "$T/fpm.sock"
	wait_for 5 test -S "$T/redis.sock"
	sleep 0.3
}

# accept_one ROW CONNECTIONS: one measurement, noted.
accept_one() {
	local row=$1 connections=$2 path pids='' cpu=0
	case $row in
	ok) path=/ok ;;
	plain)
		start_plain "$T/plain.sock" --threads 300
		path=/plain pids=$plain
		;;
	php) path=/php pids="$redis $(pgrep -P "$fpm" | xargs)" ;;
	*)
		fresh_daemon
		path=/t/$row pids=$(family | xargs)
		;;
	esac
	# The first ones make connections and tables.
	load --connections "$connections" --seconds 0.3 --post 100 \
		"http://127.0.0.1:$port$path" >/dev/null
	# shellcheck disable=SC2086 # words on purpose
	[ -z "$pids" ] || cpu=$(cpu_of $pids)
	load --connections "$connections" --seconds "$seconds" --post 100 \
		"http://127.0.0.1:$port$path" >/dev/null
	# shellcheck disable=SC2086
	[ -z "$pids" ] || cpu=$(($(cpu_of $pids) - cpu))
	[ "$(lost)" = 0 ] || echo "(!) $row $connections: $(lost) lost: $result"
	note "rps.$row.$connections" "$(field rps)"
	note "p99.$row.$connections" "$(field p99_us)"
	note "cpu.$row.$connections" "$(awk -v c=$cpu -v n="$(field ok)" \
		'BEGIN { printf "%.1f", n ? c * 1000 / n : 0 }')"
	case $row in
	ok | php) ;;
	plain) stop "$plain" KILL ;;
	*) end_now ;;
	esac
}

bench_accept() {
	local rows=${ROWS:-ok plain off lazy full} row round connections
	echo '## 202 behind nginx, POST of 200 bytes, keep-alive'
	echo
	machine
	echo
	if [ -n "$REDIS" ] && [ -n "$FPM" ]; then
		rows="$rows php"
		start_php
	else
		echo '(no row php: php8.2-fpm, php8.2-redis or redis-server is not installed)'
		echo
	fi
	write_bench_tasks
	bench_nginx
	rm -f "$T"/notes.*
	for ((round = 0; round < rounds; round++)); do
		for connections in 64 256; do
			for row in $rows; do
				accept_one "$row" $connections
			done
		done
	done
	echo '| | connections | rps | ratio to return 202 | CPU µs/request | p99 ms |'
	echo '|---|---|---|---|---|---|'
	for connections in 64 256; do
		for row in $rows; do
			echo "| $(title "$row") | $connections" \
				"| $(column "rps.$row.$connections")" \
				"| $(ratio "$(column "rps.$row.$connections")" \
					"$(column "rps.ok.$connections")")" \
				"| $(column "cpu.$row.$connections")" \
				"| $(ratio "$(column "p99.$row.$connections")" 1000) |"
		done
	done
	echo
	stop "$nginx"
	[[ $rows != *php* ]] || {
		stop "$fpm"
		stop "$redis"
	}
}

title() {
	case $1 in
	ok) echo 'nginx: return 202' ;;
	plain) echo 'plain libfcgi, 300 threads, no queue' ;;
	php) echo 'php-fpm (16), Redis appendfsync always' ;;
	*) echo "outlast, durable $1" ;;
	esac
}

# start_at PERIOD NAME: 202-to-start of type chore at 100/s; in $result.
start_latency() {
	rm -f "$T/ledger" "$chore/runs"
	python3 "$ORACLE" submit "$T/ledger" "http://127.0.0.1:$port/t/chore" \
		--connections 4 --pause 40 --seconds "$1" --keys 0 --ms 0 \
		>/dev/null || fail 'the client failed'
	sleep 1
	result=$(python3 "$ORACLE" latency "$T/ledger" "$chore" | grep ^RESULT)
}

bench_start() {
	echo '## From the 202 to the first line of the program, 100 tasks/s'
	echo
	write_bench_tasks
	bench_nginx
	fresh_daemon
	start_latency $((seconds * 3))
	echo '| tasks | request to start: p50 µs | p99 µs | 202 to start: p50 µs | p99 µs |'
	echo '|---|---|---|---|---|'
	echo "| $(field n) | $(field request_p50_us) | $(field request_p99_us)" \
		"| $(field 202_p50_us) | $(field 202_p99_us) |"
	echo
	end_now
	stop "$nginx"
}

# refill TASKS: an empty store becomes one with so many waiting tasks.
refill() {
	fresh
	mkdir -p "$state/store"
	chmod 711 "$state"
	chmod 700 "$state/store"
	# The daemon's account owns it.
	"$BUILD/bench_store" fill "$state/store" "$1" >/dev/null ||
		fail 'the store cannot be filled'
	[ -z "$daemon_user" ] || chown -R daemon: "$state"
}

bench_waiting() {
	local tasks=${TASKS:-1000000} empty small from count started
	echo "## $tasks tasks waiting"
	echo
	write_bench_tasks
	bench_nginx
	need "$BUILD/bench_store"
	fresh_daemon
	load --connections 64 --seconds "$seconds" --post 100 \
		"http://127.0.0.1:$port/t/full" >/dev/null
	empty=$(field rps)
	end_now
	fresh_daemon
	small=$(rss_of "$engine")
	end_now
	echo '| waiting | start to /readyz ms | engine RSS MiB | bytes a task | accept rps | ratio to empty | 202 to start p50 µs | p99 µs |'
	echo '|---|---|---|---|---|---|---|---|'
	for count in 100000 "$tasks"; do
		refill "$count"
		from=$(now_ms)
		start outlastd "$OUTLASTD" -c "$T/outlast.conf"
		outlastd=$pid
		wait_for 60 ready
		started=$(($(now_ms) - from))
		engine=$(role engine)
		# What loading took and gave back is not what waiting costs.
		sleep 1
		note "rss.$count" "$(rss_of "$engine")"
		start_latency $((seconds * 2))
		note "p50.$count" "$(field 202_p50_us)"
		note "lat.$count" "$(field 202_p99_us)"
		load --connections 64 --seconds "$seconds" --post 100 \
			"http://127.0.0.1:$port/t/full" >/dev/null
		echo "| $count | $started" \
			"| $(ratio "$(column "rss.$count")" 1024)" \
			"| $(awk -v a="$(column "rss.$count")" -v b="$small" \
				-v n="$count" 'BEGIN { printf "%.0f", (a - b) * 1024 / n }')" \
			"| $(field rps) | $(ratio "$(field rps)" "$empty")" \
			"| $(column "p50.$count") | $(column "lat.$count") |"
		end_now
	done
	echo
	stop "$nginx"
}

# empty_round TASKS: submitted beforehand for one instant, and worked off; from
# the first start to the last end, as the store has it.
empty_round() {
	local tasks=$1 at engine spawner span last cpu_engine cpu_spawner
	fresh_daemon
	spawner=$(role spawner)
	at=$(date -u -d "+$((4 + tasks / 400)) seconds" +%FT%TZ)
	python3 "$ORACLE" submit "$T/ledger" \
		"http://127.0.0.1:$port/tasks/empty?at=$at" --connections 8 \
		--tasks $((tasks / 8)) --keys 0 >/dev/null || fail 'the client failed'
	[ "$(lines '^acked' "$T/ledger")" = "$tasks" ] ||
		fail "not all were taken: $(grep failed "$T/ledger" | head -1)"
	[ "$(date +%s)" -lt "$(date -d "$at" +%s)" ] ||
		fail 'the first started before the last was there'
	cpu_engine=$(cpu_ms "$engine")
	cpu_spawner=$(cpu_ms "$spawner")
	# They are worked off in the order of their ids.
	last=$(acked | sort | tail -1)
	while ! is_done "$last"; do
		sleep 0.5
	done
	cpu_engine=$(($(cpu_ms "$engine") - cpu_engine))
	cpu_spawner=$(($(cpu_ms "$spawner") - cpu_spawner))
	end_now
	span=$(sqlite3 "$state/store/tasks.db" "SELECT count(*) || ' ' ||
		(max(ended) - min(started)) FROM task WHERE state = 10")
	[ "${span% *}" = "$tasks" ] || fail "only ${span% *} tasks succeeded"
	note empty.outlast "$(ratio "$tasks"000 "${span#* }")"
	note empty.engine "$(ratio "$cpu_engine"000 "$tasks")"
	note empty.spawner "$(ratio "$cpu_spawner"000 "$tasks")"
}

# bench_empty: tasks of /bin/true through all of outlast, beside posix_spawn()
# and wait() alone.
bench_empty() {
	local tasks=$((${EMPTY:-4000} / 8 * 8)) round
	echo '## Empty program tasks (/bin/true), concurrency 16'
	echo
	machine
	echo
	need "$BUILD/bench_spawn" "$(command -v sqlite3)"
	write_bench_tasks
	bench_nginx
	rm -f "$T"/notes.*
	for ((round = 0; round < rounds; round++)); do
		# On both sides: what else the machine does hits both.
		note empty.bare "$("$BUILD/bench_spawn" --bare $((tasks / 2)) 16)"
		empty_round $tasks
		note empty.bare "$("$BUILD/bench_spawn" --bare $((tasks / 2)) 16)"
	done
	echo '| | tasks/s | ratio | engine: CPU µs/task | spawner: CPU µs/task |'
	echo '|---|---|---|---|---|'
	echo "| posix_spawn() and wait() | $(column empty.bare) | 1.00 | | |"
	echo "| outlast, durable full | $(column empty.outlast)" \
		"| $(ratio "$(column empty.outlast)" "$(column empty.bare)")" \
		"| $(column empty.engine) | $(column empty.spawner) |"
	echo '(target: 0.80)'
	echo
	stop "$nginx"
}

is_done() {
	curl -s --max-time 5 "http://127.0.0.1:$port/tasks/$1" |
		grep -qE '"state": ?"succeeded"'
}

bench_engine() {
	local before after idle
	echo '## The engine idle'
	echo
	write_bench_tasks
	fresh_daemon
	sleep 2
	before=$(switches "$engine")
	idle=$(switches "$outlastd")
	sleep 10
	after=$(switches "$engine")
	echo '| | wake-ups in 10 s | RSS KiB |'
	echo '|---|---|---|'
	echo "| engine | $((after - before)) | $(rss_of "$engine") |"
	echo "| master | $(($(switches "$outlastd") - idle)) | $(rss_of "$outlastd") |"
	spawner=$(role spawner)
	[ -z "$spawner" ] || echo "| spawner | | $(rss_of "$spawner") |"
	echo
	before=$(rss_of "$engine")
	load --idle 10000 --connections 16 --seconds "$seconds" --post 0 \
		"unix:$sock" /tasks/livez >/dev/null
	after=$(awk '/VmHWM/ { print $2 }' "/proc/$engine/status")
	echo '| idle kept connections | still open | lost | p99 µs of others | bytes each |'
	echo '|---|---|---|---|---|'
	echo "| 10000 | $(field idle_open) | $(lost) | $(field p99_us)" \
		"| $(((after - before) * 1024 / 10000)) |"
	echo
	end_now
}

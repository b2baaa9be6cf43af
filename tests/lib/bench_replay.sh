# shellcheck shell=bash disable=SC2034,SC2154
# Measurements of replay, each beside what it is compared with. Sourced by
# tests/bench/run.sh behind bench.sh.

# bench_pages: php-fpm of 16 processes with two pages, outlastd and nginx:
#
#     /direct/PAGE.php        nginx → php-fpm
#     /replay/PAGE.php        → outlastd → php-fpm, 16 at once
#     /waits/PAGE.php         the same, the answer waits for the result
#
# PAGE: brief (1 ms), work (10 ms), long (100 ms).
bench_pages() {
	[ -n "$FPM" ] || {
		echo '(no table: php8.2-fpm is not installed)'
		echo
		return 1
	}
	# shellcheck source=php.sh
	[ "$(type -t page)" = function ] || . "$LIB/php.sh"
	local name us type
	for name in brief:1000 work:10000 long:100000; do
		us=${name#*:}
		page "${name%:*}" <<-PHP
			<?php
			usleep($us);
			file_put_contents('$T/php/ran', hrtime(true) . "\n", FILE_APPEND);
			header('Content-Length: 5');
			echo "done\n";
		PHP
	done
	: >"$T/php/ran"
	chmod 666 "$T/php/ran"
	rm -f "$PHP_SOCK"
	start_fpm 16
	fresh
	{
		echo "pid $T/outlastd.pid; log stderr warn; state $state;"
		echo "$daemon_user listen unix:$sock access=operator;"
		for type in replay waits; do
			echo "task $type { fastcgi_pass unix:$PHP_SOCK; concurrency 16;
				max_waiting 1000000; }"
		done
	} >"$T/outlast.conf"
	start_tasks
	start_ways '' "$(ways waits "
		fastcgi_param OUTLAST_TASK waits;
		fastcgi_param OUTLAST_WAIT 30s;
		fastcgi_pass unix:$sock;")"
}

end_pages() {
	end_now
	stop "$nginx"
	stop "$fpm" KILL
}

# ran FROM TO: pages that ended a second in that time (ns of the monotonic clock).
ran() {
	awk -v from="$1" -v to="$2" '$1 >= from && $1 < to { n++ }
		END { printf "%.0f", n * 1e9 / (to - from) }' "$T/php/ran"
}

monotonic() {
	python3 -c 'import time; print(time.monotonic_ns())'
}

# drained: all that was submitted has run: nothing has for a while.
drained() {
	local before
	before=$(lines . "$T/php/ran")
	sleep 0.5
	[ "$(lines . "$T/php/ran")" = "$before" ]
}

# pages_per_second WAY RATE: how many of work ran in $seconds; RATE 0: 16 clients
# that wait for each answer, else so many requests a second, whatever becomes of
# them. Counted is what php-fpm ran: 16 of 10 ms can be 1600 a second at most.
pages_per_second() {
	local from open=()
	[ "$2" = 0 ] || open=(--rate "$2")
	: >"$T/php/ran"
	rm -f "$T/load.log"
	start load "$LOAD" --connections 16 --seconds $((seconds + 1)) --post 100 \
		"${open[@]}" "http://127.0.0.1:$port/$1/work.php"
	sleep 0.5
	from=$(monotonic)
	sleep "$seconds"
	result=$(ran "$from" "$(monotonic)")
	gone 30 "$pid" || fail 'the load generator hangs'
	wait_for 120 drained
}

bench_replay() {
	local round direct
	echo '## Replay of a 10 ms page, 16 at once'
	echo
	machine
	echo
	bench_pages || return 0
	rm -f "$T"/notes.*
	for ((round = 0; round < rounds; round++)); do
		pages_per_second direct 0
		direct=$result
		note direct "$direct"
		# A little more than php-fpm can do, so that some always wait.
		pages_per_second replay $((direct * 11 / 10))
		note replay "$result"
	done
	echo '| | pages/s | ratio |'
	echo '|---|---|---|'
	echo "| nginx → php-fpm, 16 clients | $(column direct) | 1.00 |"
	echo "| replay, concurrency 16 | $(column replay) |" \
		"$(ratio "$(column replay)" "$(column direct)") (target: 0.95) |"
	echo
	end_pages
}

bench_saturated() {
	local round busy
	echo '## The 202 while php-fpm is saturated, 200 submits/s'
	echo
	machine
	echo
	bench_pages || return 0
	rm -f "$T"/notes.*
	for ((round = 0; round < rounds; round++)); do
		load --connections 16 --seconds "$seconds" --rate 200 --post 100 \
			"http://127.0.0.1:$port/replay/brief.php" >/dev/null
		[ "$(lost)" = 0 ] || echo "(!) $(lost) lost: $result"
		note idle "$(field p99_us)"
		# All processes are taken by visitors, and as many wait for them.
		start busy "$LOAD" --connections 64 --seconds $((seconds + 2)) \
			--timeout 60000 "http://127.0.0.1:$port/direct/long.php"
		busy=$pid
		sleep 1
		load --connections 16 --seconds "$seconds" --rate 200 --post 100 \
			"http://127.0.0.1:$port/replay/brief.php" >/dev/null
		[ "$(lost)" = 0 ] || echo "(!) $(lost) lost: $result"
		note saturated "$(field p99_us)"
		gone 60 "$busy" || fail 'the load generator hangs'
		wait_for 120 drained
	done
	echo '| php-fpm | 202 p99 µs | ratio |'
	echo '|---|---|---|'
	echo "| idle | $(column idle) | 1.00 |"
	echo "| saturated | $(column saturated) |" \
		"$(ratio "$(column saturated)" "$(column idle)") (target: 2 at most) |"
	echo
	end_pages
}

# served: how many of the pages submitted since $from have run a second, once the
# last of them has.
served() {
	local submitted
	submitted=$(field ok)
	# One that answers at once leaves them to be done.
	wait_for 120 has_run "$submitted"
	awk -v from="$from" -v n="$submitted" 'END {
		printf "%.0f", n * 1e9 / ($1 - from) }' <(sort -n "$T/php/ran")
}

has_run() {
	[ "$(lines . "$T/php/ran")" -ge "$1" ]
}

# Waiting is compared with the same work: as many submits that do not wait, until
# their pages have run, too. The rate of the 202 alone says how fast a queue
# grows, while most of the pages are still to be paid for; it is shown beside it.
bench_wait() {
	local round way from
	echo '## Submits that wait for a 1 ms page, 64 connections'
	echo
	machine
	echo
	bench_pages || return 0
	rm -f "$T"/notes.*
	for ((round = 0; round < rounds; round++)); do
		for way in replay waits direct; do
			: >"$T/php/ran"
			from=$(monotonic)
			load --connections 64 --seconds "$seconds" --post 100 \
				"http://127.0.0.1:$port/$way/brief.php" >/dev/null
			[ "$(lost)" = 0 ] || echo "(!) $way: $(lost) lost: $result"
			note "rps.$way" "$(field rps)"
			note "p99.$way" "$(field p99_us)"
			note "pages.$way" "$(served)"
		done
	done
	echo '| | answers/s | ratio | pages/s until all have run | ratio | p99 µs |'
	echo '|---|---|---|---|---|---|'
	for way in replay waits direct; do
		echo "| $(case $way in
		replay) echo '202 at once' ;;
		waits) echo 'waits for the page (target: 0.60 of the same pages)' ;;
		direct) echo 'nginx → php-fpm' ;;
		esac) | $(column "rps.$way")" \
			"| $(ratio "$(column "rps.$way")" "$(column rps.replay)")" \
			"| $(column "pages.$way")" \
			"| $(ratio "$(column "pages.$way")" "$(column pages.replay)")" \
			"| $(column "p99.$way") |"
	done
	echo
	end_pages
}

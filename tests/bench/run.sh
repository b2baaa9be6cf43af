#!/bin/bash
# Measurements: tables in Markdown on standard output. Rounds are interleaved
# and medians taken, so that a slow moment of the machine hurts all rows alike;
# compare ratios, not machines.
#
#     tests/run.sh bench [requests] [idle] [items] [recycle] [quiet]
#                        [accept] [start] [waiting] [empty] [engine]
#                        [replay] [saturated] [wait]
#
# ROUNDS (5) and SECONDS_EACH (4) set how long it takes.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/tasks.sh
. "$LIB/tasks.sh"
# shellcheck source=../lib/bench.sh
. "$LIB/bench.sh"
# shellcheck source=../lib/bench_replay.sh
. "$LIB/bench_replay.sh"

rounds=${ROUNDS:-5}
seconds=${SECONDS_EACH:-4}
ITEMS=$BUILD/bench_items
SERVER=$BUILD/bench_server
ulimit -n "$(ulimit -Hn)"

median() {
	sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# column NAME FIELD: the median of what note put down.
note() {
	echo "$2" >>"$T/notes.$1"
}
column() {
	median <"$T/notes.$1"
}

ratio() {
	awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", b ? a / b : 0 }'
}

machine() {
	echo "$(nproc) cores, $(uname -sr), load $(cut -d' ' -f1-3 /proc/loadavg)," \
		"$(nginx -v 2>&1 | sed 's/.*: //'), $rounds rounds of $seconds s"
}

# --- liboutlast, and our own server, beside plain libfcgi, behind the same nginx ---

# backend KIND KEEP: start it on $T/KIND.sock; its pid in $backend.
backend() {
	case $1 in
	app*) start_app "$T/$1.sock" --threads "${1#app}" && backend=$app ;;
	server)
		need "$SERVER"
		start server "$SERVER" --listen "unix:$T/$1.sock"
		backend=$pid
		wait_for 5 answers "$T/$1.sock"
		;;
	plain*) start_plain "$T/$1.sock" --threads "${1#plain}" && backend=$plain ;;
	esac
}

bench_requests() {
	local keep method kinds kind round cpu base target
	echo '## Requests behind nginx: our server, liboutlast, plain libfcgi threads'
	echo
	machine
	echo
	for keep in keep fresh; do
		# Plain threads with keep-alive need one thread a connection.
		kinds='server app2 plain128'
		target=1.20
		if [ $keep = fresh ]; then
			kinds='server app2 plain16 plain128'
			target=0.95
		fi
		for kind in $kinds; do
			backend "$kind"
			declare "pid_$kind=$backend"
			start_nginx $keep "$T/$kind.sock"
			declare "port_$kind=$port" "nginx_$kind=$nginx"
		done
		rm -f "$T"/notes.*
		for ((round = 0; round < rounds; round++)); do
			for method in 0 100; do
				for kind in $kinds; do
					pid="pid_$kind" port="port_$kind"
					cpu=$(cpu_ms "${!pid}")
					load --connections 64 --seconds "$seconds" \
						--post $method \
						"http://127.0.0.1:${!port}/x" >/dev/null
					[ "$(lost)" = 0 ] ||
						echo "(!) $kind $keep: $(lost) lost"
					cpu=$(($(cpu_ms "${!pid}") - cpu))
					note "rps.$kind.$method" "$(field rps)"
					note "p99.$kind.$method" "$(field p99_us)"
					note "cpu.$kind.$method" "$(awk -v c=$cpu \
						-v n="$(field ok)" \
						'BEGIN { printf "%.1f", c * 1000 / n }')"
				done
			done
		done
		echo "| upstream keep-alive $keep | | rps | ratio to best plain | CPU µs/request | p99 ms |"
		echo '|---|---|---|---|---|---|'
		for method in 0 100; do
			base=0
			for kind in $kinds; do
				[[ $kind == plain* ]] || continue
				[ "$(column "rps.$kind.$method")" -le $base ] ||
					base=$(column "rps.$kind.$method")
			done
			for kind in $kinds; do
				echo "| $kind | $([ $method = 0 ] && echo GET || echo POST)" \
					"| $(column "rps.$kind.$method")" \
					"| $(ratio "$(column "rps.$kind.$method")" $base)" \
					"| $(column "cpu.$kind.$method")" \
					"| $(ratio "$(column "p99.$kind.$method")" 1000) |"
			done
		done
		echo "(target for app2: $target; for server with keep: 1.30)"
		echo
		for kind in $kinds; do
			nginx="nginx_$kind" pid="pid_$kind"
			stop "${!nginx}"
			stop "${!pid}" KILL
		done
	done
}

# --- 5000 idle kept connections ----------------------------------------------------

bench_idle() {
	local rss
	echo '## Idle kept connections, 4 request threads'
	echo
	start_app "$T/idle.sock" --threads 4
	rss=$(awk '/VmRSS/ { print $2 }' "/proc/$app/status")
	load --idle 5000 --connections 32 --seconds "$seconds" --post 50 \
		"unix:$T/idle.sock" /x >/dev/null
	echo '| held | still open | new requests | lost | p99 µs | KiB each |'
	echo '|---|---|---|---|---|---|'
	echo "| 5000 | $(field idle_open) | $(field sent) | $(lost)" \
		"| $(field p99_us) | $(awk -v a="$(awk '/VmHWM/ { print $2 }' \
			"/proc/$app/status")" -v b="$rss" \
			'BEGIN { printf "%.2f", (a - b) / 5000 }') |"
	echo
	stop "$app"
	need "$SERVER"
	result=$("$SERVER" --idle 10000) || fail 'bench_server --idle'
	echo 'Our server, 10000 connections, heap:'
	echo
	echo '| | bytes each |'
	echo '|---|---|'
	echo "| kept and idle (limit 307) | $(field idle) |"
	echo "| waiting for an answer | $(field parked) |"
	echo
}

# --- items -------------------------------------------------------------------------

bench_items() {
	local flavour round
	echo '## Work items'
	echo
	need "$ITEMS"
	rm -f "$T"/notes.*
	for ((round = 0; round < rounds; round++)); do
		for flavour in blocking async; do
			result=$("$ITEMS" rate $flavour 1000000) || fail rate
			note rate.$flavour "$(field rate)"
			note queue.$flavour "$(field queue_ns)"
			result=$("$ITEMS" bytes $flavour 100000) || fail bytes
			note bytes.$flavour "$(field bytes_each)"
			result=$("$ITEMS" latency $flavour 3000) || fail latency
			note p50.$flavour "$(field p50_us)"
			note p99.$flavour "$(field p99_us)"
		done
	done
	echo '| | items/s from 8 threads | ns to queue one | bytes each, waiting | queue to start at 1000/s: p50 µs | p99 µs |'
	echo '|---|---|---|---|---|---|'
	for flavour in blocking async; do
		echo "| $flavour | $(column rate.$flavour) | $(column queue.$flavour)" \
			"| $(column bytes.$flavour) | $(column p50.$flavour)" \
			"| $(column p99.$flavour) |"
	done
	echo
}

# --- recycle under load --------------------------------------------------------------

# recycle_row KEEP POST PROGRAM...
recycle_row() {
	local keep=$1 post=$2 rate calm
	shift 2
	write_conf 0 "$@"
	start_outlastd
	wait_for 10 answers "$T/app.sock"
	start_nginx "$keep" "$T/app.sock"
	load --connections 64 --seconds 3 --post "$post" \
		"http://127.0.0.1:$port/x" >/dev/null
	rate=$(($(field rps) * 60 / 100))
	load --connections 64 --seconds 10 --post "$post" --rate $rate \
		"http://127.0.0.1:$port/x" >/dev/null
	calm=$(field p99_us)
	rm -f "$T/load.log"
	start load "$LOAD" --connections 64 --seconds 60 --post "$post" \
		--rate $rate "http://127.0.0.1:$port/x"
	recycling 0 60 2 "$@"
	gone 30 "$pid" || fail 'the load generator hangs'
	result=$(grep ^RESULT "$T/load.log") || fail 'no result'
	echo "| ${1##*/} | $([ "$post" = 0 ] && echo GET || echo POST) | $keep" \
		"| $rate | $generation | $(field sent) | $(field bad)" \
		"| $(($(lost) - $(field bad))) | $calm | $(field p99_us)" \
		"| $(ratio "$(field p99_us)" "$calm") |"
	stop "$nginx"
	stop "$outlastd" TERM 20
}

bench_recycle() {
	local keep post
	echo '## Recycle every 2 s for 60 s at 60 % of capacity (open loop)'
	echo
	echo '| program | | keep-alive | requests/s | recycles | requests | non-2xx | other losses | p99 µs calm | p99 µs | ratio |'
	echo '|---|---|---|---|---|---|---|---|---|---|---|'
	for keep in keep fresh; do
		for post in 0 100; do
			recycle_row $keep $post "$APP" --threads 2
		done
	done
	recycle_row keep 100 "$CLOSING"
	echo
}

# --- an idle machine ------------------------------------------------------------------

switches() {
	cat "/proc/$1"/task/*/status | awk '/^voluntary/ { n += $2 } END { print n }'
}

bench_quiet() {
	local a b child
	echo '## Idle for 10 s'
	echo
	write_conf 0 "$APP" --threads 4
	start_outlastd
	wait_for 10 answers "$T/app.sock"
	sleep 2
	child=$(children "$outlastd" | head -1)
	a=$(switches "$outlastd")
	b=$(switches "$child")
	sleep 10
	echo '| | wake-ups a second | RSS KiB |'
	echo '|---|---|---|'
	echo "| master | $(ratio $(($(switches "$outlastd") - a)) 10) | $(awk \
		'/VmRSS/ { print $2 }' "/proc/$outlastd/status") |"
	echo "| application | $(ratio $(($(switches "$child") - b)) 10) | $(awk \
		'/VmRSS/ { print $2 }' "/proc/$child/status") |"
	echo
	stop "$outlastd" TERM 20
}

tables='requests idle items recycle quiet accept start waiting empty engine'
tables="$tables replay saturated wait"
# shellcheck disable=SC2086 # words on purpose
[ $# -gt 0 ] || set -- $tables
for table; do
	[[ " $tables " == *" $table "* ]] || fail "no table $table: $tables"
	"bench_$table"
done

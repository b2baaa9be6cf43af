# shellcheck shell=bash disable=SC2154
# (SC2154: limit and LOGS are of tests/run.sh.)
# Tests at the same time, told of in their order. Sourced by tests/run.sh.
#
#     pool_open
#     pool_start SLOTS NAME COMMAND…    as soon as fewer than SLOTS run
#     pool_drain                        until none runs
#
# It calls report NAME STATUS SECONDS for each, in the order of their starts.
# $LOGS/NAME.log has the output, $limit is the most seconds that one may take.

pool_names=() pool_pids=() pool_states=()
# How many run; the first that report has not been called for.
pool_running=0 pool_next=0

pool_open() {
	local pipe=$LOGS/.pool
	rm -f "$pipe"
	# Both ends: it never ends, and nobody waits for the other side.
	mkfifo "$pipe" && exec {pool_fd}<>"$pipe" && rm -f "$pipe"
}

# pool_child NUMBER LOG COMMAND…: run it, and tell how it went.
pool_child() {
	local number=$1 log=$2 status=0 TIMEFORMAT='%R %U %S'
	shift 2
	# Its own process group: what it leaves behind cannot reach our terminal.
	{
		time timeout -k 15 "$limit" "$@" >"$log" 2>&1 </dev/null \
			{pool_fd}>&-
	} 2>"$log.time" || status=$?
	echo "$number $status" >&"$pool_fd"
}

# pool_take: wait until one has ended, and report all that have their turn.
pool_take() {
	local number status seconds
	read -r number status <&"$pool_fd"
	pool_states[number]=$status
	pool_running=$((pool_running - 1))
	while [ -n "${pool_states[pool_next]:-}" ]; do
		wait "${pool_pids[pool_next]}"
		# The last line: before it, bash tells of a signal.
		read -r seconds _ < <(tail -n 1 \
			"$LOGS/${pool_names[pool_next]//\//.}.log.time")
		report "${pool_names[pool_next]}" "${pool_states[pool_next]}" \
			"${seconds:-0}"
		pool_next=$((pool_next + 1))
	done
}

pool_start() {
	local slots=$1 name=$2 number=${#pool_names[@]}
	shift 2
	while [ $pool_running -ge "$slots" ]; do
		pool_take
	done
	pool_names+=("$name")
	pool_child "$number" "$LOGS/${name//\//.}.log" "$@" &
	pool_pids+=($!)
	pool_running=$((pool_running + 1))
}

pool_drain() {
	while [ $pool_running -gt 0 ]; do
		pool_take
	done
}

# pool_kill: end what runs; each test cleans up after itself.
pool_kill() {
	local number
	for ((number = pool_next; number < ${#pool_pids[@]}; number++)); do
		# Its timeout passes the signal on.
		pkill -TERM -P "${pool_pids[number]}" timeout
	done
	wait "${pool_pids[@]:pool_next}" 2>/dev/null
}

# pool_slowest COUNT: a table of those that took longest; seconds, processor
# seconds, name.
pool_slowest() {
	local name
	for name in "${pool_names[@]}"; do
		tail -n 1 "$LOGS/${name//\//.}.log.time" |
			awk -v name="$name" 'NF == 3 {
			printf "%8.1f %8.1f  %s\n", $1, $2 + $3, name
		}'
	done | sort -rn | head -n "$1"
}

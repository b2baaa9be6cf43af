#!/bin/bash
# A recycle loses no request: mixed GET and POST at 60 % of what was measured,
# a recycle every 2 s, upstream keep-alive on and off. Control: a process that
# closes its idle kept connections when it is replaced, which must lose some.
# Beside the load items are queued; each that was accepted runs and ends once,
# whether a recycle came between or not.
# One trial: 10 s for each kind.
# alone: what it can bear is measured first
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

seconds=$((10 * (TRIALS > 0 ? TRIALS : 1)))
# items: queue one of 1.5 s every 100 ms until told to end; those that were
# accepted are noted.
items() {
	local n=0 flavours=(blocking async)
	trap 'exit 0' TERM
	while :; do
		n=$((n + 1))
		[ "$(curl -s -o "$T/null" -w '%{http_code}' --max-time 10 \
			"http://127.0.0.1:$port/item?id=$n&ms=1500&flavour=${flavours[n % 2]}")" \
			= 202 ] && echo $n >>"$T/accepted"
		sleep 0.1
	done
}

# each_once: every accepted item has one start and one good end.
each_once() {
	local n
	while read -r n; do
		expect "starts of item $n" "$(lines "^start $n " "$T/ledger")" 1
		expect "good ends of item $n" \
			"$(lines "^end $n [0-9]* ok " "$T/ledger")" 1
	done <"$T/accepted"
	say "items accepted: $(lines . "$T/accepted"), each ended once and well;" \
		"$(lines '^end .* ok 1$' "$T/ledger") of them after their process began to leave"
}

# under_load KEEP POST-PERCENT PROGRAM...: $result is that of the load
under_load() {
	local keep=$1 post=$2 rate queuer=0
	shift 2
	write_conf 0 "$@"
	start_outlastd
	wait_for 10 answers "$T/app.sock"
	start_nginx "$keep" "$T/app.sock"
	load --connections 64 --seconds 2 --post "$post" \
		"http://127.0.0.1:$port/x"
	rate=$(($(field rps) * 60 / 100))
	load --connections 64 --seconds 2 --post "$post" --rate $rate \
		"http://127.0.0.1:$port/x"
	calm=$(field p99_us)
	if [ "$1" = "$APP" ]; then
		: >"$T/ledger"
		: >"$T/accepted"
		start items items
		queuer=$pid
	fi
	start load "$LOAD" --connections 64 --seconds "$seconds" \
		--post "$post" --rate $rate "http://127.0.0.1:$port/x"
	recycling 0 "$seconds" 2 "$@"
	gone 30 "$pid" || fail 'the load generator hangs'
	result=$(grep ^RESULT "$T/load.log") || fail 'no result'
	say "$keep, $post % POST, $generation recycles, ${1##*/}: ${result#RESULT }"
	say "p99 $(field p99_us) us, calm $calm us"
	[ $queuer = 0 ] || stop "$queuer"
	stop "$nginx"
	stop "$outlastd" TERM 20
	[ $queuer = 0 ] || each_once
	rm -f "$T/load.log" "$T/app.sock" "$T/nginx.error.log"
}

for ((try = 0; try < 3; try++)); do
	under_load keep 100 "$CLOSING"
	[ "$(lost)" = 0 ] || break
done
[ "$(lost)" -gt 0 ] || fail 'the control lost nothing: the load is blunt'
for keep in keep fresh; do
	under_load $keep 50 "$APP" --threads 4
	expect "lost requests ($keep)" "$(lost)" 0
	[ "$(lines 'upstream|crit|alert' "$T/nginx.error.log")" = 0 ] ||
		say "nginx: $(tail -1 "$T/nginx.error.log")"
done

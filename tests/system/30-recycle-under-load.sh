#!/bin/bash
# A recycle loses no request: mixed GET and POST at 60 % of what was measured,
# a recycle every 2 s, upstream keep-alive on and off. Control: a process that
# closes its idle kept connections when it is replaced, which must lose some.
# One trial: 10 s for each kind.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

seconds=$((10 * (TRIALS > 0 ? TRIALS : 1)))
# under_load KEEP POST-PERCENT PROGRAM...: $result is that of the load
under_load() {
	local keep=$1 post=$2 rate
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
	start load "$LOAD" --connections 64 --seconds "$seconds" \
		--post "$post" --rate $rate "http://127.0.0.1:$port/x"
	recycling 0 "$seconds" 2 "$@"
	gone 30 "$pid" || fail 'the load generator hangs'
	result=$(grep ^RESULT "$T/load.log") || fail 'no result'
	say "$keep, $post % POST, $generation recycles, ${1##*/}: ${result#RESULT }"
	say "p99 $(field p99_us) us, calm $calm us"
	stop "$nginx"
	stop "$outlastd" TERM 20
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

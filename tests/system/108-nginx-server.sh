#!/bin/bash
# nginx/server.conf as it is, but for port and paths: nginx takes it without a
# warning; its locations do what they say; a POST is not sent twice; when
# nobody answers, a 503 with Retry-After; the operator's location wants address
# and password. Reloads of outlastd and of nginx under load through it cost no
# request; control: a stop and a start, which do.
# One trial: 8 s of load.
# alone: requests time out where nobody gets the machine
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/roles.sh
. "$(dirname "$0")/../lib/roles.sh"

seconds=$((8 * (TRIALS > 0 ? TRIALS : 1)))
script job <<'SH'
#!/bin/sh
cat
SH
pool_user=
[ "$(id -u)" -ne 0 ] || pool_user='user root;'
write_site() {
	write_roles "$(listen "$sock")" \
		"$(task report "$T/job" 'client_cancel on; concurrency 4;')" \
		"pool shop { listen unix:$T/shop.sock; program $APP --threads 4;
			env GENERATION $1; env TEST_LEDGER $T/ledger; $pool_user }"
}
write_site 0
start_outlastd
wait_for 20 is_ready
wait_for 10 answers "$T/shop.sock"

# alice:secret
echo "alice:$(openssl passwd -apr1 secret)" >"$T/operators"
chmod 644 "$T/operators"
port=$(free_port)
sed -e "s|127.0.0.1:8080|127.0.0.1:$port|" \
	-e "s|/run/outlast/shop.sock|$T/shop.sock|" \
	-e "s|/run/outlast/tasks.sock|$sock|" \
	-e "s|/etc/nginx/outlast.operators|$T/operators|" \
	"$SRC/nginx/server.conf" >"$T/server.conf"
expect 'lines that the substitution changed' \
	"$(diff "$SRC/nginx/server.conf" "$T/server.conf" | grep -c '^>')" 6
start_published server.conf
serves_nginx() {
	[[ $(http /) == 2* ]]
}
wait_for 5 serves_nginx

# --- The locations. ---

expect 'a slow page' "$(http '/slow?ms=50')" 200
expect 'a submit' "$(http /report -d 'some=thing')" 202
id=$(grep -o '"id":"[^"]*"' "$T/body" | head -1 | cut -d'"' -f4)
[ -n "$id" ] || fail 'no id'
succeeded() {
	[ "$(http "/tasks/$id")" = 200 ] && grep -q '"state":"succeeded"' "$T/body"
}
wait_for 10 succeeded
expect 'the result' "$(http "/tasks/$id/result")" 200
expect 'what it is' "$(cat "$T/body")" some=thing
head -c 1048577 /dev/zero >"$T/too-large"
expect '1 MiB and a byte' "$(http /x --data-binary "@$T/too-large")" 413
expect 'the operator without a password' "$(http '/ops/tasks/?state=failed')" 401
expect 'the operator' \
	"$(http "/ops/tasks/$id" -u alice:secret)" 200
# A visitor may not name a type; the operator may.
expect 'a submit by name' "$(http /tasks/report -d a=b \
	-H 'Outlast-Access: operator')" 403
expect 'the same by the operator' \
	"$(http /ops/tasks/report -d a=b -u alice:secret)" 202

# --- Under load: reloads of both. ---

: >"$T/load.log"
start load "$LOAD" --connections 16 --seconds "$seconds" --post 50 --rate 300 \
	"http://127.0.0.1:$port/x"
load=$pid
for ((i = 1; i * 2 < seconds; i++)); do
	sleep 1
	write_site "$i"
	reload
	sleep 0.5
	kill -HUP "$nginx"
	http /report -d a=b >>"$T/submits"
	echo >>"$T/submits"
done
gone 60 "$load" || fail 'the load generator hangs'
result=$(grep ^RESULT "$T/load.log") || fail 'no result'
say "$i reloads of each: ${result#RESULT }"
# nginx closes what clients keep when its workers leave; the load generator
# counts these apart.
expect 'answers that are not 2xx' "$(field bad)" 0
expect 'submits without a 202' "$(grep -c -v -x 202 "$T/submits")" 0

# --- Down: 503 with the page, and when to come again. ---

: >"$T/load.log"
start load "$LOAD" --connections 4 --seconds 3 --post 50 --rate 100 \
	"http://127.0.0.1:$port/x"
load=$pid
sleep 0.5
stop "$outlastd" TERM 20
expect 'while it is down' "$(http / -D "$T/head")" 503
grep -q 'Back in a moment' "$T/body" || fail "the page is $(cat "$T/body")"
grep -qi '^Retry-After: 5' "$T/head" || fail 'no Retry-After'
expect 'a submit while it is down' "$(http /report -d a=b -D "$T/head")" 503
grep -qi '^Retry-After: 5' "$T/head" || fail 'no Retry-After for a submit'
expect 'its page by name' "$(http /_down)" 404
start_outlastd
wait_for 20 is_ready
wait_for 10 serves_nginx
gone 30 "$load" || fail 'the load generator hangs'
result=$(grep ^RESULT "$T/load.log")
say "a stop and a start: ${result#RESULT }"
[ "$(field bad)" -gt 0 ] || fail 'the control lost nothing: the load is blunt'

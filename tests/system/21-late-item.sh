#!/bin/bash
# A request that began before the recycle may queue its item after it: the
# retiring process takes it and finishes it.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

write_conf 1 "$APP" --threads 4
start_outlastd
wait_for 10 serves
start_nginx keep "$T/app.sock"
old=$(serving)

for i in 1 2; do
	start "late-$i" curl -s -w '%{http_code}\n' \
		"http://127.0.0.1:$port/queue-late?id=late-$i&ms=2000&item-ms=1000"
done
sleep 0.5
write_conf 2 "$APP" --threads 4
reload
wait_for 5 serves_other "$old"
for i in 1 2; do
	wait_for 5 grep -q . "$T/late-$i.log"
	expect "reply $i" "$(tail -1 "$T/late-$i.log")" 202
done
gone 5 "$old" || fail 'the old process stayed'
expect 'items that ended well in the old process' \
	"$(lines "^end late-. $old ok 1" "$T/ledger")" 2

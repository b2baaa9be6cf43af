#!/bin/bash
# nginx/replay.conf as it is, but for addresses and files, with php-fpm: a slow
# page becomes a task, the quick ones do not; the operator's and the
# application's way; fail-open: with outlastd stopped, and with nobody answering
# on its socket, the same POST runs in php-fpm at once, with its body.
# Control: the location without error_page answers 502 in the same moment.
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/tasks.sh
. "$LIB/tasks.sh"
# shellcheck source=../lib/api.sh
. "$LIB/api.sh"
# shellcheck source=../lib/php.sh
. "$LIB/php.sh"

page index <<'END_PHP'
<?php echo "quick\n";
END_PHP
page report <<'END_PHP'
<?php
if (isset($_GET['sleep']))
	sleep($_GET['sleep']);
echo "report of $_POST[month]\n";
END_PHP
page invoice <<'END_PHP'
<?php
$body = file_get_contents('php://input');
file_put_contents(__DIR__ . '/../php/ledger', "$_SERVER[UNIQUE_REQUEST]\n", FILE_APPEND);
header('X-Id: ' . ($_SERVER['OUTLAST_TASK_ID'] ?? 'none'));
http_response_code(201);
echo strlen($body), ' ', md5($body), "\n";
END_PHP
page rebuild <<'END_PHP'
<?php
echo "$_SERVER[REQUEST_METHOD] $_SERVER[CONTENT_TYPE] ",
	json_decode(file_get_contents('php://input'))->day, "\n";
END_PHP

start_fpm 6
sed -n '/^#     task /,/}$/p' "$SRC/nginx/replay.conf" | sed 's/^#//' >"$T/types"
expect 'task types in the head of the snippet' "$(lines 'task ' "$T/types")" 3
cat >"$T/outlast.conf" <<-CONF
	$(main_directives)
	$(sed -e "s|unix:/run/php/slow.sock|unix:$PHP_SOCK|" \
		-e "s|/srv/shop|$pages|" "$T/types")
CONF
start_tasks

port=$(free_port)
mkdir "$T/app"
# substituted FILE: as it is, but for what its head says to change.
sed -e "s|127.0.0.1:8080|127.0.0.1:$port|" \
	-e "s|root /srv/shop|root $pages|" \
	-e "s|pass unix:/run/outlast/tasks.sock|pass unix:$sock|" \
	-e "s|pass unix:/run/php/[a-z0-9.-]*.sock|pass unix:$PHP_SOCK|" \
	-e "s|listen unix:/run/outlast/app/|listen unix:$T/app/|" \
	-e "s|/etc/nginx/outlast\.|$T/outlast.|" \
	"$SRC/nginx/replay.conf" >"$T/replay.conf"
expect "lines that the substitution changed" "$(diff "$SRC/nginx/replay.conf" \
	"$T/replay.conf" | grep '^>' | grep -v -c '^> #')" 11
echo 'boss:{PLAIN}b' >"$T/outlast.operators"
cp /etc/nginx/fastcgi.conf "$T"
start_published replay.conf
quick() {
	[ "$(http /index.php)" = 200 ]
}
wait_for 5 quick

# The quick page is nobody's task; the slow one is.
expect 'the quick page' "$(cat "$T/body")" quick
ask 'the slow page' 202 /report.php -d month=May
expect 'its address' "$(header Location)" "/tasks/$id"
wait_for 10 in_state succeeded "/tasks/$id"
ask 'its result' 200 "/tasks/$id/result"
expect 'the result' "$(cat "$T/body")" 'report of May'
expect 'who waits' "$(http /report.php -d month=June -H 'Prefer: wait=20')" 200
expect 'what he gets' "$(cat "$T/body")" 'report of June'
expect '1 MiB and a byte' \
	"$(head -c 1048577 /dev/zero | http /report.php --data-binary @-)" 413

# The operator sees what a visitor does not; the application submits by name.
expect 'without a password' "$(http "/ops/tasks/$id")" 401
expect 'for the operator' "$(http "/ops/tasks/$id" -u boss:b)" 200
expect 'a visitor may name no type' "$(http /tasks/rebuild -d x)" 403
app() {
	curl -s -o "$T/body" -D "$T/head" -w '%{http_code}' --max-time 20 \
		--unix-socket "$T/app/http.sock" "http://outlast$1" "${@:2}"
}
expect 'the application' "$(app /tasks/rebuild -d '{"day":"yesterday"}')" 202
id=$(header Outlast-Task-Id)
wait_for 10 in_state succeeded "/tasks/$id"
expect 'its result' "$(http "/tasks/$id/result")" 200
expect 'as "request" says' "$(cat "$T/body")" 'POST application/json yesterday'
# The page that the snippet shows, by PHP itself.
php=$(command -v php || true)
if [ -n "$php" ] && "$php" -m | grep -q '^curl$'; then
	{
		echo '<?php'
		sed -n '/curl_init/,/curl_exec/{s/^# *//; p}' "$SRC/nginx/replay.conf" |
			sed "s|/run/outlast/app|$T/app|"
	} >"$T/snippet.php"
	"$php" "$T/snippet.php" | grep -q '"state":"scheduled"' ||
		fail 'the PHP of the snippet submits nothing'
fi

# Fail-open. With outlast there: a task, of a body above the default.
head -c 15000000 /dev/urandom >"$T/large"
whole=$(printf '%s %s' 15000000 "$(md5sum <"$T/large" | cut -d' ' -f1)")
: >"$T/php/ledger"
chmod 666 "$T/php/ledger"
ask 'an invoice' 202 /invoice.php --data-binary "@$T/large"
wait_for 20 in_state succeeded "/tasks/$id"
ask 'its result' 201 "/tasks/$id/result"
expect 'the body' "$(cat "$T/body")" "$whole"
expect 'by the task' "$(header X-Id)" "$id"

stop "$outlastd" TERM 20
expect 'the control: without error_page' "$(http /report.php -d month=May)" 502
ask 'fail-open' 201 /invoice.php --data-binary "@$T/large"
expect 'the body' "$(cat "$T/body")" "$whole"
expect 'by nobody' "$(header X-Id)" none
expect 'the quick page' "$(http /index.php)" 200

# Somebody takes the connection, reads, and dies before he answers: the request
# may have been noted. nginx runs it all the same, once; both are the same
# UNIQUE_REQUEST.
cat >"$T/silent.py" <<'END_PY'
import os, re, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o666)
listener.listen()
conn, _ = listener.accept()
seen = b""
while b"\x01\x05\x00\x01\x00\x00" not in seen:
    seen += conn.recv(65536)
print(re.search(rb"UNIQUE_REQUEST([0-9a-f]{32})", seen).group(1).decode(), flush=True)
conn.close()
END_PY
start silent python3 "$T/silent.py" "$sock"
wait_for 5 test -S "$sock"
: >"$T/php/ledger"
ask 'outlast dies' 201 /invoice.php -d x=1
expect 'it ran' "$(cat "$T/php/ledger")" "$(cat "$T/silent.log")"

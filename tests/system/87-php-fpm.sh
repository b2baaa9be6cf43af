#!/bin/bash
# The client of FastCGI backends and a real php-fpm: parameters of many records
# and bodies in a file arrive as they are; statuses, headers, what it logs, a
# process that dies and a master that is gone are told. Control: parameters that
# straddle records, which php-fpm refuses.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

ASK=$BUILD/bench_ask
FPM=$(command -v php-fpm8.2)
need "$ASK"
[ -n "$FPM" ] || fail 'php8.2-fpm is missing'
sock=$T/php.sock

user=
if [ "$(id -u)" -eq 0 ]; then
	chmod 755 "$T"
	user='user = nobody
group = nogroup'
fi
cat >"$T/fpm.conf" <<-CONF
	[global]
	error_log = $T/fpm.log
	daemonize = no
	[www]
	$user
	listen = $sock
	listen.mode = 0666
	pm = static
	pm.max_children = 2
	php_admin_value[post_max_size] = 200M
	php_admin_value[memory_limit] = 512M
	php_admin_flag[display_errors] = off
	php_admin_flag[log_errors] = on
CONF

# start_fpm [OPTION…]
start_fpm() {
	start fpm.out "$FPM" -n -F -y "$T/fpm.conf" "$@"
	fpm=$pid
	wait_for 20 test -S "$sock"
}

# page NAME: from standard input
page() {
	cat >"$T/$1.php"
}

# ask NAME [OPTION…]: the reply in $T/reply, what is said in $T/said.
ask() {
	local name=$1
	shift
	"$ASK" "unix:$sock" --param "SCRIPT_FILENAME=$T/$name.php" \
		--param "SCRIPT_NAME=/$name.php" --param REQUEST_METHOD=POST \
		--param CONTENT_TYPE=application/octet-stream "$@" \
		>"$T/reply" 2>"$T/said"
}

content() {
	sed '1,/^$/d' "$T/reply"
}

page echo <<'PHP'
<?php
$all = '';
for ($i = 0; isset($_SERVER["P$i"]); $i++)
	$all .= "P$i={$_SERVER["P$i"]}\n";
printf("%d %s %s\n", strlen(file_get_contents('php://input')),
    hash_file('sha256', 'php://input'), hash('sha256', $all));
PHP
page answer <<'PHP'
<?php
header('Set-Cookie: a=b');
header('Set-Cookie: c=d', false);
http_response_code(503);
header('Retry-After: 7');
error_log('a word to the log');
echo "busy\n";
PHP
page move <<'PHP'
<?php header('Location: /elsewhere');
PHP
page finish <<'PHP'
<?php
echo "done\n";
fastcgi_finish_request();
echo "too late\n";
file_put_contents(__FILE__ . '.ran', 'on');
PHP
page die <<'PHP'
<?php
echo "half\n";
flush();
file_put_contents(__FILE__ . '.new', getmypid());
rename(__FILE__ . '.new', __FILE__ . '.pid');
sleep(60);
PHP
start_fpm

# --- parameters and bodies ----------------------------------------------------

# expect BODY VALUE…: the reply of "echo" to parameters P0, P1, … with them.
expect() {
	local body=$1 i=0 value
	shift
	params=()
	: >"$T/values"
	for value; do
		params+=(--param "P$i=$value")
		printf 'P%d=%s\n' $i "$value" >>"$T/values"
		i=$((i + 1))
	done
	ask echo "${params[@]}" --body "$body" ||
		fail "$# parameters: $(cat "$T/said" "$T/reply")"
	[ "$(content)" = "$(stat -c %s "$body") $(sha256sum <"$body" |
		cut -d ' ' -f 1) $(sha256sum <"$T/values" | cut -d ' ' -f 1)" ] ||
		fail "$# parameters, other bytes: $(cat "$T/reply")"
}

xs=$(printf '%70000s' '' | tr ' ' x)

: >"$T/empty"
head -c 33554433 /dev/urandom >"$T/large"
head -c 65528 /dev/urandom >"$T/record"
expect "$T/empty" one '' three
expect "$T/record" "${xs:0:127}" "${xs:0:128}"
expect "$T/large" "${xs:0:30000}" "${xs:0:30000}" "${xs:0:30000}"
# Each just fits a record of its own, or just does not fit another one's rest.
for n in 65500 65527 65528; do
	expect "$T/empty" "${xs:0:n}" a "${xs:0:n}" "${xs:0:5}" "${xs:0:n}"
done
values=()
for ((i = 0; i < 900; i++)); do
	values+=("${xs:0:i * 7 % 997}")
done
expect "$T/record" "${values[@]}"

# The control: a pair longer than a record has to straddle.
ask echo --param "P0=${xs:0:65536}" && fail 'php-fpm reads pairs that straddle'
grep -q 'closed the connection without a reply\|reset by peer' "$T/said" ||
	fail "a pair that straddles: $(cat "$T/said")"

# --- replies ------------------------------------------------------------------

ask answer || fail "answer: $(cat "$T/said")"
grep -v '^X-Powered-By\|^Content-type' "$T/reply" >"$T/lines"
printf '%s\n' 'Status: 503' 'Set-Cookie: a=b' 'Set-Cookie: c=d' \
	'Retry-After: 7' '' busy | cmp - "$T/lines" ||
	fail "answer: $(cat "$T/reply")"
grep -q 'a word to the log' "$T/said" || fail "no log: $(cat "$T/said")"
ask move || fail "move: $(cat "$T/said")"
grep -qx 'Status: 302' "$T/reply" || fail "move: $(cat "$T/reply")"
[ "$(ask nothing; head -1 "$T/reply")" = 'Status: 404' ] ||
	fail "no such page: $(cat "$T/reply" "$T/said")"
[ "$(id -u)" -eq 0 ] && chmod 777 "$T"
ask finish || fail "finish: $(cat "$T/said")"
[ "$(content)" = "done" ] || fail "finish: $(cat "$T/reply")"
wait_for 10 test -s "$T/finish.php.ran"
ask die &
asking=$!
wait_for 10 test -s "$T/die.php.pid"
kill -KILL "$(cat "$T/die.php.pid")"
wait $asking && fail 'a process that died sent a whole reply'
grep -q 'before the end of its reply$' "$T/said" || fail "die: $(cat "$T/said")"

# --- nobody there ---------------------------------------------------------------

stop "$fpm" QUIT
rm -f "$sock"
ask echo && fail 'nobody replied'
[ "$(cat "$T/said")" = "bench_ask: unix:$sock: No such file or directory" ] ||
	fail "nobody there: $(cat "$T/said")"

# What PHP calls its RFC 2616 headers: a status line.
start_fpm -d cgi.rfc2616_headers=1
ask answer || fail "answer with a status line: $(cat "$T/said")"
grep -qx 'Status: 503' "$T/reply" || fail "answer: $(cat "$T/reply")"

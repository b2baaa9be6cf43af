#!/bin/bash
# php-fpm's own life: stopped (no attempt is counted, the type waits, goes on by
# itself), reloaded, a process killed in the middle of a page; a page past its
# time, and one that asks for more; two tasks of one session; progress.
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/tasks.sh
. "$LIB/tasks.sh"
# shellcheck source=../lib/api.sh
. "$LIB/api.sh"
# shellcheck source=../lib/php.sh
. "$LIB/php.sh"

page life <<'END_PHP'
<?php
// Each step in the ledger: its pid, the task, what it does.
function note(string $what): void
{
	file_put_contents(__DIR__ . '/../php/ledger', getmypid() . ' ' .
	    ($_SERVER['OUTLAST_ATTEMPT'] ?? 0) . " $_GET[name] $what\n", FILE_APPEND);
}
function progress(string $text): void
{
	$to = stream_socket_client('udg://' . $_SERVER['OUTLAST_NOTIFY']);
	fwrite($to, "X_OUTLAST_PROGRESS=$text");
}
note('begins');
switch ($_GET['do'] ?? '') {
case 'hold':
	// Until the test says so.
	progress('50 in the middle');
	echo str_repeat("half a page\n", 10000);
	@ob_flush();
	flush();
	while (!file_exists(__DIR__ . "/../php/go-$_GET[name]"))
		usleep(20000);
	break;
case 'session':
	session_id('both');
	session_start();
	note('locked');
	usleep(200000);
	$_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1;
	note('unlocks');
	echo $_SESSION['n'];
	break;
case 'extend':
	$to = stream_socket_client('udg://' . $_SERVER['OUTLAST_NOTIFY']);
	fwrite($to, 'EXTEND_TIMEOUT_USEC=20000000');
	usleep(1500000);
	break;
}
note('ends');
echo "done\n";
END_PHP

touch "$T/php/ledger"
chmod 666 "$T/php/ledger"
start_fpm 6
write_replay 'timeout 60s; retries 3; backoff fixed 200ms;' "
	task once { fastcgi_pass unix:$PHP_SOCK; concurrency 4; timeout 60s; }
	task short { fastcgi_pass unix:$PHP_SOCK; timeout 1s; }"
start_tasks
start_ways '' "
	$(ways once "fastcgi_param OUTLAST_TASK once; fastcgi_pass unix:$sock;")
	$(ways short "fastcgi_param OUTLAST_TASK short; fastcgi_pass unix:$sock;")"

# noted PATTERN: how many lines of the ledger.
noted() {
	lines "$1" "$T/php/ledger"
}
has_noted() {
	[ "$(noted "$1")" -gt 0 ]
}
go() {
	: >"$T/php/go-$1"
}
# error: of the object, in one line, for the eyes of who runs this.
error() {
	say "$1: $(of_task 'task["state"], task["attempt"], task["error"]')"
}

# Progress, and a page in the middle of its work when php-fpm is reloaded. As
# process_control_timeout has it, the page may end; the next one comes to the
# new processes.
replay 'held' 'life.php?do=hold&name=held'
held=$id
wait_for 10 has_noted ' held begins'
reports() {
	curl -s "http://127.0.0.1:$port/tasks/$1" >"$T/object"
	[ "$(of_task 'task["progress"]')" = "{'percent': 50, 'text': 'in the middle'}" ]
}
wait_for 10 reports "$held"
workers=$(children "$fpm" | xargs)
kill -USR2 "$fpm"
replay 'while it is reloaded' 'life.php?name=meanwhile'
go held
wait_for 20 ended "$id"
expect 'the one in between' "$(of_task 'task["state"]')" succeeded
wait_for 20 ended "$held"
error 'reloaded in the middle'
expect 'the one in the middle' "$(of_task 'task["state"]')" succeeded
expect 'its runs' "$(noted ' held begins')" 1
for pid in $workers; do
	gone 10 "$pid" || fail 'php-fpm was not reloaded'
done
wait_for 10 fpm_answers

# A process is killed in the middle of a page: run again, or not, as the type
# has it.
for type in replay once; do
	ask "killed, $type" 202 "/$type/life.php?do=hold&name=killed-$type"
	wait_for 10 has_noted " 1 killed-$type begins"
	kill -9 "$(sed -n "s/ 1 killed-$type begins$//p" "$T/php/ledger")"
	go "killed-$type"
	wait_for 20 ended "$id"
	error "killed, $type"
	if [ $type = replay ]; then
		expect 'its state' "$(of_task 'task["state"], task["attempt"]')" \
			"('succeeded', 2)"
	else
		expect 'its state' "$(of_task 'task["state"], task["attempt"]')" \
			"('failed', 1)"
		expect 'its error' "$(of_task 'task["error"]["kind"]')" crashed
		expect 'half a page is no result' "$(http "/tasks/$id/result")" 502
	fi
done

# Past its time: failed, although "retries" would allow another run. With an
# extension: not.
ask 'too long' 202 '/short/life.php?do=hold&name=long'
wait_for 20 ended
error 'too long'
expect 'its error' "$(of_task 'task["error"]["kind"], task["attempt"]')" \
	"('timeout', 1)"
go long
ask 'extended' 202 '/short/life.php?do=extend&name=extend'
wait_for 20 ended
expect 'extended' "$(of_task 'task["state"]')" succeeded

# Two of one session: PHP lets one wait for the other, and both end.
for name in one two; do
	replay "session $name" "life.php?do=session&name=$name"
	eval "$name=\$id"
done
# shellcheck disable=SC2154 # by eval
for id in "$one" "$two"; do
	wait_for 20 ended "$id"
	expect 'of one session' "$(of_task 'task["state"]')" succeeded
done
expect 'one after the other' "$(grep -E ' (one|two) (locked|unlocks)' \
	"$T/php/ledger" | cut -d' ' -f4 | xargs)" 'locked unlocks locked unlocks'

# php-fpm is stopped: the tasks wait, and no attempt is counted.
stop "$fpm" TERM
rm -f "$PHP_SOCK"
waiting=()
for i in 1 2 3 4 5 6; do
	replay "stopped $i" "life.php?name=stopped$i"
	waiting+=("$id")
done
backed_off() {
	[ "$(lines "unreachable|cannot be reached|php.sock" "$T/outlastd.log")" -gt 0 ]
}
wait_for 10 backed_off
curl -s "http://127.0.0.1:$port/tasks/${waiting[0]}" >"$T/object"
error 'php-fpm is stopped'
expect 'it has not ended' "$(of_task 'task["ended"]')" None
say "outlastd says: $(grep -E 'php.sock' "$T/outlastd.log" | tail -1)"
start_fpm 6
for id in "${waiting[@]}"; do
	wait_for 60 ended "$id"
	expect 'goes on by itself, and no attempt was counted' "$(of_task \
		'task["state"], task["attempts_max"] - task["attempt"]')" \
		"('succeeded', 3)"
done
expect 'runs of those that waited' "$(noted ' stopped[1-6] begins')" 6

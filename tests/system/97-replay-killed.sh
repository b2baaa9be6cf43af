#!/bin/bash
# Recorded requests outlive outlastd: kill -9 of all its processes while they
# wait, and each comes to PHP with its own body and cookie, once. One that was
# running is run again where "retries" allows it, and has failed where not; a
# stop lets it end.
# Control: a "durable off" one is not there any more.
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/tasks.sh
. "$LIB/tasks.sh"
# shellcheck source=../lib/api.sh
. "$LIB/api.sh"
# shellcheck source=../lib/php.sh
. "$LIB/php.sh"

page note <<'END_PHP'
<?php
$line = "$_GET[name] " . ($_COOKIE['c'] ?? 'none') . ' ' .
    md5(file_get_contents('php://input')) . "\n";
file_put_contents(__DIR__ . '/../php/ledger', $line, FILE_APPEND);
$n = 0;
while (isset($_GET['hold']) && !file_exists(__DIR__ . "/../php/go") && $n++ < 1000)
	usleep(20000);
echo $line;
END_PHP

touch "$T/php/ledger"
chmod 666 "$T/php/ledger"
write_replay 'max_payload 8m; retries 1; backoff fixed 100ms;' "
	task once { fastcgi_pass unix:$PHP_SOCK; concurrency 4; }
	task off { fastcgi_pass unix:$PHP_SOCK; durable off; }"
start_tasks
start_ways '' "
	$(ways once "fastcgi_param OUTLAST_TASK once; fastcgi_pass unix:$sock;")
	$(ways off "fastcgi_param OUTLAST_TASK off; fastcgi_pass unix:$sock;")"

# all_killed: at one moment: none sees another one's end. Ready again.
all_killed() {
	local family
	family=$(children "$outlastd" | xargs)
	# shellcheck disable=SC2086 # words on purpose
	kill -STOP "$outlastd" $family
	# shellcheck disable=SC2086
	kill -KILL $family "$outlastd"
	stop "$outlastd" KILL
	start_tasks
}

# php-fpm is not there yet: all wait, small ones and one in a file.
for i in 1 2 3 4 5 6 7 8; do
	head -c $((i == 8 ? 3000000 : i * 1000)) /dev/urandom >"$T/body$i"
	replay "number $i" "note.php?name=n$i" -b "c=cookie$i" \
		--data-binary "@$T/body$i"
	eval "id$i=\$id"
	echo "n$i cookie$i $(md5sum <"$T/body$i" | cut -d' ' -f1)" >>"$T/wanted"
done
ask 'durable off' 202 '/off/note.php?name=off' -d x=1
off=$id
all_killed
expect 'the control: durable off' "$(http "/tasks/$off")" 404
start_fpm
for i in 1 2 3 4 5 6 7 8; do
	id="id$i"
	id=${!id}
	wait_for 60 ended
	expect "number $i: state, attempts left" "$(of_task \
		'task["state"], task["attempts_max"] - task["attempt"]')" \
		"('succeeded', 1)"
	http "/tasks/$id/result" >/dev/null
	expect "what PHP got" "$(cat "$T/body")" "$(sed -n "${i}p" "$T/wanted")"
done
expect 'runs' "$(sort "$T/php/ledger")" "$(sort "$T/wanted")"

# Running when all is killed.
noted() {
	[ "$(lines "^$1 " "$T/php/ledger")" = "$2" ]
}
replay 'that may be run again' 'note.php?name=again&hold=1' -d x=1
again=$id
ask 'that may not' 202 '/once/note.php?name=once&hold=1' -d x=1
once=$id
wait_for 10 noted again 1
wait_for 10 noted once 1
all_killed
wait_for 20 noted again 2
: >"$T/php/go"
wait_for 20 ended "$again"
expect 'run again' "$(of_task 'task["state"], task["attempt"]')" "('succeeded', 2)"
wait_for 20 ended "$once"
say "once: $(of_task 'task["attempt"], task["attempts_max"], task["error"]')"
expect 'not run again' "$(of_task 'task["state"], task["attempt"]')" "('failed', 1)"
wait_for 1 noted once 1

# A stop waits for it.
rm "$T/php/go"
replay 'at a stop' 'note.php?name=stop&hold=1' -d x=1
wait_for 10 noted stop 1
kill -TERM "$outlastd"
said_so() {
	[ "$(http /tasks/readyz)" != 200 ]
}
wait_for 10 said_so
: >"$T/php/go"
gone 30 "$outlastd" || fail 'the stop takes too long'
start_tasks
wait_for 10 ended
expect 'at a stop' "$(of_task 'task["state"], task["attempt"]')" "('succeeded', 1)"

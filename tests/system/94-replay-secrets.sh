#!/bin/bash
# Cookies and passwords of a recorded request: PHP gets them, no answer, object
# or log shows them, and when the task has ended no file of the state folder
# holds them, while outlastd runs and after it has stopped; a cancelled task's
# neither. What is dropped is never there.
# Control: while a task waits, its cookie is found in the state folder.
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/tasks.sh
. "$LIB/tasks.sh"
# shellcheck source=../lib/api.sh
. "$LIB/api.sh"
# shellcheck source=../lib/php.sh
. "$LIB/php.sh"

page who <<'END_PHP'
<?php
if (($_GET['status'] ?? 200) != 200)
	http_response_code((int) $_GET['status']);
$all = $_COOKIE['secret'] . $_SERVER['PHP_AUTH_PW'] . $_SERVER['HTTP_AUTHORIZATION'];
echo md5($all), ' ', isset($_SERVER['HTTP_X_TOKEN']) ? 'token' : 'no token', "\n";
END_PHP

start_fpm
write_replay 'drop_param HTTP_X_TOKEN; client_cancel on; retries 1; backoff fixed 100s;'
start_tasks
start_ways

cookie=cookie-$RANDOM-planted password=password-$RANDOM-planted
token=token-$RANDOM-planted header=header-$RANDOM-planted
basic=$(printf '%s' "jane:$password" | base64)
secrets=(-e "$cookie" -e "$password" -e "$basic" -e "$token")
with=(-H "Cookie: secret=$cookie" -H "Authorization: Basic $basic"
	-H "X-Token: $token" -H "X-Plain: $header")
wanted=$(printf '%s' "$cookie${password}Basic $basic" | md5sum | cut -d' ' -f1)

# found [GREP OPTION…]: how many files of the state folder hold one of them.
found() {
	grep -r -l -a -F "${@:-"${secrets[@]}"}" "$state" | wc -l
}

shown=$T/shown
: >"$shown"
show() {
	http "/tasks/$id" >/dev/null
	cat "$T/body" >>"$shown"
	cp "$T/body" "$T/object"
}

# It waits while php-fpm is not there: the store has it. The control.
stop "$fpm" TERM
rm -f "$PHP_SOCK"
replay 'waiting' who.php "${with[@]}"
waiting=$id
show
[ "$(found)" -gt 0 ] || fail 'the control: the cookie of a waiting task is nowhere'
[ "$(found -e "$header")" -gt 0 ] || fail 'the control: nor its headers'
expect 'what is dropped' "$(found -e "$token")" 0
replay 'to be cancelled' who.php "${with[@]}"
expect 'cancel' "$(http "/tasks/$id" -X DELETE)" 200

# A page that fails for good, one that is tried again, one that is cancelled
# then, and the one that waited.
start_fpm
id=$waiting
wait_for 30 ended
show
expect 'the result' "$(http "/tasks/$id/result")" 200
expect 'what PHP got' "$(cat "$T/body")" "$wanted no token"
replay 'that fails' 'who.php?status=403' "${with[@]}"
wait_for 10 ended
show
expect 'its state' "$(of_task 'task["state"]')" failed
replay 'that is tried again' 'who.php?status=500' "${with[@]}"
wait_for 10 in_state retrying "/tasks/$id"
show
[ "$(found)" -gt 0 ] || fail 'what is tried again has lost its cookie'
expect 'cancel' "$(http "/tasks/$id" -X DELETE)" 200
replay 'that succeeds' who.php "${with[@]}"
wait_for 10 ended
show
expect 'the result' "$(http "/tasks/$id/result")" 200
expect 'what PHP got' "$(cat "$T/body")" "$wanted no token"

# Nothing of it is left, once what was overwritten has been written over.
gone_from_disk() {
	[ "$(found)" = 0 ]
}
stop "$outlastd" TERM 20
gone_from_disk || fail "after the end: in $(grep -r -l -a -F "${secrets[@]}" "$state")"
expect 'shown' "$(grep -c -a -F "${secrets[@]}" "$shown")" 0
expect 'logged' "$(cat "$T"/outlastd.log "$T"/nginx.error.log |
	grep -c -a -F "${secrets[@]}")" 0

# A new life reads the tasks without them.
start_tasks
show
expect 'its state' "$(of_task 'task["state"]')" succeeded
expect 'its result' "$(http "/tasks/$id/result")" 200

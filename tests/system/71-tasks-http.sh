#!/bin/bash
# The task API through nginx, status by status: large payloads and results,
# keys, full queues, failures, and mistakes of the administrator.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/tasks.sh
. "$LIB/tasks.sh"
# shellcheck source=../lib/api.sh
. "$LIB/api.sh"

cat >"$T/work" <<'END'
#!/bin/sh
case $1 in
copy) exec cat ;;
fail) echo 'no such "picture"' >&2; exit 65 ;;
show) env ;;
esac
END
chmod 755 "$T/work"
cat >"$T/outlast.conf" <<-CONF
	$(main_directives)
	task copy {
		program $T/work copy; $program_user
		methods POST PUT;
		max_payload 8m; result_type text/html;
	}
	task fail { program $T/work fail; $program_user }
	task show {
		program $T/work show; $program_user
		context request_id remote_addr;
	}
	task held {
		program /bin/sleep 1000; $program_user
		max_waiting 1;
	}
	task secret { program $T/work copy; $program_user submit_by app; }
CONF
start_tasks
# shellcheck disable=SC2016 # nginx's variables
ways='
	set $task "";
	set $access "";
	set $odd "";
	if ($uri ~ "^/t/([a-z]+)$") { set $task $1; }
	if ($http_x_access) { set $access $http_x_access; }
	if ($uri = "/odd") { set $odd 1; }
	fastcgi_param OUTLAST_TASK $task;
	fastcgi_param OUTLAST_ACCESS $access;
	fastcgi_param OUTLAST_COLOUR $odd;
	fastcgi_param OUTLAST_SESSION $cookie_session;
	fastcgi_param REQUEST_ID $request_id;'
start_nginx keep "$sock" "$ways"

problem() {
	grep -q "^{\"type\":\"urn:outlast:problem:$1\"" "$T/body" ||
		fail "$1: $(cat "$T/body")"
}

# Large ones, there and back, with a length and without.
head -c 5000000 /dev/urandom >"$T/large"
for more in '' 'Transfer-Encoding: chunked'; do
	ask 'large payload' 202 /t/copy --data-binary "@$T/large" -H "$more"
	large=$id
	wait_for 10 in_state succeeded "/tasks/$large"
	ask 'large result' 200 "/tasks/$large/result"
	expect 'its length' "$(header Content-Length)" 5000000
	expect 'its type' "$(header Content-Type)" text/html
	cmp "$T/large" "$T/body" || fail 'the result is not the payload'
done
ask 'HEAD' 200 "/tasks/$large/result" -I
expect 'its length' "$(header Content-Length)" 5000000
ask 'part of it' 200 "/tasks/$large"
etag=$(header ETag)
ask 'known' 304 "/tasks/$large" -H "If-None-Match: $etag"
# The whole of it is taken, or nginx would not see why it is not.
head -c 30000000 /dev/zero >"$T/large"
too_large() {
	local i
	for i in 1 2 3 4 5; do
		ask "too large $i" 413 /t/copy --data-binary "@$T/large"
		problem payload-too-large
		ask "too large for nobody $i" 404 /tasks/ \
			--data-binary "@$T/large"
		problem not-found
	done
}
too_large
# Nor where it waits for the end of the connection.
stop "$nginx"
start_nginx fresh "$sock" "$ways"
too_large
stop "$nginx"
start_nginx keep "$sock" "$ways"
ask 'an empty one' 202 /t/copy -X PUT
wait_for 5 in_state succeeded "/tasks/$id"
ask 'its result' 200 "/tasks/$id/result"
expect 'its length' "$(header Content-Length)" 0
expect 'OPTIONS' "$(http /t/copy -X OPTIONS -D "$T/head")" 204
expect 'Allow' "$(header Allow)" 'HEAD, POST, PUT, OPTIONS'

# Keys.
ask 'first' 202 /t/copy -d one -H 'Idempotency-Key: "k"'
first=$id
ask 'again' 202 /t/copy -d one -H 'Idempotency-Key: k'
expect 'the same task' "$id" "$first"
expect 'said so' "$(header Outlast-Duplicate)" 1
ask 'another' 422 /t/copy -d two -H 'Idempotency-Key: k'
problem idempotency-key-reused
ask 'of another type' 202 /t/copy -d one -H 'Idempotency-Key: k' \
	-H 'Content-Type: text/plain' -b session=x
[ "$id" != "$first" ] || fail "a session's key found a task of nobody's"

# Sessions: the cookie is the key, and is stored nowhere.
session=$id
expect 'of the same session' "$(http "/tasks/$session" -b session=x)" 200
expect 'of another one' "$(http "/tasks/$session" -b session=y)" 404
expect 'of none' "$(http "/tasks/$session")" 404
ask 'secret session' 202 /t/copy -d one -b session=cookie-to-be-found
! grep -rqa cookie-to-be-found "$state" || fail 'the cookie is on disk'

# What travels with a task.
ask 'context' 202 /t/show -d x \
	-H 'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
wait_for 5 in_state succeeded "/tasks/$id"
ask 'its result' 200 "/tasks/$id/result"
grep -q '^REQUEST_ID=[0-9a-f]\{32\}$' "$T/body" || fail 'no REQUEST_ID'
grep -q '^REMOTE_ADDR=127.0.0.1$' "$T/body" || fail 'no REMOTE_ADDR'
grep -q '^TRACEPARENT=00-0af7651916cd43dd8448eb211c80319c-' "$T/body" ||
	fail 'no TRACEPARENT'

# Failures.
ask 'to fail' 202 /t/fail -d x
wait_for 5 in_state failed "/tasks/$id"
python3 - "$T/body" <<'END' || fail 'the object of a failed task'
import json, sys
task = json.load(open(sys.argv[1]))
error = task["error"]
assert (task["state"], task["attempt"]) == ("failed", 1), task
assert (error["kind"], error["exit"]) == ("exit", 65), error
assert error["stderr"] == 'no such "picture"\n', error
assert error["signal"] is None and task["result"] is None
END
ask 'its result' 502 "/tasks/$id/result"
problem task-failed
grep -q "\"instance\":\"/tasks/$id\"" "$T/body" || fail 'where is it?'

# A full queue: one runs, one waits.
ask 'runs' 202 /t/held -d x
running=$id
wait_for 5 in_state running "/tasks/$running"
ask 'waits' 202 /t/held -d x
waiting=$id
ask 'is too many' 503 /t/held -d x
problem queue-full
[ "$(header Retry-After)" -ge 1 ] || fail 'no Retry-After'
ask 'no result' 409 "/tasks/$running/result"
problem not-ended
[ "$(header Retry-After)" -ge 1 ] || fail 'no Retry-After'

# Access.
ask 'of an app only' 403 /t/secret -d x
problem access-too-low
ask 'as an app' 202 /t/secret -d x -H 'X-Access: app'
ask 'cancel' 403 "/tasks/$running" -X DELETE
ask 'cancel, as an app' 200 "/tasks/$waiting" -X DELETE -H 'X-Access: app'
# 202, unless it had ended when it was looked at.
code=$(http "/tasks/$running" -X DELETE -H 'X-Access: app')
[ "$code" = 202 ] || expect 'cancel what runs' "$code" 200
wait_for 5 in_state cancelled "/tasks/$running"

# Pages of other sites; the port is not 80.
for origin in 202:127.0.0.1:$port 403:127.0.0.1:1 403:evil.example:$port; do
	ask "from $origin" "${origin%%:*}" /tasks/copy -d x -H 'X-Access: app' \
		-H "Origin: http://${origin#*:}"
done

# Mistakes: 500 for the visitor, the name for the administrator.
for access in '/t/nosuch ' '/odd ' '/tasks/x root'; do
	path=${access% *}
	ask "$path" 500 "$path" -d x -H "X-Access: ${access#* }"
	problem misconfigured
	! grep -q OUTLAST_ "$T/body" || fail 'the visitor is told'
done
for word in 'exit 65 .*, "no such "picture""; not' \
	'no task type "nosuch"' 'OUTLAST_COLOUR: there is no such' \
	'client, app, viewer and operator: "root"'; do
	expect "lines of $word" "$(lines "$word" "$T/outlastd.log")" 1
done

# Odd paths lead nowhere.
for path in /tasks /tasks/ /tasks/%2e%2e/x "/tasks/$running/" \
	"/tasks/$running/x" "/tasks/$running/events" /tasks/ui/ /tasks/metrics /elsewhere; do
	expect "$path" "$(http "$path" --path-as-is)" 404
done
expect 'livez' "$(http /tasks/livez)" 200

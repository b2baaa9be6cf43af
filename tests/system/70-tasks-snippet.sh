#!/bin/bash
# nginx/tasks.conf as it is, but for addresses and files: tasks by visitors, by
# members, by the operator and by an application of ours, and what each of them
# may not see and do.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/tasks.sh
. "$LIB/tasks.sh"
# shellcheck source=../lib/api.sh
. "$LIB/api.sh"

cat >"$T/make-thumbnail" <<'END'
#!/bin/sh
read -r word
case $word in
slow) exec sleep 100 ;;
esac
echo "small $word"
END
chmod 755 "$T/make-thumbnail"
cat >"$T/outlast.conf" <<-CONF
	$(main_directives)
	task thumbnail {
		program $T/make-thumbnail;
		$program_user
		client_cancel on;
		concurrency 2;
	}
CONF
start_tasks

port=$(free_port)
mkdir "$T/app"
sed -e "s|127.0.0.1:8080|127.0.0.1:$port|" \
	-e "s|unix:/run/outlast/tasks.sock max|unix:$sock max|" \
	-e "s|listen unix:/run/outlast/app/|listen unix:$T/app/|" \
	-e "s|/etc/nginx/outlast\.|$T/outlast.|" \
	"$SRC/nginx/tasks.conf" >"$T/tasks.conf"
expect "lines that the substitution changed" \
	"$(diff "$SRC/nginx/tasks.conf" "$T/tasks.conf" | grep -c '^>')" 6
printf '%s\n' 'jane:{PLAIN}j' 'joe:{PLAIN}j' >"$T/outlast.users"
echo 'boss:{PLAIN}b' >"$T/outlast.operators"
start_published tasks.conf
serves_api() {
	[ "$(http /tasks/readyz)" = 200 ]
}
wait_for 5 serves_api

# A visitor: submit, look, fetch.
ask 'submit' 202 /thumbnail -d cat
expect 'Location' "$(header Location)" "/tasks/$id"

wait_for 5 in_state succeeded "/tasks/$id"
ask 'result' 200 "/tasks/$id/result"
expect 'the result' "$(cat "$T/body")" 'small cat'
expect 'nosniff' "$(header X-Content-Type-Options)" nosniff
expect 'sandbox' "$(header Content-Security-Policy)" sandbox
expect 'no such task' "$(http "/tasks/${id%?????}00000")" 404
expect 'a GET submits nothing' "$(http /thumbnail)" 405
expect 'a visitor may name no type' "$(http /tasks/thumbnail -d cat)" 403
grep -q 'access \\"app\\"' "$T/body" || fail 'it does not say which access'
expect 'nor give himself access' "$(http /tasks/thumbnail -d cat \
	-H 'Outlast-Access: app' -H 'OUTLAST_ACCESS: app')" 403

# And cancel.
ask 'submit' 202 /thumbnail -d slow
wait_for 5 in_state running "/tasks/$id"
expect 'no result yet' "$(http "/tasks/$id/result")" 409
code=$(http "/tasks/$id" -X DELETE)
# 202, unless it had ended when it was looked at.
[ "$code" = 202 ] || expect 'cancel' "$code" 200
wait_for 5 in_state cancelled "/tasks/$id"
expect 'cancel again' "$(http "/tasks/$id" -X DELETE)" 200
expect 'of a cancelled task' "$(http "/tasks/$id/result")" 410

# Members: each sees his own.
expect 'without a name' "$(http /private/thumbnail -d cat)" 401
ask 'of jane' 202 /private/thumbnail -d cat -u jane:j
expect 'Location' "$(header Location)" "/private/tasks/$id"
wait_for 5 in_state succeeded "/private/tasks/$id" -u jane:j
expect 'her result' "$(http "/private/tasks/$id/result" -u jane:j)" 200
expect "jane's, for joe" "$(http "/private/tasks/$id" -u joe:j)" 404
expect "jane's, for anybody" "$(http "/tasks/$id")" 404
expect "jane's result, for anybody" "$(http "/tasks/$id/result")" 404
expect "jane's, under a name without proof" \
	"$(http "/tasks/$id" -u jane:j)" 404
expect "jane's, to cancel for joe" \
	"$(http "/private/tasks/$id" -u joe:j -X DELETE)" 404

# The operator sees all, and alone may erase.
expect 'without a password' "$(http "/ops/tasks/$id")" 401
expect "jane's, for the operator" "$(http "/ops/tasks/$id" -u boss:b)" 200
grep -q '"owner":"jane"' "$T/body" || fail 'whose is it?'
expect 'to erase, for jane' \
	"$(http "/private/tasks/$id?purge=1" -u jane:j -X DELETE)" 403
expect 'to erase, from a page of another site' "$(http \
	"/ops/tasks/$id?purge=1" -u boss:b -X DELETE -H 'Origin: http://x')" 403
expect 'to erase' \
	"$(http "/ops/tasks/$id?purge=1" -u boss:b -X DELETE)" 204
expect 'what was erased' "$(http "/ops/tasks/$id" -u boss:b)" 404

# The application: any type, options, any owner.
app() {
	curl -s -o "$T/body" -D "$T/head" -w '%{http_code}' --max-time 20 \
		--unix-socket "$T/app/http.sock" "http://outlast$1" "${@:2}"
}
expect 'with options' "$(app '/tasks/thumbnail?delay=10m' -d cat \
	-H 'Outlast-Owner: jane' -H 'Outlast-Priority: 5')" 202
id=$(header Outlast-Task-Id)
expect 'its state' "$(header Outlast-State)" scheduled
[ "$(header Retry-After)" -ge 30 ] || fail 'Retry-After of a delayed task'
expect 'as jane sees it' "$(http "/private/tasks/$id" -u jane:j)" 200
expect 'an option that there is not' \
	"$(app '/tasks/thumbnail?dealy=10m' -d cat)" 400
expect 'a type that there is not' "$(app /tasks/nosuch -d cat)" 404
expect 'cancel before the start' "$(app "/tasks/$id" -X DELETE)" 200
expect 'its state' "$(header Outlast-State)" cancelled

#!/bin/bash
# Reloads while attempts of several users run: each ends as the user it began
# as, what starts later is the new one's, a type that is gone finishes what
# runs, and nobody's work is lost or run twice.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/roles.sh
. "$(dirname "$0")/../lib/roles.sh"

[ "$(id -u)" -eq 0 ] || skip 'only root has several users'
script work <<-'EOS'
	#!/bin/bash
	echo >>"$OUT/$1.up"
	until [ -e "$OUT/go" ]; do sleep 0.02; done
	touch "$TMPDIR/file" || exit 64
	printf '%s' "$(id -un)"
EOS
touch "$out"/{a,b,c}.up
chmod 666 "$out"/*.up
# one NAME USER
one() {
	echo "task $1 { program $T/work $1; user $2; env OUT $out; retries 0; }"
}
are_up() {
	[ "$(cat "$out"/*.up | wc -l)" = "$1" ]
}
is_result() {
	has_state "$1" succeeded && [ "$(ask "/$1/result" | tail -1)" = "$2" ]
}
hup() {
	: >"$T/outlastd.log"
	reload
	wait_for 5 said 'notice reloaded|not reloaded'
	said 'notice reloaded' || fail "$(tail -n 3 "$T/outlastd.log")"
}
write_roles "$(listen "$sock")" "$(one a nobody)" "$(one b mail)" \
	"$(one c games)"
start_outlastd
wait_for 5 is_ready
roles="$(role engine) $(role spawner)"
ids=()
for name in a b c; do
	submit $name
	ids+=("$id")
done
wait_for 5 are_up 3
# Users change places, and back, and one type goes.
write_roles "$(listen "$sock")" "$(one a mail)" "$(one b games)" \
	"$(one c nobody)"
hup
write_roles "$(listen "$sock")" "$(one a games)" "$(one b nobody)"
hup
for name in a b; do
	submit $name
	ids+=("$id")
done
expect 'a submit of the type that is gone' "$(answer /c --method POST --body 1)" 404
touch "$out/go"
i=0
for user in nobody mail games games nobody; do
	wait_for 10 is_result "${ids[i]}" $user
	i=$((i + 1))
done
expect 'runs' "$(cat "$out"/*.up | wc -l)" 5
expect 'engine and spawner' "$(role engine) $(role spawner)" "$roles"
stop "$outlastd"
expect 'exit status' "$exited" 0

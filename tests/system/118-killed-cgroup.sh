#!/bin/bash
# outlastd in a cgroup that was killed once, before it came: on some kernels
# whatever is started in a cgroup below it is killed at once. It does without
# then, and says so; tasks run.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/roles.sh
. "$(dirname "$0")/../lib/roles.sh"

mount=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
[ -n "$mount" ] || skip 'no cgroup v2 is mounted here'
cgroup=$mount$(sed -n 's/^0:://p' /proc/self/cgroup)/outlast-test.$$
mkdir "$cgroup" 2>/dev/null || skip 'no cgroup can be made here'
leave() {
	local status=$?
	trap - EXIT
	[ "$outlastd" = 0 ] || stop "$outlastd" TERM 10
	wait_for 5 rmdir "$cgroup"
	(exit $status)
	cleanup
}
trap leave EXIT
# shellcheck disable=SC2016 # for that shell
enter='echo $$ >"$0/cgroup.procs" && exec "$@"'
bash -c "$enter" "$cgroup" true || skip 'it cannot be entered'
bash -c "$enter" "$cgroup" sleep 1000 &
doomed=$!
lives_there() {
	grep -q "^$doomed$" "$cgroup/cgroup.procs"
}
wait_for 5 lives_there
echo 1 >"$cgroup/cgroup.kill" || skip 'it cannot be killed'
wait "$doomed" 2>/dev/null
write_roles "$(listen "$sock")" \
	"$(task t /bin/true 'retries 0; poison_after 1;')"
start outlastd bash -c "$enter" "$cgroup" "$OUTLASTD" -c "$T/outlast.conf"
outlastd=$pid
wait_for 5 is_ready
for _ in 1 2 3; do
	submit t
	wait_for 5 has_state "$id" succeeded
done
if said 'without cgroups of their own: .*killed at once'; then
	say 'this kernel kills what starts there'
else
	said 'programs run in cgroup' || fail "$(grep cgroup "$T/outlastd.log")"
	say 'this kernel does not'
fi

#!/bin/bash
# Reloads bring the first task, other listeners, and take the last task away;
# logs are reopened by all; in a stop submits are taken until the end, a running
# program finishes, and a second signal does not wait for it. And each role has
# the user, the descriptors and the folders that it should.
# alone: time is measured
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/roles.sh
. "$(dirname "$0")/../lib/roles.sh"

script nap <<-'EOS'
	#!/bin/bash
	echo "$OUTLAST_TASK_ID start" >>"$OUT/naps"
	sleep 1.5
	echo "$OUTLAST_TASK_ID end" >>"$OUT/naps"
EOS
pool_user=
[ "$(id -u)" -ne 0 ] || pool_user='user root;'
pool="pool app { listen unix:$T/app.sock; program $APP; $pool_user }"
# Beside standard error, which the test reads.
logs="log $T/extra.log info;"

# hup: reload, and wait until the log says how it went.
hup() {
	: >"$T/outlastd.log"
	reload
	wait_for 5 grep -q -E 'notice reloaded|not reloaded' "$T/outlastd.log"
	said 'notice reloaded' || fail "$(tail -n 3 "$T/outlastd.log")"
}

need "$APP"
write_roles "$logs" "$pool"
# Each process writes down the environment that it began with: in /proc it is
# overwritten by the title.
cat >"$T/look.c" <<-'C'
	#include <stdio.h>
	#include <unistd.h>
	static void look(void) __attribute__((constructor));
	static void look(void)
	{
		char path[sizeof(FOLDER) + 20];
		char **entry;
		FILE *f;

		snprintf(path, sizeof(path), FOLDER "/env.%d", (int)getpid());
		if ((f = fopen(path, "w")) == NULL)
			return;
		for (entry = environ; *entry != NULL; entry++)
			fprintf(f, "%s\n", *entry);
		fclose(f);
	}
C
"${CC:-cc}" -D_GNU_SOURCE "-DFOLDER=\"$out\"" -shared -fPIC -o "$T/look.so" \
	"$T/look.c" || fail 'it does not compile'
chmod 755 "$T/look.so"
# The master has the secret, and no role may.
LD_PRELOAD=$T/look.so SECRET=word start_outlastd
wait_for 5 grep -q 'ready, 1 pool$' "$T/outlastd.log"
no_role engine || fail 'an engine without tasks'
[ ! -e "$state" ] || fail 'a state folder without tasks'
app=$(serving)

# The first task.
write_roles "$logs" "$pool" "$(listen "$sock")" "$(task nap "$T/nap" 'concurrency 9;')"
hup
wait_for 5 is_ready
engine=$(role engine)
submit nap
wait_for 5 has_state "$id" succeeded

# Who they are.
engine_user=$(stat -c %U "/proc/$engine/status")
for fd in "/proc/$engine/fd"/*; do
	case $(readlink "$fd") in
	"$T/app.sock" | "$T/outlastd.pid") fail "the engine has $(readlink "$fd")" ;;
	esac
done
expect 'mode of store' "$(stat -c %a "$state/store")" 700
expect 'mode of scratch' "$(stat -c %a "$state/scratch")" 711
# Backends come through to their attempts' sockets, which the engine makes.
expect 'mode of notify' "$(stat -c %a "$state/notify")" 711
if [ "$(id -u)" -eq 0 ]; then
	expect 'uids of the engine' "$(sed -n 's/^Uid:\t//p' "/proc/$engine/status")" \
		"$(printf '1\t1\t1\t1')"
	expect 'groups of the engine' "$(sed -n 's/^Gid:\t//p' "/proc/$engine/status")" \
		"$(printf '1\t1\t1\t1')"
	expect 'other groups of the engine' \
		"$(sed -n 's/^Groups:\t//p' "/proc/$engine/status" | xargs)" \
		"$(id -G daemon)"
	expect 'uid of the spawner' \
		"$(sed -n 's/^Uid:\t//p' "/proc/$(role spawner)/status")" \
		"$(printf '0\t0\t0\t0')"
	# Not dumpable: its /proc is root's.
	expect 'who may look into the engine' "$engine_user" root
	expect 'owner of store' "$(stat -c %U "$state/store")" daemon
	expect 'owner of notify' "$(stat -c %U "$state/notify")" daemon
	expect 'owner of scratch' "$(stat -c %U "$state/scratch")" root
	expect 'owner and mode of state' "$(stat -c '%U %a' "$state")" 'root 1771'
fi
expect 'no_new_privs' "$(sed -n 's/^NoNewPrivs:\t//p' "/proc/$engine/status")" 1
grep -q ^SECRET= "$out/env.$outlastd" || fail 'this test sees nothing'
for role in engine spawner; do
	[ -s "$out/env.$(role $role)" ] || fail "not written down: the $role's"
	! grep ^SECRET= "$out/env.$(role $role)" ||
		fail "the $role has the environment of the master"
done

# A second listener, then without the first: same engine, same pool process.
write_roles "$logs" "$pool" "$(listen "$sock")" "$(listen "$T/two.sock")" "$(task nap "$T/nap" 'concurrency 9;')"
hup
ask_at=$T/two.sock wait_for 5 is_ready
is_ready || fail 'the first listener does not answer any more'
write_roles "$logs" "$pool" "$(listen "$T/two.sock")" "$(task nap "$T/nap" 'concurrency 9;')" "$(task other /bin/true)"
hup
wait_for 5 grep -q 'configuration 3 is in force' "$T/outlastd.log"
wait_for 5 test ! -e "$sock"
sock=$T/two.sock
is_ready || fail 'the second listener does not answer any more'
submit other
wait_for 5 has_state "$id" succeeded
expect 'the engine' "$(role engine)" "$engine"
expect 'the pool process' "$(serving)" "$app"

# What only a restart changes.
state=$T/elsewhere
# Not even after a reload that failed.
write_roles "$logs" "$pool" "$(listen "$T/no/such/folder.sock")" "$(task nap "$T/nap")"
: >"$T/outlastd.log"
reload
wait_for 5 grep -q 'not reloaded' "$T/outlastd.log"
write_roles "$logs" "$pool" "$(listen "$sock")" "$(task nap "$T/nap" 'concurrency 9;')"
hup
said 'warn a change of "state" needs a restart' || fail 'no word of state'
state=$T/state
kill -KILL "$engine"
wait_for 5 other_role engine "$engine"
wait_for 5 is_ready
[ ! -e "$T/elsewhere" ] || fail 'the next engine took the other state folder'

# The log's file, by all of them.
mv "$T/extra.log" "$T/extra.old"
kill -USR1 "$outlastd"
wait_for 5 grep -q 'logs reopened' "$T/extra.log"
# has_open ROLE FILE
has_open() {
	find "/proc/$(role "$1")/fd" -lname "$2" | grep -q .
}
for role in engine spawner; do
	wait_for 5 has_open $role "$T/extra.log"
	! has_open $role "$T/extra.old" || fail "the $role has the old file, too"
done
was=$(wc -l <"$T/extra.old")
kill -KILL "$(role spawner)"
wait_for 5 grep -q 'what it ran is lost' "$T/extra.log"
expect 'lines of the old file' "$(wc -l <"$T/extra.old")" "$was"

# No task any more, and then one again.
write_roles "$logs" "$pool"
hup
wait_for 10 no_role engine
wait_for 5 no_role spawner
wait_for 5 test ! -e "$sock"
expect 'the pool process' "$(serving)" "$app"
sock=$T/tasks.sock
write_roles "$logs" "$pool" "$(listen "$sock")" "$(task nap "$T/nap" 'concurrency 1;')"
hup
wait_for 5 is_ready

# The stop: what runs finishes, what comes is taken and not started.
rm -f "$out/naps"
submit nap
running=$id
wait_for 5 grep -q start "$out/naps"
kill -TERM "$outlastd"
wait_for 5 grep -q 'SIGTERM: stopping' "$T/outlastd.log"
expect 'readyz in the stop' "$(answer /readyz)" 503
submit nap
late=$id
stop "$outlastd" 0 10
expect 'exit code' "$exited" 0
grep -q "$running end" "$out/naps" || fail 'a running program was not waited for'
[ "$(grep -c "$late" "$out/naps")" = 0 ] || fail 'a task was started in the stop'
[ ! -e "$sock" ] || fail 'the socket was left behind'
tail -n 1 "$T/outlastd.log" | grep -q 'notice stopped after [0-9]*\.' ||
	fail "the last line is $(tail -n 1 "$T/outlastd.log")"
start_outlastd
wait_for 5 has_state "$late" succeeded

# A second signal: at once.
rm -f "$out/naps"
submit nap
wait_for 5 grep -q start "$out/naps"
kill -TERM "$outlastd"
wait_for 5 grep -q 'SIGTERM: stopping' "$T/outlastd.log"
start_watch
stop "$outlastd" TERM 20
within 1000 'gone after the second signal'
expect 'exit code' "$exited" 0
! grep -q end "$out/naps" || fail 'the program was waited for'

#!/bin/bash
# Programs that try to outlive their attempt: a double fork, sessions of their
# own, closed pipes, a bomb of 200, a flood of 1 GiB. When the task has ended,
# nothing of them is there. A neighbour's helper, as well hidden, lives on.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/tasks.sh
. "$LIB/tasks.sh"

trials=$((TRIALS > 1 ? TRIALS : 5))
mark=1$$$RANDOM
echo "$mark" >"$T/mark"
cat >"$T/runaway" <<END
#!/usr/bin/python3
import os, sys, time


def runaway(session=True):
    """A grandchild that sleeps; its environment is empty."""
    if os.fork():
        return
    if session:
        os.setsid()
    if os.fork():
        os._exit(0)
    for fd in range(3 if word == "closed" else 0):
        os.close(fd)
    os.execve("/bin/sleep", ["sleep", "$mark"], {})


word = sys.argv[1]
if word == "fork":
    runaway()
    os.wait()
elif word == "setsid":
    for i in range(3):
        runaway()
elif word == "closed":
    runaway()
    time.sleep(0.02)
elif word == "bomb":
    for i in range(200):
        runaway()
elif word == "flood":
    runaway()
    block = b"x" * 65536
    for i in range(16384):
        os.write(1, block)
END
cat >"$T/neighbour" <<END
#!/bin/sh
setsid env -i /bin/sleep 2$mark </dev/null >/dev/null 2>&1 &
exec sleep 1000
END
chmod 755 "$T/runaway" "$T/neighbour"
{
	cat <<-CONF
		$(main_directives)
		task neighbour { program $T/neighbour; timeout 7d; shutdown_delay 1s; $program_user }
	CONF
	for word in fork setsid closed bomb flood; do
		echo "task $word { program $T/runaway $word; $program_user retries 0; }"
	done
} >"$T/outlast.conf"
start_tasks

neighbours() {
	pgrep -fc "^/bin/sleep 2$mark\$"
}
python3 "$LIB/fcgi.py" "$sock" /tasks/neighbour --method POST \
	--param OUTLAST_ACCESS=app >"$T/neighbour.out"
wait_for 5 neighbours

timeout -k 5 $((trials * 20 + 60)) python3 "$LIB/contain.py" \
	"$T" "$sock" "$outlastd" "$trials" || fail 'see above'
expect "the neighbour's helper" "$(neighbours)" 1
grep 'runs\? in cgroup\|run without cgroups' "$T/outlastd.log"
stop "$outlastd" TERM 110
expect 'exit code' "$exited" 0
expect "the neighbour's helper, at the end" "$(neighbours)" 0

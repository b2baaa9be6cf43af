#!/bin/bash
# Clients that ask for large results and never read them, more than there are
# descriptors: tasks are taken and run nonetheless.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/tasks.sh
. "$LIB/tasks.sh"

cat >"$T/outlast.conf" <<-CONF
	$(main_directives)
	task large { program /usr/bin/head -c 3000000 /dev/zero; $program_user }
CONF
cat >"$T/limited" <<-END
	#!/bin/sh
	ulimit -n 256
	exec "$OUTLASTD" "\$@"
END
chmod 755 "$T/limited"
start_tasks "$T/limited"
PYTHONPATH=$LIB timeout -k 5 60 python3 - "$sock" <<'END' || fail 'see above'
import sys, time
import fcgi

LARGE = {"OUTLAST_TASK": "large"}


def submit(conn):
    conn.send(fcgi.request("/x", "POST", b"x" * 100000, LARGE))
    reply = conn.reply()
    assert reply.status == 202, reply.stdout
    return reply.stdout.split(b"Outlast-Task-Id: ")[1][:36].decode()


def run(conn):
    task = submit(conn)
    for _ in range(100):
        conn.send(fcgi.request(f"/tasks/{task}"))
        if b"Outlast-State: succeeded" in conn.reply().stdout:
            return task
        time.sleep(0.05)
    sys.exit(f"task {task} does not end")


first = fcgi.Conn(sys.argv[1])
task = run(first)
stalled = []
for _ in range(300):
    conn = fcgi.Conn(sys.argv[1])
    conn.send(fcgi.request(f"/tasks/{task}/result"))
    stalled.append(conn)
time.sleep(0.5)
for _ in range(5):
    run(first)
# Who waits has his turn when others go.
for conn in stalled[:-1]:
    conn.close()
last = stalled[-1].reply()
assert len(last.body) == 3000000, last.stdout[:200]
END
[ "$(lines 'limit of descriptors is near' "$T/outlastd.log")" -ge 1 ] ||
	fail 'there were enough of them: the test shows nothing'
! grep 'Too many open files' "$T/outlastd.log" || fail 'there are no more'

#!/bin/bash
# Sockets that a service manager opened (LISTEN_FDS) are those of the pool and
# of the tasks at their addresses: requests that came before outlastd are
# answered, an upgrade keeps them, a stop leaves their paths alone. What is no
# listening socket, or nobody's, is warned of. Variables for another process
# are passed over.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/roles.sh
. "$(dirname "$0")/../lib/roles.sh"

cat >"$T/activate.py" <<'PY'
# activate.py PID|0 COUNT PATH... -- COMMAND: the sockets as 3, 4 …, then a pipe
# if COUNT is one more; 0: with our own pid.
import os
import socket
import sys
split = sys.argv.index("--")
pid, count, paths = sys.argv[1], int(sys.argv[2]), sys.argv[3:split]
keep = []
for n, path in enumerate(paths):
    s = socket.socket(socket.AF_UNIX)
    if not os.path.exists(path):
        s.bind(path)
        s.listen(100)
        os.chmod(path, 0o666)
    keep.append(s.detach())
if count > len(paths):
    keep.append(os.pipe()[0])
high = [os.dup2(fd, 100 + n) for n, fd in enumerate(keep)]
for n, fd in enumerate(high):
    os.dup2(fd, 3 + n)
os.closerange(3 + len(high), 200)
os.environ["LISTEN_PID"] = pid if pid != "0" else str(os.getpid())
os.environ["LISTEN_FDS"] = str(count)
print("listening", flush=True)
import time
time.sleep(float(os.environ.get("WAIT", "0")))
os.execv(sys.argv[split + 1], sys.argv[split + 1:])
PY
script job <<'SH'
#!/bin/sh
cat
SH
pool_user=
[ "$(id -u)" -ne 0 ] || pool_user='user root;'
write_roles "$(listen "$sock")" "$(task job "$T/job")" \
	"pool app { listen unix:$T/app.sock mode=0600; program $APP; $pool_user }"

WAIT=1.5 start outlastd python3 "$T/activate.py" 0 4 "$T/app.sock" "$sock" \
	"$T/nobody.sock" -- "$OUTLASTD" -c "$T/outlast.conf"
outlastd=$pid
wait_for 5 said listening
# It is not there yet; the request waits.
inode=$(stat -c %i "$T/app.sock")
python3 "$LIB/fcgi.py" "$T/app.sock" /pid --timeout 20 >"$T/early" ||
	fail 'the early request got no answer'
wait_for 20 is_ready
submit job
wait_for 10 has_state "$id" succeeded
expect 'the path of the pool' "$(stat -c %i "$T/app.sock")" "$inode"
expect 'its mode' "$(stat -c %a "$T/app.sock")" 666
said 'descriptor 6 of LISTEN_FDS is no listening' || fail 'no word of the pipe'
said "listen unix:$T/nobody.sock: came from the service manager, and nothing" ||
	fail 'no word of the socket that nobody uses'
[ "$(lines 'is not ours any more' "$T/outlastd.log")" = 0 ] ||
	fail 'it takes a path for its own'

# Gone from the configuration and back, without a new socket; then an upgrade.
cp "$T/outlast.conf" "$T/full.conf"
grep -v '^pool app' "$T/full.conf" >"$T/outlast.conf"
reload
wait_for 10 said 'pool app is gone'
cp "$T/full.conf" "$T/outlast.conf"
reload
wait_for 10 serves
kill -USR2 "$outlastd"
wait_for 30 said 'took over, pid'
wait_for 20 is_ready
serves || fail 'the pool does not serve after the upgrade'
expect 'the path after the upgrade' "$(stat -c %i "$T/app.sock")" "$inode"
grep -q LISTEN_ <(tr '\0' '\n' <"/proc/$(pgrep -P "$outlastd" bench_app)/environ") &&
	fail 'the variables are handed down'
stop "$outlastd" TERM 20
expect 'the path after a stop' "$(stat -c %i "$T/app.sock")" "$inode"
expect 'exit status' "$exited" 0

# Somebody else's variables.
rm -f "$T/app.sock" "$sock" "$T/nobody.sock"
: >"$T/outlastd.log"
start outlastd python3 "$T/activate.py" 1 1 "$T/app.sock" -- \
	"$OUTLASTD" -c "$T/outlast.conf"
outlastd=$pid
wait_for 10 said 'another server answers there'
gone 10 "$outlastd" || fail 'it runs on a socket that is not its own'

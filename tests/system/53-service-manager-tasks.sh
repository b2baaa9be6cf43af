#!/bin/bash
# What outlastd with tasks tells the service manager: READY only when submits
# are taken, how many tasks run, and how long a stop takes when a program in it
# asks for more time, again and again.
# alone: time is measured
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/roles.sh
. "$(dirname "$0")/../lib/roles.sh"

cat >"$T/manager.py" <<'PY'
import socket
import sys
sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sock.bind(sys.argv[1])
while True:
    print(sock.recv(4096).decode().split("\n"), flush=True)
PY
# Asks 500 times a second for another second, until it has had three.
script greedy <<'PY'
#!/usr/bin/python3
import os
import signal
import socket
import time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sock.connect(os.environ["NOTIFY_SOCKET"])
end = time.monotonic() + 3
while time.monotonic() < end:
    try:
        sock.send(b"EXTEND_TIMEOUT_USEC=1000000", socket.MSG_DONTWAIT)
    except BlockingIOError:
        pass
    time.sleep(0.002)
PY

told() {
	grep -q -e "$1" "$T/manager.log"
}

start manager python3 "$T/manager.py" "$T/manager.sock"
wait_for 5 test -S "$T/manager.sock"
write_roles 'shutdown_delay_max 10s;' "$(listen "$sock")" \
	"$(task greedy "$T/greedy" 'shutdown_delay 1s;')"
sed -i 's/shutdown_delay 5s; kill_grace 1s/shutdown_delay 1s; kill_grace 200ms/' \
	"$T/outlast.conf"

# Another outlastd has the store: the engine cannot be ready.
sed "s|$T/outlastd.pid|$T/first/outlastd.pid|; s|$sock|$T/first.sock|" \
	"$T/outlast.conf" >"$T/first.conf"
mkdir "$T/first"
start first "$OUTLASTD" -c "$T/first.conf"
first=$pid
ask_at=$T/first.sock wait_for 5 is_ready
NOTIFY_SOCKET=$T/manager.sock start_outlastd
wait_for 5 told "'STATUS=0 of 1 processes ready'"
wait_for 5 grep -q 'the engine died' "$T/outlastd.log"
sleep 0.5
told READY=1 && fail 'READY without an engine'
stop "$first" TERM
wait_for 10 told "'READY=1'"
is_ready || fail 'READY before submits are taken'

submit greedy
wait_for 5 told "'STATUS=1 of 1 processes ready, 1 tasks running'"
start_watch
kill -TERM "$outlastd"
wait_for 2 told "'STATUS=stopping, 2 processes and 1 tasks left'"
stop "$outlastd" 0 10
within 4500 'the stop'
expect 'exit code' "$exited" 0
[ $took -gt 1500 ] ||
	fail "the program was not given its time: $took ms"
words=$(lines EXTEND_TIMEOUT_USEC "$T/manager.log")
say "$words words of the extension"
{ [ "$words" -ge 3 ] && [ "$words" -le $((8 + stalled / 1000)) ]; } ||
	fail "$words words of the extension"
! said 'says too much' || fail 'the engine was taken for broken'
! said 'the engine was killed' || fail 'the engine was killed'
said 'greedy: attempt 1 succeeded' || fail "no end of the task: $(tail -n 3 "$T/outlastd.log")"

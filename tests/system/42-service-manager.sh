#!/bin/bash
# What outlastd tells the service manager: READY once each pool has a process
# that is ready and not before, also not after a reload; a reload; a stop, and
# how long it may take, again when a process is granted more time.
# alone: time is measured
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

cat >"$T/manager.py" <<'PY'
import socket
import sys
import time
sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sock.bind(sys.argv[1])
while True:
    print(time.monotonic_ns() // 1000, sock.recv(4096).decode().split("\n"), flush=True)
PY
# Ready after a second; asks for six seconds when it is told to leave, though
# only 4 are allowed, and uses 2.
cat >"$T/slow.py" <<'PY'
#!/usr/bin/python3
import os
import signal
import socket
import time
sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sock.connect(os.environ["NOTIFY_SOCKET"])
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
time.sleep(1)
sock.send(b"READY=1")
signal.sigwait([signal.SIGTERM])
time.sleep(0.3)
sock.send(b"EXTEND_TIMEOUT_USEC=6000000")
time.sleep(float(os.environ["NEEDS"]))
PY
chmod +x "$T/slow.py"

told() {
	grep -q -F -e "$1" "$T/manager.log"
}

start manager python3 "$T/manager.py" "$T/manager.sock"
manager=$pid
wait_for 5 test -S "$T/manager.sock"
pool_more='shutdown_delay 1s; shutdown_delay_max 4s; kill_grace 500ms;
	env NEEDS 2;'
write_conf 1 "$T/slow.py"
NOTIFY_SOCKET=$T/manager.sock start_outlastd
wait_for 5 told "'STATUS=0 of 1 processes ready'"
reload
wait_for 5 grep -q 'notice reloaded' "$T/outlastd.log"
sleep 0.2
told READY=1 && fail 'it said READY before it was'
told RELOADING && fail 'a reload before READY'
wait_for 5 told "'READY=1'"
: >"$T/manager.log"
reload
wait_for 5 told "'READY=1'"
grep -q "'RELOADING=1', 'MONOTONIC_USEC=[0-9]*'" "$T/manager.log" ||
	fail 'no word of the reload'

start_watch
stop "$outlastd" TERM 8
within 3500 'the stop'
expect 'exit status' "$exited" 0
told "'STOPPING=1'" || fail 'no word of the stop'
told "'EXTEND_TIMEOUT_USEC=3000000'" || fail 'no word of how long it takes'
# 4 s from the stop's begin, 0.3 s of them gone, and two more: for the
# reaping, and because it says nothing of less than a second.
usec=$(sed -n 's/.*EXTEND_TIMEOUT_USEC=\([0-9]*\).*/\1/p' "$T/manager.log" |
	tail -n 1)
{ [ "$usec" -gt $((5000000 - stalled * 1000)) ] && [ "$usec" -lt 5750000 ]; } ||
	fail "of the extension it said $usec us"
told "'STATUS=stopping, 1 processes left'" || fail 'no status'
[ $took -gt 2200 ] ||
	fail 'the process was not given the time that it needed'
grep -q 'asks for 2\.[0-9] s more than shutdown_delay_max' "$T/outlastd.log" ||
	fail 'the log does not say what was refused'
grep -q 'asked for more time: 3\.0 s more, 3\.[0-9] s left' "$T/outlastd.log" ||
	fail 'the log does not say what was granted'

# A service manager that is busy, its queue full, learns of READY later.
pool_more='shutdown_delay 1s;'
write_conf 1 "$APP"
: >"$T/manager.log"
: >"$T/outlastd.log"
kill -STOP "$manager"
python3 - "$T/manager.sock" <<'PY'
import socket
import sys
sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sock.connect(sys.argv[1])
sock.setblocking(False)
try:
    while True:
        sock.send(b"noise")
except BlockingIOError:
    pass
PY
NOTIFY_SOCKET=$T/manager.sock start_outlastd
wait_for 5 grep -q 'ready, 1 pool$' "$T/outlastd.log"
sleep 0.3
kill -CONT "$manager"
wait_for 2 told "'READY=1'"
stop "$outlastd" TERM 8
[ "$(lines 'warn|error' "$T/outlastd.log")" = 0 ] || fail 'the log complains'
pool_more='shutdown_delay 1s; shutdown_delay_max 4s; kill_grace 500ms;
	env NEEDS 60;'

# One that asks a hundred times in a second: a word of it now and then.
cat >"$T/greedy.py" <<'PY'
#!/usr/bin/python3
import os
import signal
import socket
import time
sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sock.connect(os.environ["NOTIFY_SOCKET"])
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
sock.send(b"READY=1")
signal.sigwait([signal.SIGTERM])
for _ in range(100):
    sock.send(b"EXTEND_TIMEOUT_USEC=1500000")
    time.sleep(0.01)
PY
chmod +x "$T/greedy.py"
write_conf 2 "$T/greedy.py"
: >"$T/manager.log"
NOTIFY_SOCKET=$T/manager.sock start_outlastd
wait_for 5 told "'READY=1'"
start_watch
stop "$outlastd" TERM 8
stop_watch
words=$(lines EXTEND_TIMEOUT_USEC "$T/manager.log")
# One a second: its hundred may take longer where others have the machine.
{ [ "$words" -ge 2 ] && [ "$words" -le $((3 + stalled / 1000)) ]; } ||
	fail "$words words of the extension"

# One that needs more than it may have is ended at the extended deadline.
write_conf 3 "$T/slow.py"
: >"$T/manager.log"
NOTIFY_SOCKET=$T/manager.sock start_outlastd
wait_for 5 told "'READY=1'"
start_watch
stop "$outlastd" TERM 8
within 4500 'the stop at the extended deadline'
[ $took -ge 4000 ] || fail "the deadline was not the extended one: $took ms"

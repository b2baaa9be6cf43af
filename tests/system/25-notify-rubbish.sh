#!/bin/bash
# What a process says on its notify socket cannot hurt the master: neither
# rubbish nor a flood; nor does it believe numbers that are none. Controls: a
# receiver that writes down what it gets, whose log must be forged and flooded;
# and the same process's proper STOPPING=1, which must be believed.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

cat >"$T/rubbish.py" <<'PY'
#!/usr/bin/python3
import os
import random
import signal
import socket
import time
seed = int(os.environ["SEED"])
rng = random.Random(seed)
sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sock.connect(os.environ["NOTIFY_SOCKET"])
fixed = [
    b"", b"\0", b"=", b"\n", b"READY", b"READY=", b"READY=0", b"READY=2",
    b"EXTEND_TIMEOUT_USEC=-1", b"EXTEND_TIMEOUT_USEC=99999999999999999999",
    b"X_OUTLAST_TASKS=-5", b"X_OUTLAST_PROGRESS=101 x", b"STATUS=" + b"x" * 2000,
    b"STATUS=\x1b[2J\r\nforged line", b"STATUS=\x1b[2J\rcleared", b"A" * 60000,
    b"MAINPID=1", b"FDSTORE=1", b"STOPPING=0", b"WATCHDOG=trigger",
    b"\xff" * 100, b"READY=1\0STOPPING=1",
]


def send(data):
    try:
        sock.send(data)
    except OSError:
        pass


for data in fixed:
    sock.send(data) if len(data) < 50000 else send(data)
    time.sleep(0.005)
for i in range(3000):
    send(rng.randbytes(rng.randrange(600)))
    if i % 10 == 0:
        time.sleep(0.001)
signal.signal(signal.SIGUSR1, lambda signo, frame: sock.send(b"STOPPING=1"))
print("rubbish sent, seed", seed, flush=True)
sock.send(b"READY=1\nSTATUS=fine")
while True:
    time.sleep(60)
PY
chmod +x "$T/rubbish.py"
forged() {
	grep -q -a -P '\x1b|^forged' "$1"
}
flooded() {
	[ "$(wc -l <"$1")" -ge 500 ]
}
leaves() {
	grep -q 'leaves (by itself)' "$T/outlastd.log"
}

cat >"$T/naive.py" <<'PY'
import os
import socket
import sys
sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sock.bind(sys.argv[1])
while True:
    sys.stdout.buffer.write(sock.recv(65536) + b"\n")
    sys.stdout.flush()
PY
start naive python3 "$T/naive.py" "$T/naive.sock"
naive=$pid
wait_for 5 test -S "$T/naive.sock"
start sender env SEED="$SEED" NOTIFY_SOCKET="$T/naive.sock" "$T/rubbish.py"
sender=$pid
wait_for 30 grep -a -q STATUS=fine "$T/naive.log"
stop "$sender" KILL
stop "$naive" KILL
forged "$T/naive.log" || fail 'the control did not fall: nothing is forged'
flooded "$T/naive.log" || fail 'the control did not fall: no flood'

pool_more="env SEED $SEED; shutdown_delay 2s;"
write_conf 1 "$T/rubbish.py"
start_outlastd
wait_for 30 grep -q 'rubbish sent' "$T/outlastd.log"
child=$(children "$outlastd")
sleep 0.5
alive "$outlastd" || fail 'the master died'
expect 'the child' "$(children "$outlastd")" "$child"
forged "$T/outlastd.log" && fail 'the log was forged'
flooded "$T/outlastd.log" && fail 'the log was flooded'
leaves && fail 'the child was believed to leave'
before=$(cpu_ms "$outlastd")
sleep 1
[ $(($(cpu_ms "$outlastd") - before)) -lt 100 ] || fail 'the master spins'
# It still listens, and acts.
kill -USR1 "$child"
wait_for 5 leaves
write_conf 2 "$APP"
reload
wait_for 10 serves
stop "$outlastd" TERM 8
expect 'exit status' "$exited" 0

#!/bin/bash
# A stop ends within the budget, whatever the items, the program or its signal
# handlers do; and what was not finished is named.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

pool_more='shutdown_delay 3s; shutdown_delay_max 3s; kill_grace 1s;'
# took SECONDS WHAT: since $begin, with half a second of grace.
took() {
	local ms=$(($(now_ms) - begin))
	say "$2: $ms ms"
	[ $ms -le $(($1 * 1000 + 500)) ] || fail "$2: $ms ms of $1 s"
}

# An item that takes a minute and does not listen.
write_conf 1 "$APP"
start_outlastd
wait_for 10 serves
python3 "$LIB/fcgi.py" "$T/app.sock" '/item?id=stubborn&ms=60000' >/dev/null
python3 "$LIB/fcgi.py" "$T/app.sock" '/item?id=minds&ms=60000&mind=1' >/dev/null
python3 "$LIB/fcgi.py" "$T/app.sock" '/item?id=greedy&ms=60000&extend=900' \
	>/dev/null
old=$(serving)
begin=$(now_ms)
stop "$outlastd" TERM 8
took 3 'stop with a stubborn item'
alive "$old" && fail 'the process outlived its budget'
expect 'the item that minds' "$(lines '^end minds [0-9]+ fail 1' "$T/ledger")" 1
grep -q stubborn "$T/outlastd.log" || fail 'the log does not name the lost item'

# A recycle has the same budget.
rm -f "$T/ledger"
start_outlastd
wait_for 10 serves
python3 "$LIB/fcgi.py" "$T/app.sock" '/item?id=stubborn&ms=60000' >/dev/null
old=$(serving)
begin=$(now_ms)
write_conf 2 "$APP"
reload
gone 8 "$old" || fail 'the retired process outlived its budget'
took 3 'recycle with a stubborn item'
wait_for 1 serves_other "$old"
stop "$outlastd" TERM 8

# A program that ignores SIGTERM, and one that is stopped.
cat >"$T/deaf.py" <<'PY'
#!/usr/bin/python3
import os
import signal
import socket
import time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sock.connect(os.environ["NOTIFY_SOCKET"])
sock.send(b"READY=1")
print("deaf", os.getpid(), flush=True)
if os.environ.get("FREEZE"):
    os.kill(os.getpid(), signal.SIGSTOP)
while True:
    time.sleep(60)
PY
chmod +x "$T/deaf.py"
for freeze in '' 'env FREEZE 1;'; do
	: >"$T/outlastd.log"
	base_more=$pool_more
	pool_more="$pool_more $freeze"
	write_conf 3 "$T/deaf.py"
	start_outlastd
	wait_for 10 grep -q deaf "$T/outlastd.log"
	deaf=$(children "$outlastd" | head -1)
	sleep 0.3
	begin=$(now_ms)
	stop "$outlastd" TERM 8
	took 3 "stop of a deaf program $freeze"
	alive "$deaf" && fail 'it is still there'
	pool_more=$base_more
done

# A second TERM means now.
write_conf 4 "$APP"
start_outlastd
wait_for 10 serves
python3 "$LIB/fcgi.py" "$T/app.sock" '/item?id=stubborn&ms=60000' >/dev/null
begin=$(now_ms)
kill -TERM "$outlastd"
sleep 0.3
stop "$outlastd" TERM 3
took 1 'stop with a second TERM'

#!/bin/bash
# outlastctl where things go wrong: another user, who may read at most; a daemon
# that hangs; 200 callers at once; rubbish on the socket; and 30 recycles by
# command under load, of which no request sees anything. And "notify", from
# within a program.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

CTL=$BUILD/src/ctl/outlastctl
need "$APP" "$CTL" "$LOAD"
export OUTLAST_CONTROL=$T/control.sock

# ctl CODE WORD...
ctl() {
	local code=$1 got=0
	shift
	timeout -k 5 60 "$CTL" "$@" >"$T/out" 2>"$T/err" || got=$?
	[ "$got" = "$code" ] || {
		cat "$T/out" "$T/err"
		fail "outlastctl $*: exit $got, not $code"
	}
}

pool_more='processes 2;'
write_conf 1 "$APP"
echo "control unix:$T/control.sock mode=0600;" >>"$T/outlast.conf"
start_outlastd
wait_for 10 serves

say 'notify'
python3 - "$T/notify.sock" >"$T/heard" <<'PY' &
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
s.settimeout(30)
for _ in range(3):
    print(repr(s.recv(1000)), flush=True)
PY
pids+=($!)
wait_for 10 test -S "$T/notify.sock"
export OUTLAST_NOTIFY=$T/notify.sock
ctl 0 notify --progress 45 'drawing page 3'
ctl 0 notify --extend 1m30s --status hello
OUTLAST_NOTIFY='' NOTIFY_SOCKET=$T/notify.sock ctl 0 notify --ready
heard() {
	[ "$(wc -l <"$T/heard")" = 3 ]
}
wait_for 10 heard
expect 'heard' "$(cat "$T/heard")" "b'X_OUTLAST_PROGRESS=45 drawing page 3\\n'
b'STATUS=hello\\nEXTEND_TIMEOUT_USEC=90000000\\n'
b'READY=1\\n'"
ctl 64 notify
ctl 64 notify --progress 101
ctl 64 notify --progress 5 $'a\nREADY=1'
ctl 64 notify --extend soon
ctl 64 notify words
ctl 64 notify --progress 5 "$(printf '%600s' x)"
ctl 69 notify --ready
OUTLAST_NOTIFY='' NOTIFY_SOCKET='' ctl 69 notify --ready

say 'recycles under load'
start_nginx keep "$T/app.sock"
start recycles bash -c 'for i in {1..30}; do
	"$0" pool recycle app >/dev/null || exit 1
done' "$CTL"
recycles=$pid
while alive "$recycles"; do
	load --rate 200 --seconds 2 --connections 16 "http://127.0.0.1:$port/pid"
	expect 'lost' "$(lost)" 0
done
wait "$recycles"
expect 'recycles' $? 0
ctl 0 --json status
[ "$(python3 -c 'import json, sys
print(json.load(open(sys.argv[1]))["pools"][0]["processes"][0]["generation"])' \
	"$T/out")" -ge 31 ] || fail 'not 30 generations'

say '200 at once'
callers=()
for i in {1..200}; do
	timeout -k 5 60 "$CTL" --timeout 50s --json status >"$T/caller.$i" 2>&1 &
	callers+=($!)
done
for i in "${!callers[@]}"; do
	wait "${callers[i]}" || {
		cat "$T/caller.$((i + 1))"
		fail "caller $i"
	}
done
expect 'answers' "$(cat "$T"/caller.* | grep -c '^{"ok":true')" 200

say 'rubbish'
before=$(descriptors "$outlastd")
timeout -k 5 60 python3 - "$T/control.sock" "$SEED" <<'PY' || fail 'rubbish'
import random, socket, sys, time
random.seed(int(sys.argv[2]))
def reach():
    # Those at once are few: the others wait.
    for _ in range(2000):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        s.settimeout(20)
        try:
            s.connect(sys.argv[1])
            return s
        except BlockingIOError:
            time.sleep(0.01)
    sys.exit("nobody listens")
for i in range(300):
    s = reach()
    kind = i % 4
    if kind == 0:
        s.send(random.randbytes(random.randrange(1, 600)))
        assert s.recv(8192).startswith(b'.{"ok":false'), i
    elif kind == 1:
        s.send(b"stop app" + random.randbytes(5))
        assert s.recv(8192).startswith(b'.{"ok":false'), i
    elif kind == 2:
        s.send(b"pools" + b"\0" * 100000)
        assert s.recv(8192).startswith(b'.{"ok":false'), i
    else:
        s.send(b"status")
    s.close()
PY
ctl 0 status
same() {
	[ "$(descriptors "$outlastd")" -le "$before" ]
}
wait_for 10 same
expect 'who serves' "$([ -n "$(serving)" ] && echo yes)" yes

say 'a daemon that hangs'
kill -STOP "$outlastd"
start_watch
ctl 75 --timeout 1s status
grep -q 'does not answer' "$T/err" || fail 'nothing about an answer'
within 3000 'the answer that did not come'
kill -CONT "$outlastd"
ctl 0 status

[ "$(id -u)" -eq 0 ] || skip 'not root: no other user to try it as'
command -v setpriv >/dev/null || skip 'no setpriv'
say 'another user'
cp "$CTL" "$T/outlastctl"
CTL=$T/outlastctl
if [ -e "$BUILD/src/ctl/.libs/outlastctl" ]; then
	cp "$BUILD/src/ctl/.libs/outlastctl" "$T/outlastctl"
fi
chmod 755 "$T" "$T/outlastctl"
other() {
	local code=$1 got=0
	shift
	setpriv --reuid 65534 --regid 65534 --clear-groups \
		"$CTL" "$@" >"$T/out" 2>"$T/err" || got=$?
	expect "exit of outlastctl $* as nobody" "$got" "$code"
}
other 77 status
grep -q 'call outlastctl as root' "$T/err" || fail 'no word of what to do'
stop "$outlastd"
sed -i 's/mode=0600/mode=0666/' "$T/outlast.conf"
start_outlastd
wait_for 10 serves
other 0 status
other 77 pool stop app
other 77 pool recycle app
other 77 reload
grep -q "only root and the daemon's user" "$T/err" || fail 'no word of why'
wait_for 10 serves

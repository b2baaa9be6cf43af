#!/bin/bash
# The FastCGI server of src/fcgi is replaced every 200 ms behind nginx, while
# POSTs come on kept connections: none is lost. The control closes its
# connections when it ends, and loses some. One trial: ten replacements.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

SERVER=$BUILD/bench_server
need "$SERVER" "$LOAD"
seconds=$((2 * (TRIALS > 1 ? TRIALS : 1) + 1))

# A listener of nobody's: each server inherits it as descriptor 0, is ready
# before the last one is told to go, and TERM or USR1 is how it is told.
cat >"$T/replace.py" <<'PYTHON'
import signal, socket, subprocess, sys, time
server, path, how, seconds = sys.argv[1:]
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen(1000)
end, now, old, n = time.time() + float(seconds), None, [], 0
while time.time() < end:
    new = subprocess.Popen([server], stdin=listener)
    time.sleep(0.05)
    if now is not None:
        now.send_signal(getattr(signal, "SIG" + how))
        old.append(now)
        n += 1
    now = new
    time.sleep(0.15)
time.sleep(1.5)
late = sum(p.poll() is None for p in old)
print(f"RESULT replaced={n} late={late}", flush=True)
for p in old + [now]:
    p.kill()
PYTHON

# replaced TERM|USR1: what was lost, in $lost.
replaced() {
	start "replace$1" python3 "$T/replace.py" "$SERVER" "$T/$1.sock" "$1" \
		$((seconds + 1))
	local replacer=$pid
	wait_for 5 test -S "$T/$1.sock"
	wait_for 5 answers "$T/$1.sock"
	start_nginx keep "$T/$1.sock"
	load --connections 32 --seconds "$seconds" --post 100 \
		"http://127.0.0.1:$port/x"
	lost=$(lost)
	sent=$(field sent)
	stop "$nginx"
	gone 10 "$replacer" || fail 'the replacer hangs'
	result=$(grep ^RESULT "$T/replace$1.log") || fail 'no replacements'
	say "$1: $sent sent, $lost lost, $(field replaced) replaced"
	[ "$(field replaced)" -ge 9 ] || fail 'too few replacements'
}

replaced TERM
expect 'lost requests' "$lost" 0
expect 'servers that did not end' "$(field late)" 0
for try in 1 2 3; do
	rm -f "$T"/*.sock "$T"/replaceUSR1.log
	replaced USR1
	[ "$lost" = 0 ] || exit 0
	say "the control lost nothing in try $try"
done
fail 'the control lost nothing: this test shows nothing'

#!/bin/bash
# A request to a FastCGI backend, read by a decoder that was made from the
# specification alone (tests/lib/strict.py): bodies of all sizes, in memory and
# in a file, arrive as one request with equal bytes and nothing behind it, also
# where a record's length ends. Control: the decoder refuses each request of a
# wrong sender, and a real request with any bit turned, any byte gone or more.
# One trial: each hundredth size up to 70 000, and those around a record's
# length; 100 trials: all sizes.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

ASK=$BUILD/bench_ask
need "$ASK"
trials=$((TRIALS > 0 ? TRIALS : 1))

# --- the control: what is refused --------------------------------------------

cat >"$T/control.py" <<'PY'
import socket
import subprocess
import sys

import fcgi
import strict
from fcgi import record, begin, stream, pairs, PARAMS, STDIN

ask, path = sys.argv[1:]
sys.stdout.reconfigure(line_buffering=True)


def taken(data):
    """What the decoder makes of it; None: refused."""
    try:
        return strict.decode_bytes(data)
    except strict.Wrong:
        return None


def real_request():
    """The bytes that the sender sends."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    process = subprocess.Popen(
        [ask, "unix:" + path, "--param", "SCRIPT_NAME=/a.php",
         "--param", "EMPTY=", "--param", "LONG=" + "x" * 130, "--sizes"],
        stdin=subprocess.PIPE, text=True)
    process.stdin.write("memory 20\n")
    process.stdin.close()
    sock, _ = listener.accept()
    conn, sent = strict.Connection(sock), []

    def read(n):
        sent.append(conn.read(n))
        return sent[-1]

    strict.decode(read, lambda piece: None)
    conn.reply(b"", 0)
    conn.nothing_behind()
    if process.wait() != 0:
        sys.exit("the sender did not take its reply")
    return b"".join(sent)


def changes(good):
    for at in range(len(good)):
        for bit in range(8):
            yield f"bit {bit} of byte {at}", good[:at] + bytes(
                [good[at] ^ 1 << bit]) + good[at + 1:]
        yield f"without byte {at}", good[:at] + good[at + 1:]
        for byte in (b"\0", b"\1", b"\xff"):
            yield f"{byte} before byte {at}", good[:at] + byte + good[at:]
        yield f"cut at byte {at}", good[:at]
    yield "a byte behind", good + b"\0"
    yield "twice", good + good


def request(body=b"body", length=None, first=None, params=None, end=None):
    values = [("A", "b"), ("CONTENT_LENGTH", str(
        len(body) if length is None else length))]
    return ((begin(False) if first is None else first) +
            (stream(PARAMS, pairs(values)) if params is None else params) +
            (stream(STDIN, body) if end is None else end))


def wrong_senders():
    whole = pairs([("A", "b" * 300), ("CONTENT_LENGTH", "0")])
    yield "a flag", request(first=begin(True))
    yield "another role", request(first=begin(False, role=2))
    yield "another id", request(first=begin(False, rid=2))
    yield "no BEGIN", request(first=b"")
    yield "two BEGINs", request(first=begin(False) * 2)
    yield "no end of the parameters", request(
        params=record(PARAMS, pairs([("CONTENT_LENGTH", "4")])))
    yield "two ends of the parameters", request(
        params=stream(PARAMS, pairs([("CONTENT_LENGTH", "4")])) +
        record(PARAMS))
    yield "no end of the body", request(end=record(STDIN, b"body"))
    yield "more behind the end", request() + record(STDIN, b"more")
    yield "a body too short", request(length=5)
    yield "a body too long", request(length=3)
    yield "no length", request(params=stream(PARAMS, pairs([("A", "b")])))
    yield "two lengths", request(params=stream(PARAMS, pairs(
        [("CONTENT_LENGTH", "4")] * 2)))
    yield "an abort", request(end=record(STDIN, b"body") + record(2))
    yield "the body first", begin(False) + stream(STDIN, b"") + \
        stream(PARAMS, whole)
    for cut in range(1, len(whole)):
        if cut != len(pairs([("A", "b" * 300)])):
            yield f"parameters that straddle at {cut}", request(
                b"", params=record(PARAMS, whole[:cut]) +
                stream(PARAMS, whole[cut:]))


good = real_request()
if taken(good) != ([(b"SCRIPT_NAME", b"/a.php"), (b"EMPTY", b""),
                    (b"LONG", b"x" * 130), (b"CONTENT_LENGTH", b"20")],
                   strict.body(20)):
    sys.exit("the request itself is not taken")
# An end of a stream that got a byte of padding says the same.
ends = {good.replace(record(kind), record(kind, pad=1))
        for kind in (PARAMS, STDIN)}
n = 0
for name, data in changes(good):
    n += 1
    if taken(data) == taken(good) and data not in ends:
        sys.exit(f"taken as the same: {name}")
for name, data in wrong_senders():
    n += 1
    if taken(data) is not None:
        sys.exit(f"taken: {name}")
# What is right in another way is not refused.
for name, data in (
        ("padded", request()), ("empty", request(b"")),
        ("in small pieces", request(end=stream(STDIN, b"body", piece=1))),
        ("long lengths", request(b"", params=stream(
            PARAMS, fcgi.length(14, True) + fcgi.length(1, True) +
            b"CONTENT_LENGTH0")))):
    if taken(data) is None:
        sys.exit(f"refused: {name}")
print(f"control: {n} wrong requests, all refused or told apart")
PY
python3 "$T/control.py" "$ASK" "$T/control.sock" || fail 'the control: see above'

# The same over a socket: three wrong ones count as such, one right one does.
start strict-control python3 "$LIB/strict.py" "$T/c.sock" --count 4
control=$pid
wait_for 10 test -S "$T/c.sock"
cat >"$T/wrong.py" <<'PY'
import socket
import sys

import strict
from fcgi import begin, stream, pairs, PARAMS, STDIN

good = strict.body(70000)
other = bytearray(good)
other[65535] ^= 1
for body, behind in ((good, b""), (bytes(other), b""), (good[1:], b""),
                     (good, b"\1")):
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(sys.argv[1])
    sock.sendall(begin(False) + stream(PARAMS, pairs(
        {"CONTENT_LENGTH": "70000"})) + stream(STDIN, body) + behind)
    sock.shutdown(socket.SHUT_WR)
    while sock.recv(65536):
        pass
PY
python3 "$T/wrong.py" "$T/c.sock" || fail 'the wrong sender could not send'
gone 60 "$control" || fail 'the decoder waits for more than was sent'
[ "$(tail -1 "$T/strict-control.log")" = \
	'requests 4 decoded 1 wrong 3 bytes 70000' ] ||
	fail "of three wrong requests: $(cat "$T/strict-control.log")"

# --- bodies -------------------------------------------------------------------

cat >"$T/sizes.py" <<'PY'
import sys

step = max(1, 100 // int(sys.argv[1]))
sizes = set(range(0, 70001, step)) | set(range(65500, 65560)) | {
    65519, 65520, 65521, 65527, 65528, 65529, 99000, 131055, 131056, 131057,
    131071, 131072, 131073, 262144, 1000000}
for size in sorted(sizes):
    print("memory", size)
    print("file", size)
print("file", 100 * 1024 * 1024)
PY
python3 "$T/sizes.py" "$trials" >"$T/sizes"
n=$(wc -l <"$T/sizes")
start strict python3 "$LIB/strict.py" "$T/s.sock" --count "$n"
strict=$pid
wait_for 10 test -S "$T/s.sock"
"$ASK" "unix:$T/s.sock" --param REQUEST_METHOD=POST \
	--param SCRIPT_NAME=/slow.php --sizes <"$T/sizes" >"$T/replies" ||
	fail "not each reply was whole: $(awk '$3 != 0' "$T/replies" | head -3)"
# It counts the last one after its reply, when nothing came behind it.
gone 60 "$strict" || fail 'the decoder waits for more than was asked'
awk '{ print $1, $2, "0 200 equal", $1 }' "$T/replies" |
	cmp - "$T/replies" || fail 'other replies than "equal"'
awk '{ print $2, $1 }' "$T/replies" | cmp - "$T/sizes" ||
	fail 'not all were asked'

# And parameters: many, of many records.
start strict-params python3 "$LIB/strict.py" "$T/p.sock" --count 1
wait_for 10 test -S "$T/p.sock"
value=$(printf '%0.sv' {1..300})
params=()
for ((i = 0; i < 2000; i++)); do
	params+=(--param "NAME_$i=$value")
done
printf 'memory 65528\n' | "$ASK" "unix:$T/p.sock" "${params[@]}" --sizes \
	>"$T/params" || fail 'many parameters'
[ "$(cat "$T/params")" = '65528 memory 0 200 equal 65528' ] ||
	fail "many parameters: $(cat "$T/params")"

bytes=$(awk '{ n += $2 } END { printf "%.0f", n }' "$T/sizes")
table=$(tail -1 "$T/strict.log")
[ "$table" = "requests $n decoded $n wrong 0 bytes $bytes" ] ||
	fail "the decoder says: $table"
echo '| requests | sizes | decoded | wrong | bytes of body |'
echo '|---|---|---|---|---|'
echo "| $n | $(sort -u -k2,2 "$T/sizes" | wc -l) | $n | 0 | $bytes |"

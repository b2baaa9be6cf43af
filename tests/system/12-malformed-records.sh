#!/bin/bash
# Whatever bytes come in, the process lives, leaks no descriptor and answers the
# next request; a malformed stream is closed, and its request reaches no
# handler. Control: plain libfcgi, which one of them must kill.
# One trial: 1000 streams with random damage.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

cat >"$T/corpus.py" <<'PY'
import concurrent.futures
import random
import struct
import sys
import time
import fcgi
from fcgi import record, request, begin, stream, pairs, environ

good = request("/corpus", "POST", b"b" * 100)
env = pairs(environ("/corpus"))
EMPTY = record(fcgi.PARAMS) + record(fcgi.STDIN)


def cases():
    yield "version 0", record(fcgi.BEGIN, b"\0\1\1" + b"\0" * 5, version=0)
    yield "version 2", record(fcgi.BEGIN, b"\0\1\1" + b"\0" * 5, version=2)
    yield "http", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for kind in (0, 9, 10, 11, 12, 255):
        yield f"type {kind}, id 0", record(kind, b"\0" * 8, rid=0) + good
        yield f"type {kind}, id 1", record(kind, b"\0" * 8) + good
        yield f"type {kind} within", begin() + record(kind, b"\0" * 8, rid=0) \
            + stream(fcgi.PARAMS, env) + record(fcgi.STDIN)
    yield "begin, id 0", begin(rid=0) + EMPTY
    yield "begin twice", begin() + begin() + stream(fcgi.PARAMS, env) + EMPTY
    yield "another id within", begin() + stream(fcgi.PARAMS, env, rid=2)
    yield "interleaved", begin() + begin(rid=2) + stream(fcgi.PARAMS, env)
    yield "begin short", record(fcgi.BEGIN, b"\0\1") + EMPTY
    yield "begin long", record(fcgi.BEGIN, b"\0" * 65535) + EMPTY
    yield "begin empty", record(fcgi.BEGIN) + EMPTY
    for role in (0, 2, 3, 65535):
        yield f"role {role}", begin(role=role) + stream(fcgi.PARAMS, env) \
            + record(fcgi.STDIN)
    yield "stdin first", record(fcgi.STDIN, b"x" * 8) + good
    yield "params first", record(fcgi.PARAMS, env) + good
    yield "params after stdin", begin() + stream(fcgi.PARAMS, env) \
        + record(fcgi.STDIN, b"x") + record(fcgi.PARAMS, env)
    yield "abort at once", record(2) + good
    yield "abort after begin", begin() + record(2)
    yield "abort in params", begin() + record(fcgi.PARAMS, env) + record(2)
    yield "abort in stdin", begin() + stream(fcgi.PARAMS, env) \
        + record(fcgi.STDIN, b"x") + record(2)
    huge = struct.pack(">II", 0x80000000 | 2**30, 0x80000000 | 2**30)
    yield "param of 2 GiB", begin() + stream(fcgi.PARAMS, huge) + EMPTY
    yield "param of 4 GiB", begin() + stream(fcgi.PARAMS, b"\xff" * 8) + EMPTY
    yield "param cut", begin() + stream(fcgi.PARAMS, env[:-5]) \
        + record(fcgi.STDIN)
    yield "param length cut", begin() + stream(fcgi.PARAMS, b"\x80\0") + EMPTY
    for text in ("-1", "99999999999999999999", "1e9", "0x10", " 5", "+5", "5 5",
                 "4294967297", "18446744073709551616"):
        yield f"CONTENT_LENGTH {text}", begin() + stream(
            fcgi.PARAMS, pairs(dict(environ("/corpus", "POST"),
                                    CONTENT_LENGTH=text))
        ) + stream(fcgi.STDIN, b"hello")
    yield "get values", record(9, pairs([("FCGI_MAX_CONNS", "")] * 4), rid=0) \
        + good
    yield "many params", begin() + stream(fcgi.PARAMS, pairs(
        [("N", "v")] * 100000)) + record(fcgi.STDIN)
    yield "params without end", begin() + record(
        fcgi.PARAMS, pairs({"X": "y" * 60000})) * 100
    yield "nothing", b""


def damaged(seed, n):
    rng = random.Random(seed)
    for i in range(n):
        data = bytearray(good)
        for _ in range(rng.randint(1, 4)):
            what = rng.randrange(4)
            at = rng.randrange(len(data))
            if what == 0:
                data[at] ^= 1 << rng.randrange(8)
            elif what == 1:
                data[at] = rng.choice((0, 1, 127, 128, 255))
            elif what == 2:
                del data[at:at + rng.randint(1, 16)]
            else:
                data[at:at] = rng.randbytes(rng.randint(1, 16))
            if not data:
                break
        yield f"damage {i}", bytes(data)


path, seed, n = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
todo = list(cases()) + list(damaged(seed, n))


def ends(data):
    """Whether the peer is done with the stream: all answered, and closed."""
    conn = fcgi.Conn(path, 3)
    conn.send(data)
    # The end of the stream is news of its own: see 18-half-close.
    time.sleep(0.002)
    try:
        conn.sock.shutdown(1)
        while conn.record() is not None:
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    finally:
        conn.close()
    return True


def check(case):
    """What is wrong with a case, or None."""
    name, data = case
    try:
        if not any(ends(data) for _ in range(3)):
            return f"{name}: no reply and not closed"
    except OSError as error:
        return f"{name}: nobody listens any more ({error})"
    return None


with concurrent.futures.ThreadPoolExecutor(16) as pool:
    for wrong in filter(None, pool.map(check, todo)):
        sys.exit(wrong)
# Sent without the end of the stream: cut at every byte, and left open.
for cut in range(len(good)):
    conn = fcgi.Conn(path, 3)
    conn.send(good[:cut])
    conn.close()
reply = fcgi.ask(path, "/after")
if reply is None or reply.status != 202:
    sys.exit("no reply afterwards")
print(len(todo) + len(good), "streams")
PY

trials=$((TRIALS > 0 ? TRIALS : 1))
start_plain "$T/plain.sock" --threads 16
python3 "$T/corpus.py" "$T/plain.sock" "$SEED" 0 >"$T/plain.out" 2>&1
alive "$plain" && fail 'the control did not fall: the corpus is blunt'
say "plain: $(tail -1 "$T/plain.out")"

# A cut stream is given up at this deadline.
start_app "$T/app.sock" --threads 2 --request-timeout 100
fds=$(descriptors "$app")
python3 "$T/corpus.py" "$T/app.sock" "$SEED" $((trials * 1000)) ||
	fail 'see above'
alive "$app" || fail 'the application died'
same_descriptors() {
	[ "$(descriptors "$app")" -le "$fds" ]
}
wait_for 5 same_descriptors

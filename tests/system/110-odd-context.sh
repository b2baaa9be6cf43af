#!/bin/bash
# Whatever a client writes into a value of the context, the program gets the
# same bytes in the variable of that name and nothing else: line ends, what old
# shells took for functions, what is no UTF-8, 32 KiB. Also when the daemon was
# killed in between.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/roles.sh
. "$(dirname "$0")/../lib/roles.sh"

# Names of shell functions in the environment run in a shell before its script.
script look <<-'EOS'
	#!/bin/bash
	until [ -e "$OUT/go" ]; do sleep 0.02; done
	cp /proc/self/environ "$OUT/environ.part"
	mv "$OUT/environ.part" "$OUT/environ"
EOS
cat >"$T/odd.py" <<'PY'
"""odd.py submit SOCKET | odd.py judge ENVIRON OUT"""
import sys

import fcgi

OUT = sys.argv[3] if len(sys.argv) > 3 else ""
ODD = {
    b"REQUEST_ID": b"() { :;}; touch /nonexistent\nPATH=/evil\nLD_PRELOAD=x",
    b"HTTP_X_LONG": b"a=b\r\n" * 6500,
    b"HTTP_X_BYTES": bytes(range(1, 256)),
    b"HTTP_X_EMPTY": b"",
}
# Nobody asked for these.
FOREIGN = {
    b"BASH_FUNC_cp%%": b"() { touch $OUT/pwned; }",
    b"BASH_FUNC_sleep()": b"() { touch $OUT/pwned; }",
    b"LD_PRELOAD": b"/evil.so",
    b"BASH_ENV": b"/evil",
    b"A\nPATH": b"/evil",
    b"HTTP_X_OTHER": b"1",
}
if sys.argv[1] == "submit":
    reply = fcgi.ask(sys.argv[2], "/tasks/look", "POST", b"x",
                     {**ODD, **FOREIGN, b"OUTLAST_ACCESS": b"operator"})
    sys.exit(f"answered {reply.stdout[:400]}"
             if b"Status: 202" not in reply.stdout else 0)
with open(sys.argv[2], "rb") as file:
    entries = file.read().split(b"\0")[:-1]
names = [e.partition(b"=")[0] for e in entries]
if len(set(names)) != len(names):
    sys.exit(f"a name twice: {sorted(names)}")
got = dict(zip(names, (e.partition(b"=")[2] for e in entries)))
short = {b"REQUEST_ID": b"REQUEST_ID", b"HTTP_X_LONG": b"HTTP_X_LONG",
         b"HTTP_X_BYTES": b"HTTP_X_BYTES"}
for name in short:
    if got.get(name) != ODD[name]:
        sys.exit(f"{name}: {got.get(name)!r:.300}, not {ODD[name]!r:.300}")
if got.get(b"HTTP_X_EMPTY"):
    sys.exit("an empty value is not empty")
ours = {b"PATH", b"HOME", b"LANG", b"TMPDIR", b"OUT", b"PWD", b"SHLVL", b"_",
        b"NOTIFY_SOCKET", b"TRACEPARENT", b"OLDPWD"}
more = [n for n in names if n not in ours and n not in ODD
        and not n.startswith(b"OUTLAST_")]
if more:
    sys.exit(f"more in the environment: {more}")
if got[b"PATH"] != b"/usr/local/bin:/usr/bin:/bin":
    sys.exit(f"PATH: {got[b'PATH']!r}")
PY

looked() {
	[ -e "$out/environ" ]
}
write_roles "$(listen "$sock")" "$(task look "$T/look" \
	'context request_id http_x_long http_x_bytes http_x_empty; backoff fixed 100ms;')"
start_outlastd
wait_for 5 is_ready
python3 "$T/odd.py" submit "$sock" || fail 'the submit'
touch "$out/go"
wait_for 5 looked
python3 "$T/odd.py" judge "$out/environ" || fail 'the environment'
[ ! -e "$out/pwned" ] || fail 'a function was taken from a parameter'

# The same from the disk: the attempt is lost with the engine.
rm "$out/environ" "$out/go"
python3 "$T/odd.py" submit "$sock" || fail 'the submit'
engine=$(role engine)
kill -KILL "$engine"
wait_for 10 other_role engine "$engine"
touch "$out/go"
wait_for 15 looked
python3 "$T/odd.py" judge "$out/environ" || fail 'the environment, from the disk'
stop "$outlastd"
expect 'exit status' "$exited" 0

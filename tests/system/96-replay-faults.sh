#!/bin/bash
# Backends that break every rule, by a script that itself takes only requests by
# the letter: rubbish, nothing, half a reply, one without an end, one behind the
# end, no room, Retry-After. After each, what the object says, and the engine is
# the same process. Parameters as large as nginx lets them be, in their order; a
# body and a reply of 100 MiB in bounded memory.
# Control: the script finds fault with a request whose length lies.
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/tasks.sh
. "$LIB/tasks.sh"
# shellcheck source=../lib/api.sh
. "$LIB/api.sh"
# shellcheck source=../lib/php.sh
. "$LIB/php.sh"

page size <<'END_PHP'
<?php
ini_set('memory_limit', -1);
$in = fopen('php://input', 'r');
$md5 = hash_init('md5');
while (($data = fread($in, 1 << 16)) !== '' && $data !== false)
	hash_update($md5, $data);
echo hash_final($md5), ' ', strlen(implode('', $_SERVER)), "\n";
END_PHP
page large <<'END_PHP'
<?php
for ($i = 0; $i < 100; $i++) {
	echo str_repeat(chr($i), 1 << 20);
	flush();
}
END_PHP

start_fpm 4
fake=$T/fake.sock
start fake python3 "$LIB/backend.py" "$fake" "$T/ledger.fake"
wait_for 5 test -S "$fake"
write_replay 'max_payload 200m; max_result 200m;' "
	task fake { fastcgi_pass unix:$fake; concurrency 8; max_result 1m;
		timeout 30s; retries 1; backoff fixed 100ms; }
	task brief { fastcgi_pass unix:$fake; timeout 500ms; }"
start_tasks
way() {
	echo "location ^~ /$1/ {
		rewrite ^/$1(/.*)\$ /fake\$1 break;
		include /etc/nginx/fastcgi.conf;
		fastcgi_param HTTP_PROXY '';
		fastcgi_param OUTLAST_TASK $2;
		fastcgi_pass unix:$3;
	}"
}
start_ways '' "$(way fakes fake "$sock") $(way brief brief "$sock")
	$(way straight fake "$fake")"

# The control.
python3 - "$fake" <<'END_PY'
import sys, fcgi
conn = fcgi.Conn(sys.argv[1])
conn.send(fcgi.begin(False) + fcgi.stream(fcgi.PARAMS, fcgi.pairs(
    fcgi.environ("/fake/echo", "POST", 7))) + fcgi.stream(fcgi.STDIN, b"four"))
assert conn.reply() is None
conn = fcgi.Conn(sys.argv[1])
params = fcgi.pairs(fcgi.environ("/fake/echo", "POST", 4, {"X": "y" * 100}))
conn.send(fcgi.begin(False) + fcgi.stream(fcgi.PARAMS, params, piece=200) +
          fcgi.stream(fcgi.STDIN, b"four"))
assert conn.reply() is None
END_PY
wait_for 5 grep -q 'CONTENT_LENGTH 7, 4 bytes' "$T/ledger.fake"
wait_for 5 grep -q 'goes on behind its record' "$T/ledger.fake"
: >"$T/ledger.fake"
engine=$(role engine)

cat >"$T/faults.py" <<'END_PY'
import json, sys
from ways import Web

web = Web(int(sys.argv[1]))

def submit(path, headers=(), body=b"a body", way="fakes"):
    answer = web.ask("POST", f"/{way}/{path}", headers, body)
    assert answer.status == 202, f"{path}: {answer}"
    return answer.get("Outlast-Task-Id")

# path: state, attempts that counted, kind, status of the result
FAULTS = {
    "silent": ("failed", 2, "crashed", 502),
    "half": ("failed", 2, "crashed", 502),
    "half-head": ("failed", 2, "crashed", 502),
    "http": ("failed", 2, "bad_reply", 502),
    "noise": ("failed", 2, "bad_reply", 502),
    "other-id": ("failed", 2, "bad_reply", 502),
    "no-head": ("failed", 2, "bad_reply", 502),
    "bad-status": ("failed", 2, "bad_reply", 502),
    "split": ("failed", 2, "bad_reply", 502),
    "nothing": ("failed", 2, "bad_reply", 502),
    "endless-head": ("failed", 2, "bad_reply", 502),
    "endless": ("failed", 1, "result_too_large", 502),
    "endless-errors": ("failed", 1, "status", 404),
    "later": ("succeeded", 2, None, 200),
    "early-answer": ("succeeded", 1, None, 200),
    "full1": ("succeeded", 1, None, 200),
}
ids = {name: submit(name, body=b"x" * 300000 if name == "early-answer" else b"x")
       for name in FAULTS}
ids["never"] = submit("never", way="brief")
FAULTS["never"] = ("failed", 1, "timeout", 502)
for name, (state, attempts, kind, status) in FAULTS.items():
    task = web.ended(ids[name], 40)
    error = task["error"]
    print(f"{name}: {task['state']}, {task['attempt']}: {error}")
    retries = 0 if name == "never" else 1
    counted = task["attempt"] - (task["attempts_max"] - 1 - retries)
    got = (task["state"], counted, error and error["kind"],
           web.result(task["id"]).status)
    assert got == (state, attempts, kind, status), f"{name}: {got}: {task}"
    assert error is None or len(error["message"]) > 10, task
words = web.task(ids["endless-errors"])["error"]["stderr"]
assert words.endswith("the last \ufffd words\n"), words[-100:]
assert web.result(ids["full1"]).body == b"had room\n"
task = web.ended(submit("behind"))
print("behind:", task["state"], task["error"])

# Parameters in their order, all of them, twice the same name too.
def echo(way, headers):
    if way == "straight":
        return json.loads(web.ask("POST", "/straight/echo?a=b", headers, b"x").body)
    task = web.ended(submit("echo?a=b", headers, b"x"))
    assert task["state"] == "succeeded", task
    return json.loads(web.result(task["id"]).body)

odd = [("X-Twice", "one"), ("X-Other", "two"), ("x-twice", "three"),
       ("X-Bytes", "caf\xe9"), ("Cookie", "a=b"), ("X-Empty", "")]
one, two = echo("straight", odd), echo("fakes", odd)
ADDED = ("OUTLAST_", "NOTIFY_SOCKET", "TRACEPARENT")
plain = [[p for p in got["params"] if not p[0].startswith(ADDED)
          and p[0] not in ("REMOTE_PORT", "REQUEST_URI")] for got in (one, two)]
assert plain[0] == plain[1], plain
assert [v for n, v in plain[1] if n == "HTTP_X_TWICE"] == ["one", "three"], plain
assert not two["keep"], "a kept connection holds a process of php-fpm"
names = [n for n, _ in two["params"] if n.startswith(ADDED)]
assert len(names) == len(set(names)), names

# As large as nginx lets them be: the largest that reaches us.
def sized(n):
    return [("X-Large-1", "a" * 30000), ("X-Large-2", "b" * (n - 30000))]
low, high = 60000, 65536
while high - low > 1:
    middle = (low + high) // 2
    status = web.ask("POST", "/fakes/echo", sized(middle), b"x").status
    assert status in (202, 500, 400, 413, 431), status
    low, high = (middle, high) if status == 202 else (low, middle)
low -= 20  # for the query
got = echo("fakes", sized(low))
size = sum(len(n) + len(v) for n, v in got["params"])
large = dict((n, len(v)) for n, v in got["params"])
assert large["HTTP_X_LARGE_2"] == low - 30000, large
print(f"largest headers: {low} bytes; {size} bytes of parameters in records of"
      f" {got['records']}")
assert low > 64000, "parameters close to 64 KiB do not get through"
task, result = web.replayed("POST", "size.php", sized(low - 500), b"x")
assert task["state"] == "succeeded", f"php-fpm takes them not: {task}"
END_PY
python3 "$T/faults.py" "$port" >"$T/faults.out" 2>&1 ||
	fail "$(tail -n 4 "$T/faults.out" | cut -c 1-2000)"
say "$(cut -c 1-240 "$T/faults.out")"
expect 'requests that break a rule' "$(grep '"fault"' "$T/ledger.fake")" ''
expect 'the engine' "$(role engine)" "$engine"

# 100 MiB in, and 100 MiB out: what it costs the engine.
of_engine() {
	awk -v what="$1:" '$1 == what { print $2 }' "/proc/$engine/status"
}
# The peak counts from now, where that may be asked for.
echo 5 2>/dev/null >"/proc/$engine/clear_refs" || true
before=$(of_engine VmRSS)
head -c 104857600 /dev/urandom >"$T/large"
ask '100 MiB' 202 /replay/size.php --data-binary "@$T/large" \
	-H 'Content-Type: application/octet-stream'
wait_for 60 ended
expect 'the body' "$(curl -s "http://127.0.0.1:$port/tasks/$id/result" |
	cut -d' ' -f1)" "$(md5sum <"$T/large" | cut -d' ' -f1)"
ask 'a reply of 100 MiB' 202 /replay/large.php -d x=1
wait_for 60 ended
expect 'its state' "$(of_task 'task["state"], task["result"]["bytes"]')" \
	"('succeeded', 104857600)"
expect 'its bytes' "$(curl -s "http://127.0.0.1:$port/tasks/$id/result" |
	md5sum)" "$(curl -s "http://127.0.0.1:$port/direct/large.php" | md5sum)"
grown=$(($(of_engine VmHWM) - before))
say "memory for 100 MiB in and out: $grown KiB"
[ $grown -lt 16384 ] || fail "the engine has grown by $grown KiB"

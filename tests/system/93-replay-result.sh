#!/bin/bash
# The result is what php-fpm answers: status, headers, several cookies, bodies of
# all kinds; at once for who waits, later for who does not. What HEAD, OPTIONS
# and a prefetch do: nothing. A failed page: what its object says; one that was
# cut, too. A redirect from the page itself.
# Control: the two ways are told apart when the page does not answer the same.
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/tasks.sh
. "$LIB/tasks.sh"
# shellcheck source=../lib/api.sh
. "$LIB/api.sh"
# shellcheck source=../lib/php.sh
. "$LIB/php.sh"

page answer <<'END_PHP'
<?php
file_put_contents(__DIR__ . '/../php/ledger', "$_SERVER[REQUEST_METHOD]\n", FILE_APPEND);
$what = $_GET['what'] ?? '';
switch ($what) {
case 'cookies':
	setcookie('one', 'first', ['path' => '/', 'httponly' => true]);
	setcookie('two', 'a b;c', time() + 3600);
	header('Set-Cookie: three=3; SameSite=Lax', false);
	header('X-Order: b');
	header('X-Order: a', false);
	break;
case 'html':
	header('Content-Type: text/html; charset=iso-8859-1');
	header('Cache-Control: max-age=60');
	header('ETag: "page"');
	header("Content-Security-Policy: default-src 'self'");
	exit("<h1>\xe9</h1>");
case 'binary':
	header('Content-Type: image/png');
	header('Content-Disposition: attachment; filename="a.png"');
	exit(implode(array_map('chr', range(0, 255))));
case 'big':
	header('Content-Type: application/octet-stream');
	for ($i = 0; $i < 6000; $i++)
		echo str_repeat(chr($i % 256), 1000);
	exit;
case 'wide':
	for ($i = 0; $i < 40; $i++)
		header("X-Wide-$i: " . str_repeat(chr(97 + $i % 26), 1000));
	break;
case 'empty':
	header_remove('Content-Type');
	exit;
case 'redirect':
	header('Location: /elsewhere?a=1&b=%20');
	exit;
case 'relative':
	header('Location: ../done.php?a=1');
	exit;
case 'cut':
	header('Content-Length: 1000000');
	exit(str_repeat('cut ', 1000));
case 'parts':
	header('Content-Type: text/plain');
	for ($i = 0; $i < 20; $i++) {
		echo "part $i\n";
		@ob_flush();
		flush();
	}
	exit;
case 'slow':
	usleep(600000);
	exit("slow\n");
case 'fatal':
	error_log('what the page says to its log');
	no_such_function();
case 'other':
	exit((string) hrtime(true));
}
if (isset($_GET['status']))
	http_response_code((int) $_GET['status']);
if (!in_array($_GET['status'] ?? '', ['204', '304']))
	echo "<p>$what\n";
END_PHP

start_fpm 6
write_replay 'retries 0;'
start_tasks
start_ways

cat >"$T/results.py" <<'END_PY'
import sys
from ways import Web

web = Web(int(sys.argv[1]))

def differ(one, two, head=False):
    if one.status != two.status:
        return f"status {one.status}, {two.status}"
    ours = two.proper()
    # What is not said to be kept, is not.
    if one.get("Cache-Control") is None:
        ours = [h for h in ours if h != ("cache-control", "no-store")]
    if one.proper() != ours:
        return f"headers {one.proper()}, {ours}"
    if not head and one.body != two.body:
        return f"bodies {one.body[:200]!r}, {two.body[:200]!r}"
    return None

def same(page, state="succeeded", method="GET", body=None):
    one = web.direct(method, page, body=body)
    task, two = web.replayed(method, page, body=body)
    wrong = differ(one, two)
    assert not wrong, f"{page}: {wrong}"
    assert task["state"] == state, f"{page}: {task}"
    assert two.get("X-Content-Type-Options") == "nosniff", two
    assert two.get("Outlast-State") == state, two
    head = web.result(task["id"], "HEAD")
    wrong = differ(one, head, head=True)
    assert not wrong and head.body == b"", f"HEAD of {page}: {wrong}"
    # The door, for who waits: the same.
    three = web.ask(method, "/replay/" + page, [("Prefer", "wait=20")], body)
    wrong = differ(one, three)
    assert not wrong, f"{page}, waiting: {wrong}"
    applied = [v.replace(" ", "") for n, v in three.headers
               if n == "preference-applied"]
    assert applied and applied[0].startswith("wait"), three
    return task, two

# The control.
one = web.direct("GET", "answer.php?what=other")
assert differ(one, web.direct("GET", "answer.php?what=other"))
assert differ(one, web.direct("GET", "answer.php?what=html"))

for page in ("cookies", "html", "binary", "big", "wide", "empty", "redirect",
             "parts"):
    same("answer.php?what=" + page)
for status in (200, 201, 204, 302, 304):
    same(f"answer.php?what=x&status={status}")
for status in (404, 422, 403, 500, 502, 503):
    task, result = same(f"answer.php?what=x&status={status}", "failed")
    assert task["error"]["kind"] == "status", task
    assert str(status) in task["error"]["message"], task
    assert task["result"], task
print(task["error"])
same("answer.php?status=201", method="POST", body=b"x=1")
same("answer.php?status=200", method="DELETE")
same("nosuch.php", "failed")

# A redirect from the page leads to the same place from the result.
task, result = web.replayed("GET", "dir/../answer.php?what=relative")
assert result.status == 302, result
assert result.get("Location") == "/done.php?a=1", result

# The half of a file is not given out for a whole one.
task, result = web.replayed("GET", "answer.php?what=cut")
assert task["state"] == "failed" and result.status == 502, task
assert task["error"]["kind"] == "bad_reply", task
print(task["error"])

# A fatal error: the status, and what PHP wrote to its log.
task, result = web.replayed("GET", "answer.php?what=fatal")
assert task["state"] == "failed" and result.status == 500, task
assert "no_such_function" in task["error"]["stderr"], task
assert "what the page says" in task["error"]["stderr"], task
print(task["error"])

# Who waits not long enough gets the address.
answer = web.ask("GET", "/replay/answer.php?what=slow", [("Prefer", "wait=0")])
assert answer.status == 202 and answer.get("Location"), answer
result = web.ask("GET", answer.get("Location") + "/result",
                 [("Prefer", "wait=20")])
assert result.status == 200 and result.body == b"slow\n", result
# Or more than one preference.
answer = web.ask("GET", "/replay/answer.php?what=slow",
                 [("Prefer", "respond-async, wait=20")])
assert answer.status in (200, 202), answer

# What submits nothing.
with open(sys.argv[2], encoding="ascii") as f:
    before = len(f.readlines())
for method in ("HEAD", "OPTIONS"):
    answer = web.ask(method, "/replay/answer.php")
    assert answer.status == 204, f"{method}: {answer}"
    assert "POST" in answer.get("Allow") and "GET" in answer.get("Allow"), answer
for header in (("Sec-Purpose", "prefetch"), ("Purpose", "prefetch"),
               ("Sec-Purpose", "prefetch;prerender")):
    answer = web.ask("GET", "/replay/answer.php", [header])
    assert answer.get("Outlast-Task-Id") is None, f"{header}: {answer}"
    print("prefetch:", answer.status)
web.replayed("GET", "answer.php")
with open(sys.argv[2], encoding="ascii") as f:
    runs = len(f.readlines()) - before
assert runs == 1, f"the page ran {runs} times"
END_PY
touch "$T/php/ledger"
chmod 666 "$T/php/ledger"
python3 "$T/results.py" "$port" "$T/php/ledger" >"$T/results.out" 2>&1 ||
	fail "$(tail -n 3 "$T/results.out" | cut -c 1-2000)"
say "$(cat "$T/results.out")"

#!/bin/bash
# What PHP gets through outlast is what it gets from nginx: every parameter,
# cookies, form, upload, query string and PATH_INFO, bodies of many sizes; what
# is left out, what is added, and who has the last word.
# Control: two requests that differ in one header, or one byte, are told apart.
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/tasks.sh
. "$LIB/tasks.sh"
# shellcheck source=../lib/api.sh
. "$LIB/api.sh"
# shellcheck source=../lib/php.sh
. "$LIB/php.sh"

page echo <<'END_PHP'
<?php
foreach ($_FILES as &$file) {
	$file['md5'] = md5_file($file['tmp_name']);
	unset($file['tmp_name']);
}
$body = file_get_contents('php://input');
header('Content-Type: application/json');
echo json_encode(['server' => $_SERVER, 'get' => $_GET, 'post' => $_POST,
	'cookie' => $_COOKIE, 'files' => $_FILES, 'bytes' => strlen($body),
	'md5' => md5($body)], JSON_INVALID_UTF8_SUBSTITUTE);
END_PHP

start_fpm
# shellcheck disable=SC2016 # nginx's variables
write_replay "max_payload 8m; drop_param HTTP_X_DROPPED;
	fastcgi_param FROM_TASK 'of the task'; fastcgi_param SERVER_NAME task.example;"
start_tasks
start_ways

cat >"$T/same.py" <<'END_PY'
import json, sys
from ways import Web

web = Web(int(sys.argv[1]))
LEFT_OUT = {"HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_MATCH",
            "HTTP_RANGE", "HTTP_IF_RANGE", "HTTP_ACCEPT_ENCODING",
            "HTTP_PREFER", "HTTP_IDEMPOTENCY_KEY", "HTTP_X_DROPPED"}
ADDED = {"OUTLAST_TASK_ID", "OUTLAST_TASK_TYPE", "OUTLAST_ATTEMPT",
         "OUTLAST_DEADLINE", "OUTLAST_CONTENT_TYPE", "OUTLAST_PAYLOAD_SIZE",
         "OUTLAST_NOTIFY", "NOTIFY_SOCKET", "TRACEPARENT", "OUTLAST_OWNER"}
EVER_NEW = {"REMOTE_PORT", "REQUEST_TIME", "REQUEST_TIME_FLOAT"}

def seen(answer, way):
    assert answer.status == 200, answer
    got = json.loads(answer.body)
    server = got["server"]
    for name in EVER_NEW:
        del server[name]
    for name in ("REQUEST_URI", "DOCUMENT_URI"):
        assert server[name].startswith(f"/{way}/"), server[name]
        server[name] = server[name][len(way) + 1:]
    return got

def both(method, page, headers=(), body=None):
    first = seen(web.direct(method, page, headers, body), "direct")
    task, result = web.replayed(method, page, headers, body)
    assert task["state"] == "succeeded", task
    return first, seen(result, "replay")

def same(what, method, page, headers=(), body=None):
    direct, replay = both(method, page, headers, body)
    had, has = direct.pop("server"), replay.pop("server")
    assert direct == replay, f"{what}: {direct} is not {replay}"
    assert has.pop("FROM_TASK") == "of the task", what
    assert has.pop("SERVER_NAME") == "task.example", what
    assert had.pop("SERVER_NAME") != "task.example", what
    assert has["HTTPS"] == "on", what
    lost, new = had.keys() - has.keys(), has.keys() - had.keys()
    assert lost <= LEFT_OUT, f"{what}: {lost - LEFT_OUT} are lost"
    assert not has.keys() & LEFT_OUT, f"{what}: {has.keys() & LEFT_OUT} are sent"
    assert new <= ADDED, f"{what}: {new - ADDED} are new"
    for name in had.keys() & has.keys():
        assert had[name] == has[name], f"{what}: {name}: {had[name]!r}, {has[name]!r}"
    return has

def multipart(*parts):
    lines = b""
    for head, data in parts:
        lines += b"--b\r\n" + head.encode() + b"\r\n\r\n" + data + b"\r\n"
    return lines + b"--b--\r\n"

FORM = [("Content-Type", "application/x-www-form-urlencoded")]
form = b"name=J%C3%A4ne&list[]=1&list[]=2&empty="
binary = bytes(range(256)) * 300

# The control.
one, other = both("POST", "echo.php", FORM, form)
assert one["post"] == other["post"] and one["post"]["list"] == ["1", "2"]
one, _ = both("POST", "echo.php", FORM, form + b"x")
assert one["post"] != other["post"] and one["md5"] != other["md5"]

same("GET", "GET", "echo.php")
has = same("a form", "POST", "echo.php", FORM, form)
assert int(has["OUTLAST_PAYLOAD_SIZE"]) == len(form), has
assert has["OUTLAST_CONTENT_TYPE"] == FORM[0][1], has
assert has["OUTLAST_ATTEMPT"] == "1" and has["OUTLAST_TASK_TYPE"] == "replay"
assert has["OUTLAST_NOTIFY"] == has["NOTIFY_SOCKET"], has
same("a query", "GET", "echo.php?a=1&b[]=%20x&b[]=%2F&c=%C3%A9&&d")
same("PATH_INFO", "GET", "echo.php/some/path%20here?x=1")
same("PUT", "PUT", "echo.php", [("Content-Type", "text/plain")], b"put")
same("PATCH", "PATCH", "echo.php", [("Content-Type", "application/json")], b"{}")
same("DELETE", "DELETE", "echo.php?id=1")
same("no body", "POST", "echo.php", FORM, b"")
same("an upload", "POST", "echo.php",
     [("Content-Type", "multipart/form-data; boundary=b")],
     multipart(('Content-Disposition: form-data; name="title"', b"a title"),
               ('Content-Disposition: form-data; name="picture"; '
                'filename="a b.jpg"\r\nContent-Type: image/jpeg', binary)))
has = same("what visitors send", "GET", "echo.php", [
    ("Cookie", "PHPSESSID=abc; other=1%202"), ("Authorization", "Basic amFuZTpq"),
    ("User-Agent", "Mozilla/5.0"), ("Accept-Language", "de"),
    ("X-Forwarded-For", "192.0.2.7"), ("X-Requested-With", "XMLHttpRequest"),
    ("X-Odd", "caf\xe9 \"'<&>"), ("X-Long", "x" * 3000)])
assert has["HTTP_COOKIE"] == "PHPSESSID=abc; other=1%202", has
assert has["PHP_AUTH_USER"] == "jane" and has["PHP_AUTH_PW"] == "j", has
assert has["REMOTE_ADDR"] == "127.0.0.1", has
has = same("what is not sent again", "POST", "echo.php", [
    ("If-None-Match", '"x"'), ("If-Modified-Since", "Sat, 01 Jan 2000 00:00:00 GMT"),
    ("If-Match", "*"), ("If-Range", '"x"'), ("Range", "bytes=0-1"),
    ("Accept-Encoding", "gzip"), ("Idempotency-Key", '"k1"'),
    ("X-Dropped", "secret"), ("Prefer", "handling=lenient"),
    ("Proxy", "http://evil.example/")], b"x")
assert "HTTP_PROXY" not in has, has
# A client speaks in HTTP_ only.
has = same("what a client would like to be", "GET", "echo.php", [
    ("Outlast-Task-Id", "mine"), ("From-Task", "mine"), ("Script-Filename", "/etc/passwd"),
    ("Notify-Socket", "/tmp/mine")])
assert has["HTTP_OUTLAST_TASK_ID"] == "mine", has
assert has["OUTLAST_TASK_ID"] != "mine", has

# Sizes at which records, buffers and files begin and end.
sizes = [1, 7, 8, 32767, 32768, 32769, *range(65534, 65545), 99000, 131072,
         1048576, 5000000]
data = bytes((i * 7 + i // 251) % 256 for i in range(max(sizes)))
for size in sizes:
    has = same(f"{size} bytes", "POST", "echo.php",
               [("Content-Type", "application/octet-stream")], data[:size])
    assert has["CONTENT_LENGTH"] == str(size), has["CONTENT_LENGTH"]
print(f"{len(sizes)} sizes of body")
END_PY
python3 "$T/same.py" "$port" >"$T/same.out" 2>&1 ||
	fail "$(tail -n 3 "$T/same.out" | cut -c 1-2000)"
say "$(cat "$T/same.out")"

# An upload that comes in pieces has a length all the same.
curl -s -H 'Transfer-Encoding: chunked' --data-binary 'in pieces' -o "$T/body" \
	-D "$T/head" "http://127.0.0.1:$port/replay/echo.php"
id=$(header Outlast-Task-Id)
wait_for 10 ended
http "/tasks/$id/result" >/dev/null
grep -q '"CONTENT_LENGTH":"9"' "$T/body" || fail "in pieces: $(cat "$T/body")"

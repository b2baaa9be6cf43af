#!/bin/bash
# Who waits for a task, through nginx: Prefer: wait, OUTLAST_WAIT, the long poll,
# a browser that is sent to the task's page, with scripts and without, and very
# many at once.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/tasks.sh
. "$LIB/tasks.sh"
# shellcheck source=../lib/api.sh
. "$LIB/api.sh"

WAITING=${WAITING:-1000}

# What it is told: "SECONDS", "fail", "hold" (until $T/go is there).
cat >"$T/work" <<'END'
#!/usr/bin/python3
import os, socket, sys, time
folder, word = sys.argv[1], sys.stdin.readline().strip()

def say(words):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.sendto(f"X_OUTLAST_PROGRESS={words}".encode(),
                 os.environ["NOTIFY_SOCKET"])

if word == "fail":
    sys.exit(65)
if word == "hold":
    say("45 drawing <b>page</b> 3 & 4")
    while not os.path.exists(folder + "/go"):
        time.sleep(0.05)
    say("90 almost")
    time.sleep(1.2)
else:
    say("10 begun")
    time.sleep(float(word))
print("<!DOCTYPE html><title>Done</title><h1>made of " + word + "</h1>")
END
cat >"$T/held" <<'END'
#!/bin/sh
until [ -e "$1" ]; do sleep 0.1; done
END
chmod 755 "$T/work" "$T/held"
cat >"$T/outlast.conf" <<-CONF
	$(main_directives)
	wait_max 20s;
	task work {
		program /usr/bin/python3 $T/work $T; $program_user
		result_type text/html; concurrency 4; retries 0;
		client_cancel on; max_waiting 100000;
	}
	task saved {
		program /usr/bin/python3 $T/work $T; $program_user
		result_type application/zip; concurrency 4;
	}
	task quick { program /bin/cat; $program_user concurrency 4; }
	task many {
		program $T/held $T/go; $program_user
		concurrency 4; max_waiting 100000;
	}
CONF
start_tasks
# shellcheck disable=SC2016 # nginx's variables
start_nginx keep "$sock" '
	set $task "";
	set $wait "";
	if ($uri ~ "^/t/([a-z]+)$") { set $task $1; }
	if ($uri ~ "^/w/([a-z]+)$") { set $task $1; set $wait 10s; }
	if ($uri ~ "^/odd/([a-z]+)$") { set $task $1; set $wait soon; }
	fastcgi_param OUTLAST_TASK $task;
	fastcgi_param OUTLAST_WAIT $wait;'

# --- the result itself ------------------------------------------------------

ask 'in time' 200 /t/work -d 1 -H 'Prefer: wait=15'
expect 'the result' "$(cat "$T/body")" \
	'<!DOCTYPE html><title>Done</title><h1>made of 1</h1>'
expect 'applied' "$(header Preference-Applied)" wait=15
expect 'its state' "$(header Outlast-State)" succeeded
expect 'sandbox' "$(header Content-Security-Policy)" sandbox
wait_for 5 in_state succeeded "/tasks/$id"
ask 'several preferences in several lines' 200 /t/quick -d x \
	-H 'Prefer: return=minimal; x="a,b", wait="15"' -H 'Prefer: wait=0'
expect 'applied' "$(header Preference-Applied)" wait=15
ask 'too long' 200 /t/quick -d x -H 'Prefer: wait=86400'
expect 'applied' "$(header Preference-Applied)" wait=20
ask 'of the location' 200 /w/quick -d y
expect 'not asked for' "$(header Preference-Applied)" ''
ask 'a failure' 502 /w/work -d fail
expect 'a problem' "$(header Content-Type)" application/problem+json
ask 'rather not' 202 /w/work -d 0.1 -H 'Prefer: respond-async'
expect 'applied' "$(header Preference-Applied)" respond-async
ask 'nonsense' 202 /t/work -d 0.1 -H 'Prefer: wait=soon'
ask 'a mistake' 500 /odd/work -d 0.1

# --- not in time, and then --------------------------------------------------

ask 'not in time' 202 /t/work -d hold -H 'Prefer: wait=1'
held=$id
expect 'its address' "$(header Location)" "/tasks/$held"
expect 'its state' "$(header Outlast-State)" running
known_progress() {
	ask 'the object' 200 "/tasks/$held"
	grep -q '"percent":45' "$T/body"
}
wait_for 5 known_progress
etag=$(header ETag)
began=$(now_ms)
ask 'nothing changes' 304 "/tasks/$held" -H "If-None-Match: $etag" \
	-H 'Prefer: wait=1'
[ $(($(now_ms) - began)) -ge 1000 ] || fail 'it did not wait'
ask 'a duplicate waits for the first one' 202 /t/work -d hold \
	-H 'Prefer: wait=1' -H 'Idempotency-Key: k'
ask 'again' 202 /t/work -d hold -H 'Prefer: wait=1' -H 'Idempotency-Key: k'
expect 'said so' "$(header Outlast-Duplicate)" 1
second=$id
curl -s -o "$T/poll" -w '%{http_code}' --max-time 30 \
	-H "If-None-Match: $etag" -H 'Prefer: wait=19' \
	"http://127.0.0.1:$port/tasks/$held" >"$T/poll.status" &
poll=$!
curl -s -o "$T/result" -w '%{http_code}' --max-time 30 -H 'Prefer: wait=19' \
	"http://127.0.0.1:$port/tasks/$second/result" >"$T/result.status" &
result=$!
sleep 0.3
touch "$T/go"
wait $poll
expect 'a long poll' "$(cat "$T/poll.status")" 200
grep -q '"percent":90' "$T/poll" || fail "not what changed: $(cat "$T/poll")"
wait $result
expect 'the result of a duplicate' "$(cat "$T/result.status")" 200
grep -q 'made of hold' "$T/result" || fail "$(cat "$T/result")"
ask 'the duplicate, after its end' 200 /t/work -d hold \
	-H 'Prefer: wait=1' -H 'Idempotency-Key: k'
rm "$T/go"

# --- a browser --------------------------------------------------------------

navigate=(-H 'Sec-Fetch-Mode: navigate' -H 'Sec-Fetch-Site: same-origin')
ask 'a navigation' 303 /t/work -d hold "${navigate[@]}"
held=$id
expect 'its page' "$(header Location)" "/tasks/$held/page"
ask 'an old browser' 303 /t/work -d 0.1 \
	-H 'Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8'
ask 'a script of a page' 202 /t/work -d 0.1 -H 'Sec-Fetch-Mode: cors' \
	-H 'Accept: text/html'
ask 'in time' 200 /w/quick -d z "${navigate[@]}"
page_says() {
	ask 'the page' 200 "/tasks/$held/page" "${navigate[@]}"
	grep -q "$1" "$T/body"
}
wait_for 5 page_says '<title>45 % – In progress</title>'
grep -q 'drawing &lt;b&gt;page&lt;/b&gt; 3 &amp; 4' "$T/body" ||
	fail 'the words of the task'
[ "$(stat -c %s "$T/body")" -lt 6144 ] || fail 'the page is not small'
# Without scripts: what the page itself says, until it is the result.
grep -q '<noscript><meta http-equiv="refresh" content="[0-9]*"></noscript>' \
	"$T/body" || fail 'it does not refresh'
# Nor do browsers for terminals, which also show what is hidden.
grep -q '<noscript><p><a href="page">' "$T/body" || fail 'no link to it'
! sed '/<script>/,$d' "$T/body" | grep -q 'interrupted' ||
	fail 'it tells of an interruption that there is not'
touch "$T/go"
became() {
	ask 'the page' 200 "/tasks/$held/page" "${navigate[@]}"
	grep -q 'made of hold' "$T/body"
}
wait_for 20 became
rm "$T/go"
ask 'a failure' 303 /t/work -d fail "${navigate[@]}"
failed() {
	[ "$(http "/tasks/$id/page" "${navigate[@]}" -D "$T/head")" = 502 ]
}
wait_for 5 failed
expect 'a page' "$(header Content-Type)" 'text/html; charset=utf-8'
! grep -q 'exit' "$T/body" || fail 'a visitor is told how we are built'
expect 'nothing there' "$(http "/tasks/${id%?????}00000/page" \
	"${navigate[@]}")" 404

if [ -x /usr/bin/chromium ]; then
	cat >"$T/page.py" <<'END'
import os, sys
from browser import Browser
folder, site = sys.argv[1:]
go = folder + "/go"

def submit(page, word, task="work"):
    """As the form of some site would."""
    page.open(site + "/tasks/livez")
    page.run("document.body.innerHTML = '<form method=post "
             f"action=/t/{task} enctype=text/plain><input name=x></form>'")
    page.run(f"document.forms[0].x.name = '{word}\\n'")
    page.run("document.forms[0].submit()")

for script in True, False:
    with Browser(folder, script=script) as page:
        submit(page, "hold")
        page.wait(20, "location.pathname.endsWith('/page')")
        page.wait(20, "document.title == '45 % – In progress'")
        words = page.run("document.querySelector('#t').textContent")
        assert words == "drawing <b>page</b> 3 & 4", words
        assert page.run("document.querySelector('progress').value") == 45
        page.run("window.mine = 1")
        open(go, "w").close()
        if script:
            # It changes in place.
            page.wait(20, "document.title == '90 % – In progress'")
            assert page.run("window.mine") == 1, "it was loaded again"
        page.wait(40, "document.title == 'Done'")
        assert page.run("document.querySelector('h1').textContent") \
            == "made of hold"
        assert page.run("location.pathname.endsWith('/page')")
        os.unlink(go)

# A result that is saved as a file leaves the page on the screen.
with Browser(folder) as page:
    submit(page, "hold", "saved")
    page.wait(20, "document.title == '45 % – In progress'")
    open(go, "w").close()
    page.wait(40, "document.title == 'Finished'")
    assert page.run("document.querySelector('progress').value") == 100
    page.run("new Promise(f => setTimeout(f, 1500))")
    assert page.run("document.querySelector('h1').textContent") == "Finished"
    os.unlink(go)
END
	/usr/bin/python3 "$T/page.py" "$T" "http://127.0.0.1:$port" ||
		fail 'the page does not do what it should'
	say 'the page became the result, with scripts and without'
else
	say 'no browser pass: /usr/bin/chromium is missing'
fi

# --- very many --------------------------------------------------------------

engine=$(role engine)
before=$(descriptors "$engine")
rss() {
	awk '/^VmRSS:/ { print $2 }' "/proc/$engine/status"
}
rss_before=$(rss)
cat >"$T/many.py" <<'END'
import os, selectors, socket, sys, time
sock, number, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]

def pairs(params):
    out = b""
    for name, value in params.items():
        n, v = name.encode(), value.encode()
        out += bytes([len(n), len(v)]) + n + v
    return out

def record(kind, content):
    return bytes([1, kind, 0, 1]) + len(content).to_bytes(2, "big") \
        + b"\0\0" + content

def ask():
    body = b"0"
    params = pairs({"REQUEST_METHOD": "POST", "DOCUMENT_URI": "/x",
        "OUTLAST_TASK": "many", "HTTP_PREFER": "wait=20",
        "CONTENT_LENGTH": str(len(body))})
    return record(1, b"\0\1\0\0\0\0\0\0") + record(4, params) \
        + record(4, b"") + record(5, body) + record(5, b"")

waiting = selectors.DefaultSelector()
for i in range(number):
    s = socket.socket(socket.AF_UNIX)
    while True:
        try:
            s.connect(sock)
            break
        except BlockingIOError:
            time.sleep(0.01)
    s.sendall(ask())
    waiting.register(s, selectors.EVENT_READ, bytearray())
time.sleep(1)
open(folder + "/all", "w").close()
while not os.path.exists(folder + "/go"):
    time.sleep(0.02)
codes = {}
while waiting.get_map():
    for key, _ in waiting.select(60):
        more = key.fileobj.recv(65536)
        key.data.extend(more)
        if not more:
            code = bytes(key.data).partition(b"Status: ")[2][:3].decode()
            codes[code] = codes.get(code, 0) + 1
            waiting.unregister(key.fileobj)
            key.fileobj.close()
print("RESULT", *(f"s{code or 'none'}={n}" for code, n in codes.items()))
END
ulimit -n 8192 2>/dev/null || true
python3 "$T/many.py" "$sock" "$WAITING" "$T" >"$T/many.out" 2>&1 &
many=$!
wait_for 60 test -e "$T/all"
fds=$(($(descriptors "$engine") - before))
kib=$(($(rss) - rss_before))
touch "$T/go"
wait $many || fail "the clients: $(tail -3 "$T/many.out")"
result=$(grep ^RESULT "$T/many.out")
say "$WAITING waiting: $fds descriptors, $kib KiB more; $result"
# One for each, and the few of what began meanwhile.
[ $fds -le $((WAITING + 50)) ] || fail "$fds descriptors"
[ $kib -le $((WAITING * 16 + 4096)) ] || fail "$kib KiB more"
expect 'answered' "$(($(field s200) + $(field s202)))" "$WAITING"
descriptors_back() {
	[ "$(descriptors "$engine")" -le $((before + 30)) ]
}
wait_for 20 descriptors_back

# --- a drain waits for nobody -----------------------------------------------

rm "$T/go"
ask 'to be drained' 202 /t/work -d hold
curl -s -o /dev/null -w '%{http_code}' --max-time 30 -H 'Prefer: wait=19' \
	-d hold "http://127.0.0.1:$port/t/work" >"$T/drained" &
waiter=$!
sleep 0.5
began=$(now_ms)
kill -TERM "$outlastd"
wait $waiter
expect 'who waits in a drain' "$(cat "$T/drained")" 202
[ $(($(now_ms) - began)) -lt 10000 ] || fail 'it was held'
touch "$T/go"
gone 30 "$outlastd" || fail 'outlastd did not end'

#!/bin/bash
# examples/thumbnails as it is, but for ports and paths: a JPEG goes in through
# nginx, and comes out in three sizes, made in C, in shell and in Python. The
# same programs by hand, and what is no good picture: exit 65 and a reason, one
# attempt, no result. The page, with a browser where there is one.
# Control: a result of another size, or from a damaged picture, is not right.
. "$(dirname "$0")/../lib/lib.sh"

HERE=$SRC/examples/thumbnails
pkg-config --exists libjpeg || skip "libjpeg62-turbo-dev is missing"
need "$BUILD/examples/thumbnails/thumbnail" "$OUTLASTD"
for program in djpeg cjpeg rdjpgcom pamscale systemd-notify; do
	command -v $program >/dev/null || skip "$program is missing"
done
/usr/bin/python3 -c 'import PIL' 2>/dev/null || skip "python3-pil is missing"

# --- pictures, good and bad ------------------------------------------------------

mkdir "$T/www" "$T/in" "$T/tmp"
cp "$HERE"/index.html "$HERE"/thumbnail.sh "$HERE"/thumbnail.py \
	"$BUILD/examples/thumbnails/thumbnail" "$T/www"
/usr/bin/python3 - "$T/in" <<'END'
import os, sys
from PIL import Image
os.chdir(sys.argv[1])
wave = Image.radial_gradient("L").resize((3000, 2000))
Image.merge("RGB", (wave, wave.rotate(90), wave.transpose(0))).save("big.jpg")
Image.open("big.jpg").save("progressive.jpg", progressive=True)
wave.save("grey.jpg")
wave.resize((60, 40)).save("small.jpg")
wave.resize((3000, 2)).save("flat.jpg")
wave.save("other.png")
with open("big.jpg", "rb") as f:
    big = f.read()
start = big.index(b"\xff\xc0") + 5	# where a frame's header has its size
good = {
    "form.bin": b"--x\r\nContent-Disposition: form-data; name=picture\r\n"
    b"Content-Type: image/jpeg\r\n\r\n" + big + b"\r\n--x--\r\n",
}
bad = {
    "empty": b"",
    "text": b"<?php system($_GET['c']); ?>\n",
    "cut": big[:len(big) // 3],
    "head": big[:start],
    "bomb": big[:start] + b"\xff\xdc\xff\xdc" + big[start + 4:],
    "nothing": big[:start] + b"\0\0\0\0" + big[start + 4:],
}
for name, data in {**good, **bad}.items():
    with open(name, "wb") as f:
        f.write(data)
END

# sized FILE: "WIDTH HEIGHT" of a JPEG; nothing of anything else.
sized() {
	djpeg -strict -outfile "$T/sized" "$1" 2>/dev/null || return 0
	pnmfile "$T/sized" | sed -n 's/.*P[PG]M raw, \([0-9]*\) by \([0-9]*\) .*/\1 \2/p'
}

expect "the control: a damaged picture's size" "$(sized "$T/in/cut")" ""

# --- the programs by hand ----------------------------------------------------------

# by_hand PROGRAM SIZE FILE: its exit status; the rest is in $T/out and $T/why.
by_hand() {
	local status=0
	rm -rf "$T/scratch"
	mkdir "$T/scratch"
	(cd "$T/scratch" && timeout 20 "$T/www/$1" --size "$2" <"$T/in/$3" \
		>"$T/out" 2>"$T/why") || status=$?
	echo $status
}

for program in thumbnail thumbnail.sh thumbnail.py; do
	while read -r file size wanted; do
		expect "$program, $file" "$(by_hand $program "$size" "$file")" 0
		expect "$program, $file to $size" "$(sized "$T/out")" "$wanted"
	done <<-END
		big.jpg 480 480 320
		progressive.jpg 480 480 320
		grey.jpg 160 160 107
		small.jpg 160 60 40
		flat.jpg 1280 1280 1
	END
	for file in empty text other.png cut head bomb nothing; do
		expect "$program, $file" "$(by_hand $program 160 $file)" 65
		grep -q '^thumbnail: .' "$T/why" || fail "$program, $file: no reason"
		[ $file != bomb ] || grep -q 'pixels' "$T/why" ||
			fail "$program, bomb: it was unpacked: $(cat "$T/why")"
	done
	expect "$program without a size" \
		"$(by_hand $program '' big.jpg)" 64
	export OUTLAST_CONTENT_TYPE='multipart/form-data; boundary=x'
	expect "$program, a form" "$(by_hand $program 480 form.bin)" 0
	expect "$program, the picture in it" "$(sized "$T/out")" "480 320"
	unset OUTLAST_CONTENT_TYPE
	# Progress: datagrams with numbers that rise, and words.
	expect "$program, its progress" "$(/usr/bin/python3 - "$T" $program <<-'END'
		import os, re, socket, subprocess, sys
		folder, program = sys.argv[1:]
		os.chdir(folder + "/scratch")
		with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, \
		        open("../in/big.jpg") as picture:
		    notify.bind("../notify")
		    notify.settimeout(0.2)
		    subprocess.run(["../www/" + program, "--size", "480"],
		                   stdin=picture, stdout=subprocess.DEVNULL, check=True,
		                   env={**os.environ,
		                        "NOTIFY_SOCKET": folder + "/notify"})
		    os.unlink("../notify")
		    said = []
		    try:
		        while True:
		            said.append(notify.recv(600).decode())
		    except TimeoutError:
		        pass
		words = [re.fullmatch(r"X_OUTLAST_PROGRESS=(\d+) \w+\n?", s) for s in said]
		numbers = [int(word[1]) for word in words if word]
		print("rises" if len(numbers) == len(said) >= 3 and
		      numbers == sorted(set(numbers)) else said)
	END
	)" rises
	expect "$program, a form that nobody calls so" \
		"$(by_hand $program 480 form.bin)" 65
done

# --- behind nginx -------------------------------------------------------------------

port=$(free_port)
sed -e "s|127.0.0.1:8080|127.0.0.1:$port|" -e "s|/srv/thumbnails|$T/www|" \
	-e "s|/run/outlast/tasks.sock|$T/tasks.sock|" \
	"$HERE/nginx.conf" >"$T/thumbnails.conf"
sed -e "s|/run/outlast/outlastd.pid|$T/outlastd.pid|" \
	-e "s|/var/lib/outlast|$T/state|" -e "s|/srv/thumbnails|$T/www|" \
	-e "s|/run/outlast/tasks.sock group=www-data|$T/tasks.sock|" \
	"$HERE/outlast.conf" >"$T/outlast.conf"
user=
if [ "$(id -u)" -eq 0 ]; then
	# Accounts that every Debian has.
	user='user root;'
	sed -i -e '1i user daemon;' -e 's|{ program|{ user nobody; program|' \
		"$T/outlast.conf"
	chmod 755 "$T"
fi
cp /etc/nginx/fastcgi_params /etc/nginx/mime.types "$T"
cat >"$T/nginx.conf" <<-CONF
	$user
	daemon off;
	pid nginx.pid;
	events { }
	http {
		access_log off;
		include mime.types;
		client_body_temp_path tmp/body;
		fastcgi_temp_path tmp/fastcgi;
		proxy_temp_path tmp/proxy;
		uwsgi_temp_path tmp/uwsgi;
		scgi_temp_path tmp/scgi;
		include thumbnails.conf;
	}
CONF
nginx -p "$T" -c nginx.conf -e stderr -t >"$T/check.log" 2>&1 ||
	fail "nginx does not take the example's file"
"$OUTLASTD" -t -c "$T/outlast.conf" >"$T/check.log" 2>&1 || {
	cat "$T/check.log"
	fail "outlastd does not take the example's file"
}
start nginx nginx -p "$T" -c nginx.conf -e stderr
start_outlastd
ready() {
	[ "$(http /tasks/00000000-0000-7000-8000-000000000000)" = 404 ]
}
wait_for 10 ready

# upload SIZE FILE TYPE [CURL OPTION…]: the task's address in $task.
upload() {
	local size=$1 file=$2 type=$3
	shift 3
	expect "upload of $file" "$(http "/upload/$size" -D "$T/header" \
		-H "Content-Type: $type" --data-binary "@$T/in/$file" "$@")" 202
	task=$(tr -d '\r' <"$T/header" | sed -n 's/^Location: //p')
	[[ $task == /tasks/* ]] || fail "no Location: $(cat "$T/header")"
}

# member EXPRESSION: of the task object in $T/body.
member() {
	/usr/bin/python3 -c '
import json, sys
with open(sys.argv[1]) as f:
    task = json.load(f)
print(eval(sys.argv[2], {"task": task}))' "$T/body" "$1"
}

ended() {
	[ "$(http "$task")" = 200 ] && [ "$(member 'task["ended"] is not None')" = True ]
}

while read -r size wanted; do
	upload "$size" big.jpg image/jpeg
	wait_for 20 ended
	expect "$size: state" "$(member 'task["state"]')" succeeded
	expect "$size: attempt" "$(member 'task["attempt"]')" 1
	expect "$size: result" "$(http "$task/result" -D "$T/header")" 200
	grep -q -i '^Content-Type: image/jpeg' "$T/header" || fail "not image/jpeg"
	expect "$size: what it is" "$(sized "$T/body")" "$wanted"

	# Three times, for each program: no picture, one attempt, a reason.
	upload "$size" cut image/jpeg
	wait_for 20 ended
	expect "$size, damaged: state" "$(member 'task["state"]')" failed
	expect "$size, damaged: attempts" "$(member 'task["attempt"]')" 1
	expect "$size, damaged: exit" "$(member 'task["error"]["exit"]')" 65
	say "$size, damaged: $(member 'task["error"]["stderr"].strip()')"
	expect "$size, damaged: the reason" \
		"$(member '"thumbnail: " in task["error"]["stderr"]')" True
	expect "$size, damaged: result" "$(http "$task/result")" 502

	# What a browser without JavaScript sends.
	upload "$size" form.bin 'multipart/form-data; boundary=x'
	wait_for 20 ended
	expect "$size, a form: result" "$(http "$task/result")" 200
	expect "$size, a form: what it is" "$(sized "$T/body")" "$wanted"
done <<-END
	small 160 107
	medium 480 320
	large 1280 853
END
expect "another size" "$(http /upload/huge --data-binary x)" 404
expect "a GET" "$(http /upload/small)" 405
head -c 11000000 /dev/zero >"$T/in/large"
expect "11 MB" "$(http /upload/small --data-binary "@$T/in/large")" 413

# The same key again, as the page does after a failure: the same task.
upload small big.jpg image/jpeg -H 'Idempotency-Key: once'
first=$task
upload small big.jpg image/jpeg -H 'Idempotency-Key: once'
expect "the second upload with one key" "$task" "$first"

# --- the page -----------------------------------------------------------------------

expect "the page" "$(http /)" 200
cmp -s "$T/body" "$HERE/index.html" || fail "the page is not the example's"
if [ ! -x /usr/bin/chromium ]; then
	say "no browser pass: /usr/bin/chromium is missing"
	exit 0
fi
cat >"$T/page.py" <<'END'
import sys
from browser import Browser
folder, address, picture, damaged = sys.argv[1:]

def upload(page, path):
    page.open(address)
    page.put_file("input[type=file]", path)
    page.run("document.querySelector('button').click()")

with Browser(folder) as page:
    upload(page, picture)
    page.wait(20, "document.querySelectorAll('figure.succeeded img').length == 3")
    page.wait(5, "[...document.images].every(i => i.complete)")
    sizes = page.run("[...document.images].map("
                     "i => i.alt + ' ' + i.naturalWidth + ' ' + i.naturalHeight)")
    page.picture(folder + "/page.png")
    wanted = ["small 160 107", "medium 480 320", "large 1280 853"]
    assert sorted(sizes) == sorted(wanted), sizes
    page.open("about:blank")
    page.open(address)
    page.wait(20, "document.querySelectorAll('figure.succeeded img').length == 3")
    upload(page, damaged)
    page.wait(20, "document.querySelectorAll('figure.failed').length == 3")
    page.picture(folder + "/failed.png")
    text = page.run("document.querySelector('#tasks').innerText")
    assert text.count("thumbnail: ") == 3, text
    assert not page.run("document.images.length"), "there is a picture"

# Without JavaScript the form itself submits; what comes is the task's page, and
# that becomes the picture.
with Browser(folder, script=False) as page:
    upload(page, picture)
    page.wait(20, "location.pathname.endsWith('/page')")
    page.wait(20, "document.images.length == 1 && document.images[0].complete")
    assert page.run("document.images[0].naturalWidth") == 480
END
/usr/bin/python3 "$T/page.py" "$T" "http://127.0.0.1:$port/" "$T/in/big.jpg" \
	"$T/in/cut" || fail "the page does not do what it should"
say "the page showed three pictures, three reasons, and one task without script"

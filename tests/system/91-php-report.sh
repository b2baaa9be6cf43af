#!/bin/bash
# examples/php-report as it is, but for ports and paths: before.conf, then
# after.conf, one line apart; the same upload with curl and with a browser, with
# JavaScript and without. SCREENSHOTS=FOLDER keeps what the browser has shown.
# Control: before, the browser waits and there is no progress.
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/tasks.sh
. "$LIB/tasks.sh"
# shellcheck source=../lib/api.sh
. "$LIB/api.sh"
# shellcheck source=../lib/php.sh
. "$LIB/php.sh"

HERE=$SRC/examples/php-report
expect 'lines of the diff' "$(diff "$HERE/before.conf" "$HERE/after.conf" |
	grep -c '^[<>]')" 2
diff "$HERE/before.conf" "$HERE/after.conf" | sed -n 's/^[<>] //p' |
	while read -r line; do
		grep -q -F -- "$line" "$HERE/README.md" ||
			fail "README.md does not show: $line"
	done || exit 1

# --- php-fpm, outlastd and nginx with the example's files ---------------------

cp -r "$HERE/www" "$pages/"
{
	echo '[global]'
	echo "error_log = $T/fpm.log"
	echo 'daemonize = no'
	sed -e "s|/run/php/report.sock|$PHP_SOCK|" \
		-e '/^listen.group/d; s/^listen.mode.*/listen.mode = 0666/' \
		"$HERE/php-fpm.conf" |
		if [ "$(id -u)" -eq 0 ]; then
			sed -e '/^listen.owner/d; s/^user = .*/user = nobody\ngroup = nogroup/'
		else
			sed -e '/^listen.owner/d; /^user = /d'
		fi
	echo "php_admin_value[session.save_path] = $T/php"
	echo "php_admin_value[upload_tmp_dir] = $T/php"
	echo "access.log = $T/access.log"
} >"$T/fpm.conf"
sed -i 's/^env\[REPORT_SECONDS\] = 3/env[REPORT_SECONDS] = 2/' "$T/fpm.conf"
start fpm.out "$FPM" -n -F -y "$T/fpm.conf"
# shellcheck disable=SC2034 # for php.sh
fpm=$pid
wait_for 10 fpm_answers
{
	main_directives
	sed -e '/^pid /d; /^state /d; /^listen /d' \
		-e "s|unix:/run/php/report.sock|unix:$PHP_SOCK|" "$HERE/outlast.conf"
} >"$T/outlast.conf"
start_tasks

port=$(free_port)
variant() {
	echo 'include /etc/nginx/mime.types;'
	sed -e "s|127.0.0.1:8080|127.0.0.1:$port|" -e "s|/srv/report|$pages/www|" \
		-e "s|unix:/run/php/report.sock|unix:$PHP_SOCK|" \
		-e "s|unix:/run/outlast/tasks.sock|unix:$sock|" \
		"$HERE/$1.conf"
}
cp /etc/nginx/fastcgi.conf "$T"
variant before >"$T/report.conf"
start_published report.conf
serves() {
	[ "$(http /)" = 200 ]
}
wait_for 5 serves

# --- with curl ----------------------------------------------------------------

jar=(-b "$T/jar" -c "$T/jar")
expect 'log in' "$(http / "${jar[@]}" -d 'name=Jane <Doe>')" 303
upload() {
	http /report.php -b "$T/jar" -D "$T/head" -F "sales=@$HERE/sales.csv" "$@"
}
expect 'not logged in' "$(http /report.php -F "sales=@$HERE/sales.csv")" 303
expect 'no file' "$(http /report.php -b "$T/jar" -d x=1)" 422

began=$(now_ms)
expect 'before' "$(upload)" 200
took=$(($(now_ms) - began))
[ $took -ge 2000 ] || fail "before, it took $took ms only"
say "before: 200 after $took ms"
mv "$T/body" "$T/before.html"
grep -q 'for Jane &lt;Doe&gt;' "$T/before.html" || fail 'whose report is it?'

variant after >"$T/report.conf"
worker=$(children "$nginx")
kill -HUP "$nginx"
# Until it is gone it takes requests.
gone 10 "$worker" || fail 'nginx does not reload'
began=$(now_ms)
expect 'after' "$(upload)" 202
took=$(($(now_ms) - began))
say "after: 202 after $took ms"
id=$(header Outlast-Task-Id)
# It reports, and nobody else may see it.
reports() {
	curl -s -b "$T/jar" "http://127.0.0.1:$port/tasks/$id" |
		tee "$T/object" | grep -q '"text":"adding up"'
}
wait_for 20 reports
expect 'its progress' "$(of_task 'task["progress"]["percent"]')" 40
expect 'for others' "$(http "/tasks/$id")" 404
wait_for 20 in_state succeeded "/tasks/$id" -b "$T/jar"
expect 'the result' "$(http "/tasks/$id/result" -b "$T/jar")" 200
cmp "$T/body" "$T/before.html" || fail 'the result is another page'
expect 'for others' "$(http "/tasks/$id/result")" 404

expect 'CSV' "$(upload -F format=csv -H 'Prefer: wait=20')" 200
expect 'its head' "$(header Content-Disposition)" 'attachment; filename="report.csv"'
expect 'its lines' "$(tr -d '\r' <"$T/body" | head -1)" 'Coffee,1500'
expect 'no file' "$(http /report.php -b "$T/jar" -d x=1 -H 'Prefer: wait=20')" 422
expect 'not logged in' "$(http /report.php -F "sales=@$HERE/sales.csv" \
	-H 'Prefer: wait=20')" 303

# --- with a browser -----------------------------------------------------------

if [ ! -x /usr/bin/chromium ]; then
	say 'no browser pass: /usr/bin/chromium is missing'
	exit 0
fi
shots=${SCREENSHOTS:-$T/shots}
mkdir -p "$shots"
cat >"$T/click.py" <<'END_PY'
import sys
from browser import Browser
folder, address, csv, shots = sys.argv[1:]

def click(page, name, seen):
    page.open(address)
    page.wait(10, "document.querySelector('input[name=name]')")
    page.run("document.querySelector('input[name=name]').value = 'Jane'")
    page.run("document.querySelector('button').click()")
    page.wait(10, "document.querySelector('input[type=file]')")
    page.put_file("input[type=file]", csv)
    page.picture(f"{shots}/{name}-form.png")
    page.run("document.querySelector('button').click()")
    page.wait(20, "location.pathname.endsWith('/page')")
    where = page.run("location.href")
    page.wait(20, seen)
    page.picture(f"{shots}/{name}-progress.png")
    # F5 does not submit again.
    page.ask("Page.reload")
    page.wait(20, "document.querySelector('h1') && "
              "document.body.innerText.includes('Sales report for Jane')")
    assert page.run("location.href") == where, page.run("location.href")
    assert page.run("document.querySelectorAll('meter').length") == 3
    page.picture(f"{shots}/{name}-result.png")
    return where

with Browser(folder) as page:
    first = click(page, "script", "document.body && "
                  "/adding up|drawing|binding/.test(document.body.innerText)")
with Browser(folder, script=False) as page:
    page.ask("Network.enable")
    page.ask("Network.clearBrowserCookies")
    second = click(page, "no-script",
                   "document.querySelector('[role=progressbar]')")
assert first != second
END_PY
runs=$(lines 'POST /report.php' "$T/access.log")
/usr/bin/python3 "$T/click.py" "$T" "http://127.0.0.1:$port/" "$HERE/sales.csv" \
	"$shots" || fail 'the browser does not get its report'
expect 'pages that ran for two clicks' \
	$(($(lines 'POST /report.php' "$T/access.log") - runs)) 2
say "the browser saw form, progress and report; pictures in $shots"

#!/bin/bash
# examples/quickstart.sh: tells its story to the end, leaves everything running,
# can be run again, and --stop leaves nothing behind. Builds in a folder of its
# own, so that a quickstart of yours goes on running.
. "$(dirname "$0")/../lib/lib.sh"

/usr/bin/python3 -c 'import aiosmtpd' 2>/dev/null ||
	skip "no mail server: python3-aiosmtpd is missing"
[ -x /usr/sbin/php-fpm8.2 ] || skip "php8.2-fpm is missing"
pkg-config --exists libcurl || skip "libcurl4-openssl-dev is missing"
pkg-config --exists libjpeg || skip "libjpeg62-turbo-dev is missing"

export OUTLAST_QUICKSTART=$BUILD/quickstart
quickstart() {
	"$SRC/examples/quickstart.sh" "$@"
}
stop_quickstart() {
	local status=$?
	quickstart --stop >>"$T/stop.log" 2>&1
	(exit $status)
	cleanup
}
trap stop_quickstart EXIT

# told: the story's turning points are in the output, in this order.
told() {
	local line rest
	rest=$(cat "$T/story.log")
	for line in '200 OK' 'after' 'unix:tasks.sock' '202 Accepted' \
		'Location: /tasks/' '%: adding up' 'succeeded, attempt 1' '200 OK' \
		'Content-Type: text/html' 'the very page of step 1' \
		'202 Accepted' 'Location: /tasks/' 'running, attempt 1' \
		'kill -9' 'running, attempt 2' 'succeeded, attempt 2' \
		'a JPEG of 160 x 100 pixels' 'HTTP 303 after' \
		'a mail to visitor@example.org: "Welcome", with welcome.jpg' \
		'stop began' 'pages were asked for and answered' '--stop'; do
		case $rest in
		*"$line"*) rest=${rest#*"$line"} ;;
		*) fail "\"$line\" is missing, or too early" ;;
		esac
	done
	[ "$(wc -l <"$T/story.log")" -le 110 ] || fail "the story is too long"
}

for round in first second; do
	began=$(now_ms)
	quickstart --no-install --port 8480 >"$T/story.log" 2>&1 ||
		fail "the $round quickstart failed"
	told
	say "the $round one took $(($(now_ms) - began)) ms"
	address=$(grep -o 'http://127.0.0.1:[0-9]*/' "$T/story.log" | head -1)
	wait_for 1 curl -sf "$address"
done
grep -q '^Ended what an earlier' "$T/story.log" ||
	fail "the second one did not end the first"

scratch=$(head -n 1 "$OUTLAST_QUICKSTART/running")
quickstart --stop >"$T/stop.log" || fail "--stop failed"
pgrep -af "$scratch" && fail "processes are left"
[ ! -e "$scratch" ] || fail "$scratch is left"
curl -sf "$address" >"$T/body" && fail "something answers still"
quickstart --stop || fail "--stop without anything to stop failed"

# Mistakes are named before anything is done.
mistake() {
	quickstart "${@:2}" >"$T/mistake.log" 2>&1 && fail "${*:2} is taken"
	grep -qF -- "$1" "$T/mistake.log" ||
		fail "${*:2}: $(cat "$T/mistake.log")"
}
mistake 'no such option: --prot' --prot 80
for number in 80 65001 x 99999999999999999999; do
	mistake 'from 1024 to 65000' --port $number
done

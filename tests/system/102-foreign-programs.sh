#!/bin/bash
# "type simple": programs that know nothing of outlast serve behind nginx, are
# told to leave by their stop_signal, and one that ends by itself with exit 0 is
# replaced at once, without a warning and without a lost request. A pool may
# change its type: the listener's O_NONBLOCK follows when nobody accepts on it
# any more. A program that is none, or ends at once, is paced.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

said() {
	grep -q -E "$1" "$T/outlastd.log"
}
# pool PROGRAM...: as the pool of the running outlastd.
pool() {
	: >"$T/outlastd.log"
	write_conf "$((generation += 1))" "$@"
	reload
	wait_for 5 said 'notice reloaded|not reloaded'
	said 'not reloaded' && fail "not taken: $*"
	wait_for 20 said 'pool app\[0\] pid [0-9]+: ready after'
}
# The process that serves now.
process() {
	grep -E -o 'pid [0-9]+: ready after' "$T/outlastd.log" | tail -1 |
		tr -dc 0-9
}
# Whether the listener is: as outlastd has it, it is the same for all.
blocking() {
	local inode fd flags
	inode=$(awk -v path="$T/app.sock" '$8 == path && $4 == "00010000" {
		print $7 }' /proc/net/unix)
	for fd in /proc/"$outlastd"/fd/*; do
		[ "$(readlink "$fd")" = "socket:[$inode]" ] || continue
		flags=$(awk '/^flags/ { print $2 }' "${fd/fd/fdinfo}")
		[ $((flags & 04000)) = 0 ]
		return
	done
	fail 'outlastd has no listener'
}
# leaves HOW: the process does, told by a new generation.
leaves() {
	local old
	old=$(process)
	write_conf "$((generation += 1))" "${@:2}"
	reload
	wait_for 20 said "pid $old: ended [0-9.]+ s after it began to leave: ($1)"
}

simple='type simple; shutdown_delay 5s; '

# A program of the other type, that is still busy when it is replaced.
pool_more='shutdown_delay 9s;'
write_conf 1 "$APP" --threads 2
start_outlastd
wait_for 10 serves
start_nginx fresh "$T/app.sock"
app=$(serving)
blocking && fail 'the listener of a notify program blocks'
expect item "$(http '/item?id=straddle&ms=6000')" 202

# Plain libfcgi.
pool_more="$simple stop_signal USR1;"
pool "$PLAIN" --threads 2
alive "$app" || fail 'the old process did not finish its item'
blocking || fail 'the listener of a simple program does not block'
for i in 1 2 3 4 5; do
	expect 'plain libfcgi' "$(http /x)" 202
done
[ ! -e "$(find "$T/notify" -name 'app.0.*' -newer "$T/outlast.conf")" ] ||
	fail 'it has a notify socket'
expect 'its descriptors beyond 2' \
	"$(find "/proc/$(process)/fd" -lname '*outlast-crash*' | wc -l)" 0
leaves 'exit [0-9]+|SIGUSR1' "$PLAIN" --threads 2
gone 10 "$app" || fail 'the process of the other type stayed'
expect 'the item' "$(lines '^end straddle [0-9]+ ok 1$' "$T/ledger")" 1

# Python, in 40 lines of its own.
cat >"$T/hello.py" <<'PY'
#!/usr/bin/python3
"""The smallest FastCGI program: one request a connection, no signals."""
import socket
import struct
import sys

sock = socket.socket(fileno=0)
while True:
    peer, _ = sock.accept()
    stream = peer.makefile("rb")
    while True:
        head = stream.read(8)
        if len(head) < 8:
            break
        _, kind, rid, size, pad = struct.unpack(">BBHHBx", head)
        stream.read(size + pad)
        if kind == 5 and size == 0:
            text = b"Status: 200\r\n\r\nhello from python\n"
            peer.sendall(struct.pack(">BBHHBB", 1, 6, rid, len(text), 0, 0) +
                         text + struct.pack(">BBHHBB", 1, 6, rid, 0, 0, 0) +
                         struct.pack(">BBHHBB8x", 1, 3, rid, 8, 0, 0))
            break
    stream.close()
    peer.close()
PY
chmod +x "$T/hello.py"
pool_more=$simple
pool /usr/bin/python3 "$T/hello.py"
wait_for 5 grep -q 'ended .* began to leave' "$T/outlastd.log"
for i in 1 2 3; do
	expect python "$(http /x)" 200
	grep -q 'hello from python' "$T/body" || fail 'python did not answer'
done
leaves SIGTERM /usr/bin/python3 "$T/hello.py"

# php-cgi, which ends by itself: exit 0, and the next one.
if php=$(command -v php-cgi8.2 || command -v php-cgi); then
	echo '<?php echo "php ", getmypid();' >"$T/hello.php"
	pool_more="$simple env PHP_FCGI_MAX_REQUESTS 4;"
	pool "$php"
	stop "$nginx"
	start_nginx fresh "$T/app.sock" \
		"fastcgi_param SCRIPT_FILENAME $T/hello.php;
		fastcgi_param REDIRECT_STATUS 200;"
	# One that ends within a second counts as one that failed.
	for ((i = 0; i < 7; i++)); do
		sleep 0.4
		expect php-cgi "$(http /x)" 200
		grep -q '^php [0-9]' "$T/body" || fail 'php-cgi did not answer'
	done
	[ "$(lines 'ended by itself: exit 0' "$T/outlastd.log")" -ge 1 ] ||
		fail 'php-cgi did not end by itself'
	[ "$(lines ' warn .*ended' "$T/outlastd.log")" = 0 ] ||
		fail 'the log warns of a normal end'
	leaves 'exit [0-9]+|SIGTERM' "$php"
else
	say 'php-cgi is not installed'
fi

# Perl, with FCGI.pm.
if perl -MFCGI -e 1 2>/dev/null; then
	cat >"$T/hello.pl" <<-'PERL'
		use FCGI;
		my $request = FCGI::Request();
		while ($request->Accept() >= 0) {
			print "Content-Type: text/plain\r\n\r\nhello from perl\n";
		}
	PERL
	pool_more=$simple
	pool /usr/bin/perl "$T/hello.pl"
	for i in 1 2 3; do
		expect perl "$(http /x)" 200
		grep -q 'hello from perl' "$T/body" || fail 'perl did not answer'
	done
	leaves 'exit [0-9]+|SIGTERM' /usr/bin/perl "$T/hello.pl"
else
	say 'FCGI.pm is not installed'
fi

# Exit 0 in a loop; a program that closes descriptor 0 and never serves.
pool_more=$simple
: >"$T/outlastd.log"
write_conf "$((generation += 1))" /bin/true
reload
wait_for 5 said 'ended before it was ready: exit 0'
sleep 1
[ "$(lines 'started /bin/true' "$T/outlastd.log")" -le 4 ] || fail 'not paced'
printf '#!/bin/sh\nexec sleep 60 <&-\n' >"$T/closer"
chmod +x "$T/closer"
pool "$T/closer"

# And back to a program that says when it is ready.
pool_more=
write_conf "$((generation += 1))" "$APP" --threads 2
: >"$T/outlastd.log"
reload
wait_for 10 serves
blocking && fail 'the listener still blocks'
stop "$outlastd" TERM 10
expect 'exit status' "$exited" 0

#!/bin/bash
# Pool programs that never accept, that accept and never read, that leak their
# descriptors until they have none, and that close descriptor 0: each is
# replaced or stopped in time, the log names it, and the pool beside them serves
# on.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/roles.sh
. "$(dirname "$0")/../lib/roles.sh"

need "$APP"
copy_app "$T/application"
script never <<-'EOS'
	#!/bin/sh
	trap '' TERM
	while :; do sleep 1000; done
EOS
script deaf <<-'EOS'
	#!/usr/bin/python3
	import signal, socket, time
	signal.signal(signal.SIGTERM, signal.SIG_IGN)
	listener, held = socket.socket(fileno=0), []
	while True:
	    held.append(listener.accept())
EOS
script leaks <<-'EOS'
	#!/usr/bin/python3
	import os, resource, socket, struct
	resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
	listener, held = socket.socket(fileno=0), []
	text = b"Status: 200\r\n\r\n\n%d" % os.getpid()
	while True:
	    conn = listener.accept()[0]
	    conn.recv(65536)
	    conn.sendall(struct.pack(">BBHHBB", 1, 6, 1, len(text), 0, 0) + text
	                 + struct.pack(">BBHHBB8x", 1, 3, 1, 8, 0, 0))
	    held.append(os.dup(listener.fileno()))
	    conn.close()
EOS
script closes <<-'EOS'
	#!/bin/sh
	exec 0<&-
	while :; do sleep 1000; done
EOS
# conf GENERATION
conf() {
	local name
	echo "pid $T/outlastd.pid; log stderr info; kill_grace 300ms; shutdown_delay 1s;"
	for name in never deaf leaks closes; do
		cat <<-CONF
			pool $name {
				listen unix:$T/$name.sock; program $T/$name;
				type simple; $program_user env GENERATION $1;
				rapid_fail off;
			}
		CONF
	done
	cat <<-CONF
		pool app {
			listen unix:$T/app.sock; program $T/application;
			$program_user
		}
	CONF
} >"$T/outlast.conf"
said_of() {
	said "pool $1\\[0\\] pid [0-9]+: $2"
}
one_each() {
	[ "$(children "$outlastd" | wc -l)" = 5 ]
}
replies() {
	python3 "$LIB/fcgi.py" "$T/$1.sock" / --timeout 1 2>/dev/null | tail -1
}
conf 1
start_outlastd
wait_for 5 serves
served=$(serving)
wait_for 10 said 'ready, 5 pools'
# Somebody waits there for an answer that never comes.
for name in never deaf closes; do
	python3 "$LIB/fcgi.py" "$T/$name.sock" / --timeout 60 >/dev/null 2>&1 &
	pids+=($!)
done
# The leak: the process dies of it, another one takes its place.
first=$(replies leaks)
[ -n "$first" ] || fail 'it does not leak'
other() {
	local now
	now=$(replies leaks)
	[ -n "$now" ] && [ "$now" != "$first" ]
}
wait_for 15 other
said_of leaks 'ended' || said 'pool leaks.*exit 1' ||
	fail "no word of it: $(grep leaks "$T/outlastd.log")"
expect 'who serves beside them' "$(serving)" "$served"
# A recycle ends the deaf ones at their deadline.
conf 2
: >"$T/outlastd.log"
reload
for name in never deaf; do
	wait_for 10 said_of $name killed
done
wait_for 10 one_each
expect 'who serves beside them' "$(serving)" "$served"
start_watch
stop "$outlastd"
within 2500 'the stop'
expect 'exit status' "$exited" 0

#!/bin/bash
# A program floods its notify socket, with progress, extensions and rubbish: the
# API answers, another task ends meanwhile, the task's last word arrives, and
# when it has ended no descriptor is left.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/roles.sh
. "$(dirname "$0")/../lib/roles.sh"

script flood <<-'EOS'
	#!/usr/bin/python3
	import os, socket
	out = os.environ["OUT"]
	to = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
	to.connect(os.environ["NOTIFY_SOCKET"])
	words = [b"X_OUTLAST_PROGRESS=%d page %d" % (n, n) for n in range(100)]
	words += [b"EXTEND_TIMEOUT_USEC=%d" % n for n in (-1, 0, 1, 2**63)]
	words += [b"\0\xff" * 500, b"=", b"", b"READY=1\n" * 400, b"x" * 60000]
	sent = 0
	while not os.path.exists(out + "/enough"):
	    for word in words:
	        try:
	            to.send(word)
	            sent += 1
	        except OSError:
	            pass
	    if sent > 5000 and not os.path.exists(out + "/flooded"):
	        open(out + "/flooded", "w").close()
	to.send(b"X_OUTLAST_PROGRESS=99 the last word")
	while not os.path.exists(out + "/end"):
	    pass
EOS
flows() {
	[ -e "$out/flooded" ]
}
spoke() {
	ask "/$1" | grep -q '"percent":99,"text":"the last word"'
}
write_roles "$(listen "$sock")" "$(task flood "$T/flood")" \
	"$(task quick /bin/true)"
start_outlastd
wait_for 5 is_ready
submit quick
wait_for 5 has_state "$id" succeeded
before=$(descriptors "$(role engine)")
submit flood
flood=$id
# Where the engine reads all that comes, it is heard of no more.
wait_for 20 flows
for _ in 1 2 3; do
	is_ready || fail 'no answer while it floods'
done
submit quick
wait_for 5 has_state "$id" succeeded
touch "$out/enough"
wait_for 5 spoke "$flood"
touch "$out/end"
wait_for 5 has_state "$flood" succeeded
no_more() {
	[ "$(descriptors "$(role engine)")" -le "$before" ]
}
wait_for 5 no_more
stop "$outlastd"
expect 'exit status' "$exited" 0

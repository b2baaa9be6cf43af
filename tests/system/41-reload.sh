#!/bin/bash
# What a reload does: nothing with a bad file, nothing to a pool that did not
# change; an overlap where the block changed; more or fewer processes without
# touching the others; pools come and go, and one whose socket was removed gets
# it back. And the log says why a process leaves.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

user=
[ "$(id -u)" -ne 0 ] || user='user root;'
a_more='' b_more=''
pool() {
	echo "pool $1 { listen unix:$T/$1.sock; program $APP; $user $2 }"
}

# load_conf POOL...
load_conf() {
	local name
	{
		echo "pid $T/outlastd.pid; log stderr info; shutdown_delay 1s;"
		for name; do
			case $name in
			a) pool a "$a_more" ;;
			b) pool b "$b_more" ;;
			*) echo "$name" ;;
			esac
		done
	} >"$T/outlast.conf"
}

# hup: reload, and wait until the log says how it went.
hup() {
	: >"$T/outlastd.log"
	reload
	wait_for 3 grep -q -E 'notice reloaded|not reloaded' "$T/outlastd.log"
}

who() {
	python3 "$LIB/fcgi.py" "$T/$1.sock" /pid --timeout 2 2>/dev/null |
		sed -n 2p
}

said() {
	[ "$(lines "$1" "$T/outlastd.log")" -gt 0 ]
}

# count POOL N: it has N processes, those that leave included.
count() {
	[ "$(find "$T/notify" -name "$1.*" | wc -l)" = "$2" ]
}

need "$APP" "$OUTLASTD"
load_conf a b
start_outlastd
wait_for 5 grep -q 'ready, 2 pools' "$T/outlastd.log"
a=$(who a) b=$(who b)

for bad in 'shutdown_dealy 90s;' 'include nowhere.conf;' '}'; do
	load_conf a b "$bad"
	hup
	said 'error .*outlast.conf:4:' || fail "no word of what is wrong in $bad"
	said 'not reloaded: the old configuration stays' || fail "took $bad"
done
rm "$T/outlast.conf"
mkdir "$T/outlast.conf"
hup
said 'not reloaded' || fail 'it took a folder'
rmdir "$T/outlast.conf"
: >"$T/outlast.conf"
hup
said 'not reloaded' || fail 'it took an empty file'
# Pools that change places would share an address for a while.
load_conf "$(pool a '' | sed s/a.sock/b.sock/)" "$(pool b '' | sed s/b.sock/a.sock/)"
hup
said 'which moves: do it in two reloads' || fail 'no word of a moved address'
said 'not reloaded' || fail 'pools changed places'
load_conf a b
hup
expect 'who serves pool a' "$(who a)" "$a"
expect 'who serves pool b' "$(who b)" "$b"

# A changed block, and a process that has work which it does not finish.
python3 "$LIB/fcgi.py" "$T/b.sock" '/item?id=lost&ms=60000' >/dev/null
sleep 1.1
b_more='env GENERATION 2;'
load_conf a b
hup
wait_for 5 said "pool b\[0\] pid $b: leaves \(reload\)"
wait_for 5 said "pool b\[0\] pid $b: killed .* 1 work items are lost"
count b 1 || wait_for 2 count b 1
expect 'who serves pool a' "$(who a)" "$a"
b=$(who b)

# More processes, then fewer.
a_more='processes 3;'
load_conf a b
hup
wait_for 5 count a 3
wait_for 5 said 'pool a\[2\] pid [0-9]+: ready'
a_more=
load_conf a b
hup
wait_for 5 count a 1
said 'pool a\[2\] pid [0-9]+: leaves \(fewer processes\)' ||
	fail 'the log does not say why one leaves'
expect 'who serves pool a' "$(who a)" "$a"

# A program that is not there: the old process serves on; when the program is
# mended, a reload tries it at once.
a_more='env GENERATION 2;'
load_conf a b
sed -i "/pool a/s,program [^;]*,program $T/program," "$T/outlast.conf"
hup
wait_for 2 said "cannot execute $T/program: No such file or directory"
wait_for 4 said 'the next try is in 2.00 s'
expect 'who serves pool a' "$(who a)" "$a"
cp "$APP" "$T/program"
hup
wait_for 1 said "pid $a: leaves \(reload\)"

# A pool removed, and back: its processes get new generations.
load_conf b
hup
wait_for 3 said 'pool a is gone'
said 'leaves \(pool removed\)' || fail 'the log does not say why one leaves'
[ ! -e "$T/a.sock" ] || fail 'its socket is left'
expect 'who serves pool b' "$(who b)" "$b"
load_conf a b
hup
wait_for 3 answers "$T/a.sock"
said 'pool a\[0\] .* generation 1$' && fail 'a generation came twice'

# Somebody removed a socket.
rm "$T/b.sock"
hup
said 'warn .*b.sock: the path is not ours any more' || fail 'not a word of it'
wait_for 3 answers "$T/b.sock"
wait_for 3 said "pool b\[0\] pid $b: ended"
answers "$T/b.sock" || fail 'the new socket went with the old process'

# What was killed long ago is not what the stop killed.
: >"$T/outlastd.log"
stop "$outlastd" TERM 5
expect 'exit status' "$exited" 0
said 'notice stopped after' || fail 'the log does not speak of a clean stop'

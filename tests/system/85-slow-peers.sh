#!/bin/bash
# 2000 slow and rude peers on the engine's socket: the others' p99 is not twice
# that of an engine without such peers, at the same moment, and the engine's
# memory stays within what connections cost. One trial is 10 s; from TRIALS=10
# on the slow ones must be closed by their deadline, too.
# alone: the latency of a quiet machine shows more
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/tasks.sh
. "$LIB/tasks.sh"
need "$OUTLASTD" "$LOAD" "$PLAIN"
seconds=$((TRIALS > 1 ? 10 * TRIALS : 10))
ulimit -n "$(ulimit -Hn)"
[ "$(ulimit -n)" -ge 5000 ] || skip 'too few descriptors are allowed'

# gentle NAME PORT SECONDS PATH: somebody else's requests, through nginx.
gentle() {
	start "$1" "$LOAD" --connections 16 --rate 200 --seconds "$3" --post 100 \
		--body 10 --timeout 5000 "http://127.0.0.1:$2$4"
}

# result_of NAME PID
result_of() {
	wait "$2" || fail 'the load generator failed'
	result=$(grep ^RESULT "$T/$1.log")
}

rss() {
	awk '/VmHWM/ { print $2 }' "/proc/$1/status"
}

# besieged SOCKET PORT CALM-PORT PATH: with 2000 peers on the socket behind one
# port, none behind the other; p99 in $p99 and $calm, lost requests in $gone.
besieged() {
	local ours theirs
	rm -f "$T"/{loris,ours,calm}.log
	start loris python3 "$LIB/loris.py" "$1" --connections 2000 \
		--seconds $((seconds + 4))
	loris=$pid
	wait_for 10 grep -q opened "$T/loris.log"
	gentle ours "$2" "$seconds" "$4"
	ours=$pid
	gentle calm "$3" "$seconds" "$4"
	theirs=$pid
	result_of ours $ours
	p99=$(field p99_us) gone=$(lost)
	result_of calm $theirs
	calm=$(field p99_us)
	[ "$(lost)" = 0 ] || fail "$(lost) requests were lost where all was calm"
	wait "$loris"
	result=$(grep ^RESULT "$T/loris.log") || fail 'the peers failed'
	say "calm p99 $calm us, besieged $p99 us, $gone lost; peers: $result"
}

# The calm one: the same daemon, in a folder of its own.
write_tasks
mkdir "$T/calm"
chmod 711 "$T/calm"
sed -e "s|$state|$T/calm/state|; s|$sock|$T/calm/sock|" \
	-e "s|$T/outlastd.pid|$T/calm/pid|" "$T/outlast.conf" >"$T/calm.conf"
start calmd "$OUTLASTD" -c "$T/calm.conf"
calmd=$pid
wait_for 10 test -S "$T/calm/sock"
start_nginx keep "$T/calm/sock" "$TASK_LOCATION"
calm_port=$port

start_nginx keep "$sock" "$TASK_LOCATION"
start_tasks
engine=$(role engine)
gentle first "$port" 1 /t/held
result_of first "$pid"
before=$(rss "$engine")
besieged "$sock" "$port" "$calm_port" /t/held
[ "$(field opened)" = 2000 ] || fail 'not all peers were let in'
[ "$gone" = 0 ] || fail "$gone requests of others were lost"
# Below 5 ms the machine's own noise is more than that.
[ "$p99" -lt $((2 * (calm > 5000 ? calm : 5000))) ] || fail 'the others wait'
grown=$(($(rss "$engine") - before))
say "the engine grew by $grown KiB"
[ $grown -lt $((2000 * 16)) ] || fail 'more than 16 KiB a connection'
if [ "$seconds" -ge 100 ]; then
	expect 'peers with a slow header that were closed' "$(field header)" 400
	expect 'peers with a slow body that were closed' "$(field body)" 400
fi
alive "$engine" || fail 'the engine is gone'
end_now

# The control: plain libfcgi with 16 threads lets the others wait.
start_plain "$T/plain.sock" --threads 16
start_nginx keep "$T/plain.sock"
seconds=6
besieged "$T/plain.sock" "$port" "$calm_port" /t/held
[ "$gone" -gt 0 ] || [ "$p99" -gt $((2 * (calm > 5000 ? calm : 5000))) ] ||
	fail 'the control took no harm: this test sees nothing'
kill -TERM "$calmd"
sleep 0.2
stop "$calmd" TERM 20

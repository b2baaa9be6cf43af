#!/bin/bash
# 2000 slow and rude peers on the engine's socket: the others' p99 is not twice
# what it was, and the engine's memory stays within what connections cost. One
# trial is 10 s; from TRIALS=10 on the slow ones must be closed by their
# deadline, too.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/tasks.sh
. "$LIB/tasks.sh"
need "$OUTLASTD" "$LOAD" "$PLAIN"
seconds=$((TRIALS > 1 ? 10 * TRIALS : 10))
ulimit -n "$(ulimit -Hn)"
[ "$(ulimit -n)" -ge 5000 ] || skip 'too few descriptors are allowed'

# gentle SECONDS PATH: somebody else's requests, through nginx.
gentle() {
	load --connections 16 --rate 200 --seconds "$1" --post 100 --body 10 \
		--timeout 5000 "http://127.0.0.1:$port$2"
}

rss() {
	awk '/VmHWM/ { print $2 }' "/proc/$1/status"
}

# besieged SOCKET PATH: calm, then with 2000 peers; p99 in $calm and $p99, lost
# requests in $gone.
besieged() {
	gentle 4 "$2"
	calm=$(field p99_us)
	rm -f "$T/loris.log"
	start loris python3 "$LIB/loris.py" "$1" --connections 2000 \
		--seconds $((seconds + 4))
	loris=$pid
	wait_for 10 grep -q opened "$T/loris.log"
	gentle "$seconds" "$2"
	p99=$(field p99_us)
	gone=$(lost)
	wait "$loris"
	result=$(grep ^RESULT "$T/loris.log") || fail 'the peers failed'
	say "calm p99 $calm us, besieged $p99 us, $gone lost; peers: $result"
}

write_tasks
start_nginx keep "$sock" "$TASK_LOCATION"
start_tasks
engine=$(role engine)
gentle 1 /t/held
before=$(rss "$engine")
besieged "$sock" /t/held
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
stop "$nginx"

# The control: plain libfcgi with 16 threads lets the others wait.
start_plain "$T/plain.sock" --threads 16
start_nginx keep "$T/plain.sock"
seconds=6
besieged "$T/plain.sock" /x
[ "$gone" -gt 0 ] || [ "$p99" -gt $((2 * (calm > 5000 ? calm : 5000))) ] ||
	fail 'the control took no harm: this test sees nothing'

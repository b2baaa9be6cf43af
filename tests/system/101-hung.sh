#!/bin/bash
# A process that hangs, or is stopped, is killed within ping_response_time and a
# second; the log says where it hangs, and a successor serves. Control: without
# pings the same process stays. And a ping is all that an idle process costs.
# alone: time is measured
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

# killed_in MS PID: whether it is gone by then, counted from $begin; a busy
# machine has three seconds more.
killed_in() {
	gone 8 "$2" || fail "process $2 is still there"
	took=$(($(now_ms) - begin))
	say "gone after $took ms"
	[ $took -le $(($1 + 3000)) ]
}
said() {
	grep -q -E "$1" "$T/outlastd.log"
}

pool_more='ping_interval 300ms; ping_response_time 1s; shutdown_delay 1s;'
write_conf 1 "$APP" --threads 2
start_outlastd
wait_for 10 serves

old=$(serving)
begin=$(now_ms)
python3 "$LIB/fcgi.py" "$T/app.sock" /hang >/dev/null
killed_in 2000 "$old" || fail "it took $took ms"
said "pid $old: hangs: no ping \(WATCHDOG=1\) in 1\.[0-9] s" ||
	fail 'the log does not say that it hangs'
said "pid $old: \| thread [0-9]+ \(.*\) is sleeping" ||
	fail 'the log does not say what its threads do'
said "pid $old: hung, and was ended with SIGABRT in work item \"hang\"" ||
	fail 'the log does not say where it hangs'
wait_for 5 serves_other "$old"

old=$(serving)
# Its first ping comes with READY: nothing to wait for.
begin=$(now_ms)
kill -STOP "$old"
killed_in 2000 "$old" || fail "it took $took ms"
said "pid $old: \| thread $old \(.*\) is stopped" ||
	fail 'the log does not say that it is stopped'
said "pid $old: killed at the deadline" || fail 'no word of the kill'
wait_for 5 serves_other "$old"

# outlastd itself is stopped for longer: nobody is killed for that.
old=$(serving)
: >"$T/outlastd.log"
kill -STOP "$outlastd"
sleep 2.5
kill -CONT "$outlastd"
sleep 1.5
expect 'who serves after outlastd slept' "$(serving)" "$old"

# wakes PID: how often its main thread has slept.
wakes() {
	awk '/^voluntary/ { print $2 }' "/proc/$1/status"
}
before=$(wakes "$old")
sleep 3
after=$(wakes "$old")
say "wake-ups in ten pings: $((after - before))"
[ $((after - before)) -le 24 ] || fail 'it wakes up for more than its pings'

pool_more='ping_interval off; ping_response_time 1s; shutdown_delay 1s;'
write_conf 1 "$APP" --threads 2
reload
wait_for 5 serves_other "$old"
old=$(serving)
python3 "$LIB/fcgi.py" "$T/app.sock" /hang >/dev/null
sleep 2
alive "$old" || fail 'the control was killed, too'
stop "$outlastd" TERM 10
expect 'exit status' "$exited" 0

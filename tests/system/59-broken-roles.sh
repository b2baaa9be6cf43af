#!/bin/bash
# An engine that says what makes no sense, what is not its to say, or too much,
# is ended and replaced; the master does not even notice 200 engines that die.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/roles.sh
. "$(dirname "$0")/../lib/roles.sh"

# run: a new outlastd.
run() {
	: >"$T/outlastd.log"
	start_outlastd
	wait_for 5 is_ready
	engine=$(role engine)
}

# breaks WHAT PATTERN: the engine says it, and is killed for it.
breaks() {
	local status=0
	run
	was=$(descriptors "$outlastd")
	python3 "$LIB/stranger.py" "$engine" 3 "$1" >"$T/stranger" 2>&1 || status=$?
	[ $status -ne 77 ] || skip "may not speak for the engine: $(cat "$T/stranger")"
	say "$1: $(cat "$T/stranger")"
	wait_for 5 other_role engine "$engine"
	said "error engine pid $engine: $2" || fail "$1: no word of it"
	said "warn engine pid $engine: killed for what it says" || fail "$1: not killed"
	wait_for 5 is_ready
	expect "$1: descriptors of the master" "$(descriptors "$outlastd")" "$was"
	[ "$(lines . "$T/outlastd.log")" -lt 60 ] || fail "$1: a flood in the log"
	stop "$outlastd" TERM 5
	expect 'exit code' "$exited" 0
}

write_roles "$(listen "$sock")" "$(task none /bin/true)"
breaks rubbish 'says what makes no sense'
breaks descriptors 'says what makes no sense'
breaks 'exit 0' 'says what is not its to say'
breaks flood 'says too much'

# What it could not take is sent to it again.
run
python3 "$LIB/stranger.py" "$engine" 3 'failed no descriptors' || fail 'not sent'
wait_for 5 grep -q 'did not take configuration 1, .* the next try is in 1 s: no' "$T/outlastd.log"
: >"$T/outlastd.log"
wait_for 5 grep -q 'configuration 1 is in force' "$T/outlastd.log"
expect 'the engine' "$(role engine)" "$engine"
stop "$outlastd" TERM 5

# Engines that come and go, by death and by reload, leave nothing in the master.
# (There is no pause after one that was not wanted any more.)
pool="pool app { listen unix:$T/app.sock; program /bin/sleep 1000; }"
[ "$(id -u)" -ne 0 ] || pool="${pool%\}} user root; }"
run
was=$(descriptors "$outlastd")
rounds=$((TRIALS > 1 ? TRIALS : 20))
for ((i = 0; i < rounds; i++)); do
	engine=$(role engine)
	write_roles "$pool"
	reload
	[ $((i % 2)) = 0 ] || kill -KILL "$engine"
	wait_for 5 no_role engine
	wait_for 5 no_role spawner
	write_roles "$(listen "$sock")" "$(task none /bin/true)"
	reload
	wait_for 5 is_ready
done
expect "descriptors of the master after $rounds engines" \
	"$(descriptors "$outlastd")" "$was"
stop "$outlastd" TERM 10
expect 'exit code' "$exited" 0

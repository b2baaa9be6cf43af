# shellcheck shell=bash disable=SC2034,SC2154
# outlastd with its engine and its spawner, asked without a web server. Source
# it after lib.sh.

# shellcheck source=../lib/daemon.sh
. "$LIB/daemon.sh"

# What programs write.
out=$T/out
mkdir "$out"
chmod 777 "$out"

# script NAME: a program of standard input, for tasks and pools.
script() {
	cat >"$T/$1"
	chmod 755 "$T/$1"
}

# task NAME PROGRAM [DIRECTIVES]
task() {
	echo "task $1 { program $2; $program_user env OUT $out; ${3:-} }"
}

# write_roles LINE…: $T/outlast.conf
write_roles() {
	{
		echo "pid $T/outlastd.pid; log stderr info; state $state;"
		echo "$daemon_user shutdown_delay 5s; kill_grace 1s;"
		printf '%s\n' "$@"
	} >"$T/outlast.conf"
}

listen() {
	echo "listen unix:$1 access=operator;"
}

# ask PATH [OPTION…]: status and body.
ask() {
	python3 "$LIB/fcgi.py" "${ask_at:-$sock}" "/tasks$1" --timeout 5 \
		--param OUTLAST_ACCESS=operator "${@:2}" 2>/dev/null
}

# answer PATH: its status.
answer() {
	ask "$@" | head -1
}

is_ready() {
	[ "$(answer /readyz)" = 200 ]
}

# submit NAME: its id in $id; fails without a 202.
submit() {
	local reply
	reply=$(ask "/$1" --method POST --body 10)
	[ "${reply:0:3}" = 202 ] || fail "the submit was answered $reply"
	id=$(grep -o '"id":"[^"]*"' <<<"$reply" | head -1 | cut -d'"' -f4)
	[ -n "$id" ] || fail "no id in $reply"
}

# has_state ID STATE
has_state() {
	ask "/$1" | grep -q "\"state\":\"$2\""
}

# has_attempt ID NUMBER
has_attempt() {
	ask "/$1" | grep -q "\"attempt\":$2\b"
}

# other_role NAME PID: somebody else than PID is that role.
other_role() {
	local now
	now=$(role "$1")
	[ -n "$now" ] && [ "$now" != "$2" ]
}

no_role() {
	[ -z "$(role "$1")" ]
}

said() {
	[ "$(lines "$1" "$T/outlastd.log")" -gt 0 ]
}

# pids_in FILE: the pids in it, one a line, that still live.
pids_in() {
	local one
	while read -r one; do
		! alive "$one" || echo "$one"
	done <"$1"
}

none_left() {
	[ -z "$(pids_in "$1")" ]
}

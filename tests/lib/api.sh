# shellcheck shell=bash disable=SC2034,SC2154
# The task API through nginx, answer by answer. Source it after tasks.sh.

# ask WHAT STATUS PATH [CURL OPTION…]: the head in $T/head, the task in $id.
id=
ask() {
	local what=$1 status=$2 path=$3
	shift 3
	expect "$what" "$(http "$path" -D "$T/head" "$@")" "$status"
	id=$(header Outlast-Task-Id)
}

# header NAME: of the last answer to ask.
header() {
	tr -d '\r' <"$T/head" | sed -n "s/^$1: //Ip"
}

# in_state STATE PATH [CURL OPTION…]: whether the task at PATH is.
in_state() {
	[ "$(http "$2" -D "$T/head" "${@:3}")" = 200 ] &&
		[ "$(header Outlast-State)" = "$1" ]
}

# shellcheck shell=bash disable=SC2034,SC2154
# outlastd with an engine: what roles.sh and tasks.sh both need. They source it.

sock=$T/tasks.sock
state=$T/state
# As root: the daemon and the programs each have an account of their own.
daemon_user='' program_user=''
[ "$(id -u)" -ne 0 ] || {
	daemon_user='user daemon;'
	program_user='user nobody;'
}
chmod 711 "$T"

# role NAME: the pid of the master's child that is that role, or nothing.
role() {
	local child
	for child in $(children "$outlastd"); do
		if tr '\0' ' ' <"/proc/$child/cmdline" 2>/dev/null |
			grep -q "^outlastd: $1"; then
			echo "$child"
			return
		fi
	done
}

# main_directives: what a configuration of these tests begins with.
main_directives() {
	cat <<-CONF
		pid $T/outlastd.pid;
		log stderr info;
		state $state;
		listen unix:$sock access=operator;
		$daemon_user
	CONF
}

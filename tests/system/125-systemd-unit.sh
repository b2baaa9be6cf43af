#!/bin/bash
# src/outlastd/systemd/: the unit and its drop-ins are understood by systemd and
# as closed as promised; no system call of outlastd is outside of their filter,
# and the capabilities of users.conf are enough for what root is needed for;
# without one of them, it is not.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/roles.sh
. "$(dirname "$0")/../lib/roles.sh"

command -v systemd-analyze >/dev/null || skip 'systemd is not installed'
units=$T/units
mkdir -p "$units"
copy_app "$T/application"

# unit NAME [DROP-IN]: $units/NAME/outlast.service, for a program that is there.
unit() {
	mkdir -p "$units/$1/outlast.service.d"
	sed -e "s|@sbindir@/outlastd|$OUTLASTD|" -e "s|@sysconfdir@|$T|" \
		-e '/^Documentation=/d' "$SRC/src/outlastd/systemd/outlast.service.in" \
		>"$units/$1/outlast.service"
	[ -z "${2:-}" ] ||
		cp "$SRC/src/outlastd/systemd/outlast.service.d/$2" "$units/$1/outlast.service.d"
}
unit plain
for dropin in users jit network; do
	unit $dropin $dropin.conf
done

for name in plain users jit network; do
	systemd-analyze verify --man=no "$units/$name/outlast.service" \
		>"$T/verify.log" 2>&1 || fail "$name: $(cat "$T/verify.log")"
	# It tells of other units of the machine, too.
	[ "$(lines 'outlast' "$T/verify.log")" = 0 ] ||
		fail "$name: $(grep outlast "$T/verify.log")"
done
cp "$SRC/src/outlastd/systemd/outlast.socket" "$units/plain"
systemd-analyze verify --man=no "$units/plain/outlast.socket" \
	>"$T/verify.log" 2>&1 || fail "the socket: $(cat "$T/verify.log")"
# The checker sees what is wrong.
sed -i 's/^Type=.*/Typ=notify/' "$units/jit/outlast.service"
systemd-analyze verify --man=no "$units/jit/outlast.service" 2>&1 |
	grep -q 'Unknown key.*Typ' || fail 'verify is blind'

# exposure NAME: ten times, as a whole number.
exposure() {
	systemd-analyze security --offline=true --no-pager \
		"$units/$1/outlast.service" |
		sed -n 's/.*exposure level for .*: \([0-9]*\)\.\([0-9]\).*/\1\2/p'
}
level=$(exposure plain)
say "exposure: $level tenths; with users.conf $(exposure users)," \
	"network.conf $(exposure network)"
[ "$level" -le 15 ] || fail "exposure: $level tenths, more than 15"

if [ "$(id -u)" = 0 ]; then
	mkdir -p "$T/root/etc"
	cp /etc/passwd /etc/group "$T/root/etc"
	systemd-sysusers --root="$T/root" "$SRC/src/outlastd/systemd/sysusers.d/outlast.conf" \
		>"$T/sysusers.log" 2>&1 || fail "sysusers: $(cat "$T/sysusers.log")"
	mkdir -p "$T/root/run"
	systemd-tmpfiles --root="$T/root" --create \
		"$SRC/src/outlastd/systemd/tmpfiles.d/outlast.conf" >"$T/tmpfiles.log" 2>&1 ||
		fail "tmpfiles: $(cat "$T/tmpfiles.log")"
	expect 'the folder for server code' \
		"$(stat -c %a "$T/root/run/outlast/app")" 750
fi
if [ "$(id -u)" = 0 ]; then
	for name in outlast outlast-run; do
		grep -q "^$name:" "$T/root/etc/passwd" ||
			fail "there is no user $name: $(cat "$T/sysusers.log")"
	done
	grep -q '^www-data:.*outlast' "$T/root/etc/group" ||
		fail 'outlast is not in www-data'
fi
if command -v logrotate >/dev/null; then
	logrotate -d "$SRC/src/outlastd/systemd/logrotate.d/outlast" >"$T/rotate.log" 2>&1 ||
		fail "logrotate: $(cat "$T/rotate.log")"
fi

# --- One life, with all that there is: is each system call in the filter? ---

script job <<'SH'
#!/bin/sh
cat >/dev/null
echo done
SH
group=$(id -gn)
write_life() {
	write_roles "listen unix:$sock mode=0660 group=$group access=operator;" \
		"limit_of_pool" "$(task job "$T/job" 'limit memory=512m processes=20000;')" \
		"pool app { listen unix:$T/app.sock mode=0660 group=$group;
			program $T/application; env GENERATION $1; ${pool_user:-} }"
	sed -i '/^limit_of_pool$/d' "$T/outlast.conf"
}
pool_user=
[ "$(id -u)" -ne 0 ] || pool_user='user nobody;'

# life COMMAND...: outlastd under it: a task, a reload, an upgrade, a stop.
life() {
	local before
	rm -rf "$state" "$T/outlastd.log"
	write_life 1
	start outlastd "$@" "$OUTLASTD" -c "$T/outlast.conf"
	wait_for 15 test -s "$T/outlastd.pid"
	wait_for 20 is_ready
	outlastd=$(cat "$T/outlastd.pid")
	wait_for 10 answers "$T/app.sock"
	submit job
	wait_for 15 has_state "$id" succeeded
	before=$(serving)
	write_life 2
	reload
	wait_for 20 serves_other "$before"
	kill -USR1 "$outlastd"
	kill -USR2 "$outlastd"
	wait_for 30 said 'took over, pid'
	wait_for 20 is_ready
	kill -TERM "$outlastd"
	gone 20 "$outlastd" || fail 'it does not stop'
	[ "$(lines ' error ' "$T/outlastd.log")" = 0 ] ||
		fail "$(grep ' error ' "$T/outlastd.log")"
}

# allowed SET: the system calls of a set of systemd, one a line.
allowed() {
	systemd-analyze syscall-filter --no-pager "$1" 2>/dev/null |
		sed -n 's/^ *\([@a-z_0-9-]*\)$/\1/p' | while read -r word; do
		case $word in
		"$1") ;;
		@*) allowed "$word" ;;
		*) echo "$word" ;;
		esac
	done
}

if strace -o /dev/null true 2>/dev/null; then
	life strace -f -qq -e signal=none -o "$T/trace"
	sed -n 's/^[0-9]* *\([a-z_0-9]*\)(.*/\1/p' "$T/trace" | sort -u >"$T/used"
	allowed @system-service | sort -u >"$T/service"
	allowed @privileged | sort -u >"$T/privileged"
	allowed @chown | sort -u >"$T/chown"
	allowed @setuid | sort -u >"$T/setuid"
	comm -23 "$T/service" "$T/privileged" | sort -u - "$T/chown" >"$T/open"
	# As root it also becomes others, which users.conf lets it.
	[ "$(id -u)" -ne 0 ] || sort -u -o "$T/open" "$T/open" "$T/setuid"
	outside=$(comm -23 "$T/used" "$T/open" | tr '\n' ' ')
	[ "$(wc -l <"$T/used")" -gt 60 ] && [ "$(wc -l <"$T/open")" -gt 200 ] ||
		fail 'there is nothing to compare'
	[ -z "$outside" ] || fail "system calls that are not allowed: $outside"
	say "$(wc -l <"$T/used") system calls, all of them among the $(wc -l \
		<"$T/open") allowed"
else
	say 'strace may not trace here: the system calls were not looked at'
fi

# --- The capabilities of users.conf. ---

if [ "$(id -u)" != 0 ] || ! setpriv --bounding-set=-sys_boot true 2>/dev/null; then
	say 'not root: the capabilities of users.conf were not tried'
	exit 0
fi
caps=$(sed -n 's/^CapabilityBoundingSet=//p' "$units/users/outlast.service.d/users.conf" |
	tr '[:upper:]' '[:lower:]' | sed 's/cap_/+/g; s/ /,/g')
life setpriv --bounding-set="-all,$caps"
say "alive with $caps"

#!/bin/bash
# "timezone" is the zone of recycle at=: the kernel tells until when the master
# waits. A reload changes it; without the line it is that of the start.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

need "$APP"
[ -e /usr/share/zoneinfo/Asia/Kathmandu ] || skip 'tzdata is not installed'

# conf [LINE]
conf() {
	pool_more='recycle at=03:00;'
	write_conf 1 "$APP"
	[ -z "${1:-}" ] || sed -i "1i $1" "$T/outlast.conf"
}
# left: the seconds until the alarm by the wall clock.
left() {
	cat "/proc/$outlastd/fdinfo/"* 2>/dev/null |
		awk '/^clockid:/ { wall = $2 == 0 }
		     /^it_value:/ && wall { gsub(/[(,]/, "", $2); print $2 }'
}
# waits ZONE: whether it waits until three o'clock there.
waits() {
	local now wanted is
	now=$(date +%s)
	wanted=$(TZ=$1 date -d 'today 03:00' +%s)
	[ "$wanted" -gt "$now" ] ||
		wanted=$(TZ=$1 date -d 'tomorrow 03:00' +%s)
	is=$(left)
	[ -n "$is" ] && [ $((now + is - wanted)) -ge -5 ] &&
		[ $((now + is - wanted)) -le 5 ]
}

export TZ=Etc/GMT+3
conf 'timezone Asia/Kathmandu;'
start_outlastd
wait_for 10 serves
wait_for 5 waits Asia/Kathmandu
! waits Etc/GMT+3 || fail 'the measure cannot tell zones apart'
conf 'timezone Etc/GMT-7;'
reload
wait_for 5 waits Etc/GMT-7
conf
reload
wait_for 5 waits Etc/GMT+3
stop "$outlastd"
expect 'exit status' "$exited" 0

#!/bin/bash
# The log: a rotation with USR1 loses no line, a file that cannot be opened
# again keeps the old one and is told of by name, and what programs print goes
# to the first file.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

mkdir "$T/log"
printf '#!/bin/sh\necho "generation $GENERATION says hello"\nexec %s\n' "$APP" \
	>"$T/program"
chmod +x "$T/program"
# conf GENERATION
conf() {
	write_conf "$1" "$T/program"
	sed -i "s,^log .*,log $T/log/a info; log $T/log/b debug json;," \
		"$T/outlast.conf"
}
has() {
	grep -q -e "$1" "$2"
}

conf 1
start_outlastd
wait_for 5 serves
wait_for 2 has 'generation 1 says hello' "$T/log/a"
mv "$T/log/a" "$T/log/a.1"
conf 2
reload
wait_for 2 has 'ready after .* ms' "$T/log/a.1"
kill -USR1 "$outlastd"
wait_for 2 has 'logs reopened' "$T/log/a"
conf 3
reload
wait_for 2 has 'generation 3 says hello' "$T/log/a"
wait_for 2 has '"level":"notice","about":"pool app\[0\] pid [0-9]*","message":"ready' \
	"$T/log/b"
python3 -c 'import json, sys
for line in open(sys.argv[1]): json.loads(line)' "$T/log/b" ||
	fail 'a line of the JSON log is none'

# The folder is gone: the open file is kept, and its lines with it.
mv "$T/log" "$T/old"
kill -USR1 "$outlastd"
wait_for 2 has "error cannot open $T/log/a again" "$T/old/a"
has "error cannot open $T/log/b again" "$T/old/a" ||
	fail 'it does not say that the second file failed too'
reload
wait_for 2 has 'notice reloaded\|not reloaded' "$T/old/a"
mkdir "$T/log"
kill -USR1 "$outlastd"
wait_for 2 has 'logs reopened' "$T/log/a"
stop "$outlastd" TERM 8
has 'stopped after' "$T/log/a" || fail 'the last words are missing'
[ ! -s "$T/outlastd.log" ] || fail 'something went to standard error'

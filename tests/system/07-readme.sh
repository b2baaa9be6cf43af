#!/bin/bash
# README.md keeps its word: its program compiles and answers, and its nginx
# block is nginx/app-pool.conf without the comments.
. "$(dirname "$0")/../lib/lib.sh"

# block LANGUAGE BEGINNING: the first fenced block of the language whose first
# line begins so.
block() {
	awk -v fence="\`\`\`$1" -v start="$2" '
		inside && /^```/ { exit }
		inside { print }
		!inside && $0 == fence {
			getline
			if (index($0, start) == 1) { inside = 1; print }
		}' "$SRC/README.md"
}

block nginx upstream >"$T/readme.conf"
sed -e 's/[[:space:]]*#.*//' -e '/^[[:space:]]*$/d' "$SRC/nginx/app-pool.conf" \
	>"$T/app-pool.conf"
[ -s "$T/readme.conf" ] || fail "README.md has no nginx block"
diff "$T/readme.conf" "$T/app-pool.conf" ||
	fail "README.md and nginx/app-pool.conf differ"

block c '#include' >"$T/slow.c"
[ -s "$T/slow.c" ] || fail "README.md has no program"
"${CC:-cc}" -o "$T/slow" "$T/slow.c" -I"$SRC/src/lib" -L"$BUILD/.libs" \
	-Wl,-rpath,"$BUILD/.libs" -loutlast -lfcgi || fail "it does not compile"
start slow "$T/slow" --listen "unix:$T/slow.sock"
slow=$pid
wait_for 5 test -S "$T/slow.sock"
start_nginx keep "$T/slow.sock"
began=$(now_ms)
expect "the page" "$(http /)" 202
took=$(($(now_ms) - began))
[ $took -lt 1000 ] || fail "the page waited for the work item: $took ms"
expect "its text" "$(cat "$T/body")" "Thank you"
stop "$slow" TERM 5
expect "exit status after a stop" "$exited" 0
expect "errors reported" "$(lines . "$T/slow.log")" 0

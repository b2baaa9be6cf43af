#!/bin/bash
# No writable global, static or not, in what src/ compiles to: state has an
# owner. globals.allow holds the exceptions, each with its reason.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

build=${BUILD:-$ROOT/build/test}
allow=${LINT_ALLOW:-$HERE/globals.allow}
[ -d "$build/src" ] || complain "$build/src: nothing has been built"

objects=0
declare -A used=()
while read -r object; do
	objects=$((objects + 1))
	source=${object#"$build"/src/}
	source=${source/.libs\//}
	# libtool and automake put a prefix on the object of a target's own flags.
	source=$(sed -E 's/[A-Za-z0-9_]+-([a-z0-9_]+)\.o$/\1.c/; s/\.o$/.c/' \
		<<<"$source")
	while read -r section name; do
		name=${name%%.[0-9]*} # a static within a function
		if grep -q -E "^${source}[[:space:]]+${name}[[:space:]]+[^[:space:]]" \
			"$allow"; then
			used[$source $name]=1
			continue
		fi
		complain "src/$source: writable global $name (in $section)"
	done < <(objdump -t "$object" | awk '
		# value flags section size name; .data.rel.ro is read-only
		/ O / && $0 ~ /[ \t]\.(data|bss|tdata|tbss)(\.[^r][^ \t]*)?[ \t]/ ||
		/ O \*COM\*/ {
			n = split($0, w, /[ \t]+/)
			for (i = 1; i <= n; i++)
				if (w[i] ~ /^(\.(data|bss|tdata|tbss)|\*COM\*)/)
					section = w[i]
			print section, w[n]
		}')
done < <(find "$build/src" -name '*.o' 2>/dev/null | sort)
[ $objects -gt 0 ] || complain "$build/src: no object files"

while read -r source name reason; do
	case $source in '' | '#'*) continue ;; esac
	[ -n "$reason" ] || complain "globals.allow: $source $name has no reason"
	[ -n "${used[$source $name]:-}" ] ||
		complain "globals.allow: $source $name is not there any more"
done <"$allow"
verdict

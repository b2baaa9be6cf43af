#!/bin/bash
# No script of ours draws a word from shellcheck.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

command -v shellcheck >/dev/null || complain 'shellcheck is not installed'
scripts=$({
	sources . -- '*.sh'
	git ls-files --cached --others --exclude-standard |
		while read -r file; do
			[ -f "$file" ] &&
				head -c 64 "$file" | head -1 |
				grep -q -a -E '^#!.*\b(ba|da)?sh\b' && echo "$file"
		done
} | sort -u)
[ -n "$scripts" ] || complain 'no scripts'
# -x -P: with the library that a test sources.
while read -r line; do
	complain "$line"
done < <(printf '%s\n' "$scripts" | xargs -P "$(nproc)" -I {} \
	bash -c 'shellcheck -x -P "${1%/*}" -S warning -f gcc "$1"' - {} 2>&1)
for script in $scripts; do
	case $script in
	*/lib/* | */lib.sh) ;;
	*) [ -x "$script" ] || complain "$script: not executable" ;;
	esac
done
verdict

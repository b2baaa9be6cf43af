#!/bin/bash
# Every C file of ours is as .clang-format has it, and every line of scripts
# and C ends without blanks.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

command -v clang-format >/dev/null || complain 'clang-format is not installed'
files=$(sources src tests examples -- '*.c' '*.h')
[ -n "$files" ] || complain 'no C files'
while read -r found; do
	complain "${found%%:*}: clang-format would change it: $found"
done < <(printf '%s\n' "$files" |
	xargs -n 16 -P "$(nproc)" clang-format --dry-run -Werror 2>&1 |
	grep error: | sort -t : -k 1,1 -u)
while read -r found; do
	complain "${found%%:*}:$(cut -d: -f2 <<<"$found"): blanks at the end"
done < <(sources . -- '*.c' '*.h' '*.sh' '*.am' '*.ac' '*.py' '*.conf' |
	tr '\n' '\0' | xargs -0 grep -nE '[[:blank:]]+$' /dev/null)
verdict

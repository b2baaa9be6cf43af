# shellcheck shell=bash disable=SC2034
# (SC2034: HERE is for the checks that source this.)
#
# What the checks have in common. A check prints one line for each thing that
# is wrong (complain) and ends with verdict. LINT_ROOT is the tree to look at,
# so that a check can be tried on a broken copy.

set -u
ROOT=${LINT_ROOT:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$ROOT" || exit 1
wrong=0

complain() {
	echo "$*"
	wrong=$((wrong + 1))
}

verdict() {
	[ $wrong = 0 ] || echo "$wrong complaints"
	[ $wrong = 0 ]
	exit
}

# sources FOLDER… -- PATTERN…: files of ours (known to git, or new and not
# ignored) below the folders whose names match.
sources() {
	local folders=() file pattern
	while [ "$1" != -- ]; do
		folders+=("$1")
		shift
	done
	shift
	git ls-files --cached --others --exclude-standard "${folders[@]}" |
		sort -u | while read -r file; do
		for pattern; do
			# shellcheck disable=SC2053 # a pattern
			if [[ ${file##*/} == $pattern && -e $file ]]; then
				echo "$file"
				break
			fi
		done
	done
}

# code FILE: without comments, its lines where they were.
code() {
	gcc -fpreprocessed -dD -E -P -w -x c - <"$1" 2>/dev/null
}

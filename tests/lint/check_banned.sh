#!/bin/bash
# Functions that have no place in src/, each with what to use.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# pattern of the code without comments → what to say
banned='
\b(sprintf|vsprintf)[[:space:]]*\(	snprintf: it knows the size
\b(strcat|strncat)[[:space:]]*\(	strlcat: it knows the size
\bstrcpy[[:space:]]*\([^,]*,[[:space:]]*[^"[:space:]]	strlcpy: the source is no literal
\b(strncpy|stpcpy)[[:space:]]*\(	strlcpy: it terminates
\bgets[[:space:]]*\(	fgets
\b(strtok|asctime|ctime|gmtime|localtime)[[:space:]]*\(	the function with _r (strsep for strtok)
\balloca[[:space:]]*\(	malloc: it can fail
\b(system|popen)[[:space:]]*\(	execve: no shell
\b(mktemp|tmpnam|tempnam|tmpfile)[[:space:]]*\(	mkstemp
\b(rand|srand|random|drand48)[[:space:]]*\(	getrandom or arc4random
\b(setjmp|longjmp|siglongjmp)[[:space:]]*\(	an error path
\bvfork[[:space:]]*\(	fork or posix_spawn
'
# liboutlast never ends the process or prints.
banned_lib='
\b(exit|_exit|_Exit|abort|err|errx|assert)[[:space:]]*\(	return an error
\b(printf|puts|perror|warn|warnx|putchar)[[:space:]]*\(	tell the error handler
'

look() {
	local file=$1 rules=$2 text=$3 pattern advice found
	# Mostly there is nothing: one look for all of them, a pattern a line.
	grep -q -E -e "$(sed -n 's/\t.*//p' <<<"$rules")" <<<"$text" || return 0
	while IFS=$'\t' read -r pattern advice; do
		[ -n "$pattern" ] || continue
		while read -r found; do
			complain "$file: ${found:0:60}: $advice"
		done < <(grep -E -e "$pattern" <<<"$text")
	done <<<"$rules"
}

files=$(sources src -- '*.c' '*.h')
[ -n "$files" ] || complain 'src/ has no C files'
for file in $files; do
	text=$(code "$file" | sed -E 's/"([^"\\]|\\.)*"/""/g')
	look "$file" "$banned" "$text"
	[[ $file != src/lib/* ]] || look "$file" "$banned_lib" "$text"
done
verdict

#!/bin/bash
# The manuals are well-formed and complete: every directive of the option table
# stands in outlast.conf(5) and in the sample, every option in outlastd(8),
# every command and option of outlastctl in outlastctl(1), every public function
# in outlast(3), every state, variable and parameter of
# tasks in outlast-tasks(7).
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

outlastd=${BUILD:-$ROOT/build/test}/src/outlastd/outlastd

# manual NAME: its path.
manual() {
	sources . -- "$1" | head -1
}

# has_item FILE NAME: an .It or .Ic line names it.
has_item() {
	grep -q -E "^\.(It|Ic)( .*)?[[:space:]\"]$2([[:space:]\"]|\$)" "$1"
}

for page in outlastctl.1 outlastd.8 outlast.conf.5 outlast.3 outlast-tasks.7; do
	[ -n "$(manual $page)" ] || complain "there is no $page"
done
for page in $(sources . -- '*.[1-8]'); do
	case $page in *.[1-8]) ;; *) continue ;; esac
	while read -r found; do
		complain "${found#mandoc: }"
	done < <(mandoc -Tlint -W warning "$page" 2>&1)
	grep -q '^\.Sh BUGS' "$page" || complain "$page: no BUGS section"
done

page=$(manual outlast.conf.5)
sample=examples/outlast.conf
[ -e $sample ] || complain "there is no $sample"
if options=$("$outlastd" --print-options 2>&1) && [ -n "$options" ]; then
	for option in $(awk '{ print $1 }' <<<"$options" | sort -u); do
		[ -z "$page" ] || has_item "$page" "$option" ||
			complain "$page: no item for $option"
		[ ! -e $sample ] ||
			grep -q -E "^[[:space:]#]*$option([[:space:];]|\$)" $sample ||
			complain "$sample: does not show $option"
	done
else
	complain "outlastd --print-options failed: $(head -1 <<<"$options")"
fi

page=$(manual outlastd.8)
if help=$("$outlastd" --help 2>&1) && [ -n "$help" ]; then
	for option in $(grep -oE '(^|[[:space:][|,])-{1,2}[a-zA-Z][a-z-]*' \
		<<<"$help" | grep -oE -e '-{1,2}[a-zA-Z][a-z-]*' | sort -u); do
		name=${option#-}
		[ -z "$page" ] ||
			grep -q -E "Fl (Fl |-)?${name#-}([[:space:]|,]|\$)" "$page" ||
			complain "$page: no Fl for $option"
	done
else
	complain "outlastd --help failed: $(head -1 <<<"$help")"
fi

# Its --help is the table; that of each command has its options.
page=$(manual outlastctl.1)
outlastctl=${BUILD:-$ROOT/build/test}/src/ctl/outlastctl
commands=$("$outlastctl" --help | sed -nE 's/^  ([a-z]+( [a-z]+)?)  .*/\1/p')
[ -n "$commands" ] || complain 'outlastctl --help names no command'
options=$("$outlastctl" --help)
while read -r command; do
	[ -n "$command" ] || continue
	grep -q -E "^\.It Cm $command( |\$)" "$page" ||
		complain "$page: no item for $command"
	# shellcheck disable=SC2086 # two words
	help=$("$outlastctl" $command --help) && [ -n "$help" ] ||
		complain "outlastctl $command --help failed"
	options+=$'\n'$help
done <<<"$commands"
for option in $(grep -oE '(^|[ [])--?[a-z][a-z-]*' <<<"$options" |
	tr -d ' [' | sort -u); do
	grep -q -E "Fl (Fl |-)?${option#-}([[:space:]|,]|\$)" "$page" ||
		complain "$page: no Fl for $option"
	[[ $option != --* ]] ||
		grep -q -e "$option" src/ctl/outlastctl.bash ||
		complain "src/ctl/outlastctl.bash: nothing about $option"
done
for word in $(tr ' ' '\n' <<<"$commands" | sort -u); do
	grep -q -w "$word" src/ctl/outlastctl.bash ||
		complain "src/ctl/outlastctl.bash: nothing about $word"
done

page=$(manual outlast.3)
header=src/lib/outlast/outlast.h
functions=$(code $header | tr '\n' ' ' |
	grep -oE '(OL_PUBLIC|__attribute__\(\(visibility[^;]*)[^;]*;' |
	grep -oE '\bol_[a-z_]+ ?\(' | tr -d '( ' | sort -u)
[ -n "$functions" ] || complain "$header: no public function found"
for function in $functions; do
	[ -z "$page" ] || grep -q -E "^\.F[no] (\"?.*[ \"*])?$function\b" "$page" ||
		complain "$page: nothing about $function"
done

# What users of tasks see, as it stands in the sources: states, and the names of
# a program's variables and of nginx's parameters.
page=$(manual outlast-tasks.7)
states=$(sed -n '/^ol_state_name/,/^}/s/.*return "\([a-z]*\)".*/\1/p' \
	src/task/state.c)
[ -n "$states" ] || complain 'src/task/state.c: no state found'
names=$(sources src/run src/spawner src/api -- '*.c' '*.h' |
	while read -r file; do code "$file"; done |
	grep -oE '"(OUTLAST_[A-Z_]+|NOTIFY_SOCKET|TRACEPARENT|TMPDIR)[="]' |
	tr -d '="' | sort -u)
[ -n "$names" ] || complain 'src: no OUTLAST_ name of tasks found'
for name in $states $names; do
	[ -z "$page" ] || grep -q -E "^\.It .*\b$name\b" "$page" ||
		complain "$page: no item for $name"
done
verdict

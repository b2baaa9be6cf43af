# bash completion for outlastctl(1)                              -*- sh -*-
# shellcheck shell=bash

_outlastctl()
{
	local current=${COMP_WORDS[COMP_CWORD]} word words=() options names
	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		[[ $word == -* ]] || words+=("$word")
	done
	options='-s --json --help --version --timeout'
	case "${words[*]}" in
	'') names='status pool reload notify' ;;
	pool) names='list show recycle stop start' ;;
	'pool show' | 'pool recycle' | 'pool stop' | 'pool start')
		names=$(outlastctl --timeout 1s pool list 2>/dev/null |
			sed '1d; s/\t.*//')
		;;
	notify*) names='' options+=' --progress --extend --status --ready --stopping' ;;
	*) names='' ;;
	esac
	case "${words[*]}" in
	pool\ [rs]* | reload) options+=' --no-wait' ;;
	esac
	[[ $current != -* ]] || names=$options
	mapfile -t COMPREPLY < <(compgen -W "$names" -- "$current")
}
complete -F _outlastctl outlastctl

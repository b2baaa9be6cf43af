#!/bin/bash
# Layering: a file of src/ includes headers of its own folder and of lower ones
# only, and a foreign library is seen by the folders named here only. The
# picture is in src/README.md.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# folder → folders that it may include
declare -A below=(
	[base]=''
	[config]='base'
	[loop]='base'
	[metrics]='base'
	[task]='base'
	[fcgi]='base loop metrics'
	[run]='base config loop metrics task fcgi'
	[notify]='base config loop metrics task fcgi'
	[store]='base config loop metrics task fcgi'
	[engine]='base config loop metrics task fcgi run notify store'
	[master]='base config loop metrics'
	[spawner]='base config loop metrics run'
	[api]='base config loop metrics task fcgi run notify store engine'
	[ctl]='base config'
	[lib]='base loop fcgi'
	[outlastd]='*'
)

# foreign header → folders, or files, that may include it
foreign='
event2/*	loop fcgi lib
fcgiapp.h	lib
fcgi_stdio.h	-
fastcgi.h	fcgi
sqlite3.h	store/sqlite_db.c store/sqlite_find.c store/sqlite_owner.c store/sqlite_reads.c store/sqlite_rows.c store/sqlite_schema.c
curl/*		run
openssl/*	api/session.c api/fingerprint.c
jansson.h	engine/failure.c ctl
libpq-fe.h	store
amqp*.h		store
cmocka.h	-
'

allowed_foreign() {
	local file=$1 folder=$2 header=$3 pattern where place
	while read -r pattern where; do
		# shellcheck disable=SC2053 # a pattern
		[ -n "$pattern" ] && [[ $header == $pattern ]] || continue
		for place in $where; do
			[ "$place" = "$folder" ] || [ "src/$place" = "$file" ] &&
				return 0
		done
		return 1
	done <<<"$foreign"
	return 0 # libc and libbsd
}

files=$(sources src -- '*.c' '*.h')
[ -n "$files" ] || complain 'src/ has no C files'
for file in $files; do
	folder=${file#src/}
	folder=${folder%%/*}
	if [ -z "${below[$folder]+set}" ]; then
		complain "$file: folder $folder stands in no row of check_arrows.sh"
		continue
	fi
	while IFS=$'\t' read -r line kind header; do
		at=$file:$line
		case $header in
		config.h) continue ;;
		outlast/outlast.h)
			[ "$folder" = lib ] ||
				complain "$at: only lib/ includes outlast.h"
			continue
			;;
		esac
		if [ "$kind" = '<' ]; then
			allowed_foreign "$file" "$folder" "$header" ||
				complain "$at: $folder/ may not see <$header>"
			continue
		fi
		target=${header%%/*}
		if [ "$target" = "$header" ]; then
			# Beside the file, in the same folder.
			[ -e "${file%/*}/$header" ] || complain \
				"$at: \"$header\": write \"folder/file.h\""
		elif [ ! -e "src/$header" ]; then
			complain "$at: there is no src/$header"
		elif [ "$target" != "$folder" ] &&
			[ "${below[$folder]}" != '*' ] &&
			[[ " ${below[$folder]} " != *" $target "* ]]; then
			complain "$at: $folder/ may not include $target/"
		fi
	done < <(sed -nE 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*([<"])([^>"]+)[>"].*/\1\t\2/p;t p;b;:p;=' "$file" |
		paste - - | awk -F '\t' -v OFS='\t' '{ print $3, $1, $2 }')
done
verdict

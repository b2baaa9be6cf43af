# shellcheck shell=bash disable=SC2034,SC2154
# php-fpm with pages of a test, and nginx with two ways to each of them. Source
# it after tasks.sh and api.sh.
#
#     /direct/PAGE.php   nginx passes it to php-fpm
#     /replay/PAGE.php   nginx passes it to outlastd, as task "replay"
#     /tasks/            the API

FPM=$(command -v php-fpm8.2 || true)
[ -n "$FPM" ] || skip 'php8.2-fpm is missing'
PHP_SOCK=$T/php.sock
pages=$T/pages
mkdir "$pages" "$T/php"
[ "$(id -u)" -ne 0 ] || chown nobody: "$T/php"

# page NAME: $pages/NAME.php from standard input.
page() {
	cat >"$pages/$1.php"
}

# start_fpm [PROCESSES [DIRECTIVES of the pool]]: its master's pid in $fpm.
fpm=0
start_fpm() {
	local user=
	[ "$(id -u)" -ne 0 ] || user='user = nobody
group = nogroup'
	cat >"$T/fpm.conf" <<-CONF
		[global]
		error_log = $T/fpm.log
		daemonize = no
		process_control_timeout = 5s
		[www]
		$user
		listen = $PHP_SOCK
		listen.mode = 0666
		listen.backlog = 511
		pm = static
		pm.max_children = ${1:-4}
		php_admin_value[session.save_path] = $T/php
		php_admin_value[upload_tmp_dir] = $T/php
		php_admin_value[post_max_size] = 200M
		php_admin_value[upload_max_filesize] = 200M
		php_admin_flag[display_errors] = off
		php_admin_flag[log_errors] = on
		${2:-}
	CONF
	start fpm.out "$FPM" -n -F -y "$T/fpm.conf"
	fpm=$pid
	wait_for 10 fpm_answers
}

fpm_answers() {
	[ -S "$PHP_SOCK" ] && python3 "$LIB/fcgi.py" "$PHP_SOCK" /none >/dev/null
}

# write_replay [DIRECTIVES of the task [MORE]]: $T/outlast.conf
write_replay() {
	{
		main_directives
		echo "task replay { fastcgi_pass unix:$PHP_SOCK; concurrency 4;"
		echo "${1:-} }"
		echo "${2:-}"
	} >"$T/outlast.conf"
}

# ways PREFIX LOCATION: what the two ways have in common, and what not.
# shellcheck disable=SC2016 # nginx's variables
ways() {
	echo "location ~ ^/$1(/.+\\.php)(/.*)?\$ {
		include /etc/nginx/fastcgi.conf;
		fastcgi_param SCRIPT_FILENAME $pages\$1;
		fastcgi_param SCRIPT_NAME \$1;
		fastcgi_param PATH_INFO \$2;
		fastcgi_param HTTPS on;
		fastcgi_param HTTP_PROXY '';
		fastcgi_buffer_size 64k;
		fastcgi_buffers 8 64k;
		$2
	}"
}

# start_ways [DIRECTIVES of the way through outlastd [LOCATIONS]]: nginx on $port
start_ways() {
	port=$(free_port)
	run_nginx "
		server {
			listen 127.0.0.1:$port backlog=1024;
			client_max_body_size 200m;
			large_client_header_buffers 16 64k;
			location = /nginx { return 204; }
			$(ways direct "fastcgi_pass unix:$PHP_SOCK;")
			$(ways replay "
				fastcgi_param OUTLAST_TASK replay;
				${1:-}
				fastcgi_pass unix:$sock;")
			location ^~ /tasks/ {
				include /etc/nginx/fastcgi_params;
				fastcgi_param OUTLAST_ACCESS operator;
				fastcgi_buffer_size 64k;
				fastcgi_buffers 8 64k;
				fastcgi_pass unix:$sock;
			}
			${2:-}
		}"
}

# replay WHAT PAGE [CURL OPTION…]: submitted; its id in $id.
replay() {
	ask "$1" 202 "/replay/$2" "${@:3}"
	[ -n "$id" ] || fail "$1: no id"
}

# ended [ID]: whether it has; its object in $T/object.
ended() {
	[ "$(http "/tasks/${1:-$id}" -D "$T/head")" = 200 ] || return
	cp "$T/body" "$T/object"
	case $(header Outlast-State) in
	succeeded | failed | poisoned | cancelled) ;;
	*) return 1 ;;
	esac
}

# of_task EXPRESSION: of the object in $T/object, called task.
of_task() {
	python3 -c '
import json, sys
with open(sys.argv[1], encoding="utf-8") as f:
    task = json.load(f)
print(eval(sys.argv[2]))' "$T/object" "$1"
}

# whole FILE: an answer without what may differ between two requests.
whole() {
	tr -d '\r' <"$1" | grep -a -v -i -E \
		'^(Date|Server|Connection|Outlast-[a-z-]+|X-Content-Type-Options):' |
		sed 's/^Transfer-Encoding:.*//I; s/^Content-Length:.*//I' |
		grep -a -v '^$'
}

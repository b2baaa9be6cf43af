#!/bin/bash
# README.md keeps its word: its slow page and its task run with their locations,
# their outlast.conf and their commands, which print what it says; its program
# compiles and answers; its nginx block for that is nginx/app-pool.conf without the
# comments; its outlast.conf for pools is one.
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
start_watch
expect "the page" "$(http /)" 202
within 1000 'the page, which does not wait for the work item'
expect "its text" "$(cat "$T/body")" "Thank you"
stop "$slow" TERM 5
expect "exit status after a stop" "$exited" 0
expect "errors reported" "$(lines . "$T/slow.log")" 0

# served NAME: what README.md says of it, in a folder of its own. What is not the
# reader's own stays as it is there; $nginx and $outlastd serve it.
own() {
	sed -e "s|/run/outlast/tasks.sock|$T/tasks.sock|" \
		-e 's| group=www-data||' \
		-e "s|unix:/run/php/php8.2-fpm.sock|unix:$T/php.sock|" \
		-e "s|/usr/local/bin/thumbnail|$T/thumbnail|" \
		-e "s|127.0.0.1:8080|127.0.0.1:$port|"
}
served() {
	local file user='' daemon=''
	for file in locations.conf outlast.conf commands; do
		[ -s $file ] || fail "README.md has no block for $file"
	done
	cp /etc/nginx/fastcgi_params /etc/nginx/fastcgi.conf .
	if [ "$(id -u)" -eq 0 ]; then
		# Accounts that every Debian has.
		user='user root;' daemon='user daemon;'
		sed -i 's|{ program|{ user nobody; program|' outlast.conf
		chmod 755 "$T"
	fi
	cat >nginx.conf <<-CONF
		$user
		daemon off;
		pid nginx.pid;
		events { }
		http {
			access_log off;
			client_body_temp_path body;
			fastcgi_temp_path fastcgi;
			proxy_temp_path proxy;
			uwsgi_temp_path uwsgi;
			scgi_temp_path scgi;
			server {
				listen 127.0.0.1:$port;
				root $PWD;
				include locations.conf;
			}
		}
	CONF
	start "$1-nginx" nginx -p "$PWD" -c nginx.conf -e stderr
	nginx=$pid
	start "$1-outlastd" "$OUTLASTD" -c "$PWD/outlast.conf" \
		-g "pid $PWD/outlastd.pid; state $PWD/state; $daemon"
	outlastd=$pid
	wait_for 10 ready
}
ready() {
	[ "$(http /tasks/00000000-0000-7000-8000-000000000000)" = 404 ]
}

# submitted: the first command, which prints what README.md says. The task's id
# there becomes the real one.
submitted() {
	said=$(grep -m 1 '^Location: ' commands)
	said=${said#Location: /tasks/}
	mapfile -t commands < <(sed -n 's/^\$ //p' commands)
	expect "commands" ${#commands[@]} 3
	bash -c "${commands[0]}" 2>/dev/null | tr -d '\r' >submitted
	expect "the first command's first line" "$(head -n 1 submitted)" \
		"$(sed -n 2p commands)"
	real=$(sed -n 's|^Location: /tasks/||p' submitted)
	[ ${#real} = ${#said} ] || fail "no address: $(cat submitted)"
	wait_for 10 shown
}
# Each member that README.md shows is there, with that value.
shown() {
	bash -c "${commands[1]//$said/$real}" >object 2>/dev/null
	grep '^{' commands | sed 's/[{},…]\+/\n/g' | sed "s/$said/$real/" |
		while read -r member; do
			grep -q -F "$member" object || exit 1
		done
}

# The slow page.
need "$OUTLASTD"
fpm=$(command -v php-fpm8.2 || true)
port=$(free_port)
if [ -n "$fpm" ]; then
	mkdir "$T/replay"
	cd "$T/replay" || exit 1
	block nginx '# nginx: the slow page' | own >locations.conf
	block nginx '# outlast.conf: all' | own >outlast.conf
	block console '$ curl -i -d month' | own >commands
	echo '<?php echo "The report of $_POST[month].\n";' >report.php
	cat >fpm.conf <<-CONF
		[global]
		error_log = $T/fpm.log
		[www]
		$([ "$(id -u)" -ne 0 ] || printf 'user = nobody\ngroup = nogroup')
		listen = $T/php.sock
		listen.mode = 0666
		pm = static
		pm.max_children = 2
	CONF
	start fpm "$fpm" -n -F -y "$PWD/fpm.conf"
	served replay
	submitted
	bash -c "${commands[2]//$said/$real}" 2>/dev/null | tr -d '\r' >result
	sed -n '/result$/,$p' commands | grep -v -e '^\$' -e '^$' |
		while read -r line; do
			grep -q -x -F "$line" result || fail "no line $line: $(cat result)"
		done || exit 1
	expect "the page" "$(tail -n 1 result)" 'The report of May.'
	stop "$outlastd" TERM 20
	stop "$nginx"
else
	say 'no slow page: php8.2-fpm is missing'
fi

# The task.
pkg-config --exists libjpeg || skip "the rest: libjpeg62-turbo-dev is missing"
need "$BUILD/examples/thumbnails/thumbnail"
mkdir "$T/task"
cd "$T/task" || exit 1
block nginx '# nginx: two' | own >locations.conf
block nginx '# outlast.conf: a program' | own >outlast.conf
block console '$ curl -i --data-binary' | own >commands
cp "$BUILD/examples/thumbnails/thumbnail" "$T"
cp "$SRC/examples/signup/welcome.jpg" photo.jpg
served task
submitted
bash -c "${commands[2]//$said/$real}" 2>/dev/null
expect "small.jpg" "$(rdjpgcom -verbose small.jpg 2>&1 |
	sed -n 's/^JPEG image is \([0-9]*w \* [0-9]*h\).*/\1/p')" '160w * 100h'

# The pool of the other outlast.conf.
block nginx 'pool ' | sed -e "s|/srv/shop/shop.fcgi|$T/slow|" \
	-e "s|/run/outlast|$T|" -e 's| group=www-data||' >pool.conf
[ "$(id -u)" -ne 0 ] || sed -i '1s|{|{ user nobody;|' pool.conf
"$OUTLASTD" -t -q -c pool.conf -g "pid $T/pool.pid;" || fail "the pool is none"

#!/bin/sh
# outlast in one command: builds it, starts nginx, php-fpm, a mail server and
# outlastd as an unprivileged user in a scratch folder, and shows what they do: a
# slow PHP page that nobody waits for any more, a task that outlives the process
# that runs it, a mail that is sent behind the reply, and a process that is
# replaced while it works.
set -eu

usage='usage: examples/quickstart.sh [--stop] [--no-install] [--port N]'
tree=$(cd "$(dirname "$0")/.." && pwd)
build=${OUTLAST_QUICKSTART:-$tree/build/quickstart}
state=$build/running	# the scratch folder's name, then: name pid start
python=/usr/bin/python3		# Debian's, which sees Debian's packages
fpm=/usr/sbin/php-fpm8.2

fail()
{
	printf 'quickstart: %s\n' "$*" >&2
	exit 1
}

step()
{
	printf '\n%s\n' "$*"
}

# --- processes, by pid and start time, so that no stranger is ever ended -----

# The start time of a process in clock ticks; nothing if it is gone or a zombie.
started()
{
	sed -n 's/^.*) //p' "/proc/$1/stat" 2>/dev/null |
	    awk '$1 != "Z" { print $20 }'
}

# start NAME COMMAND… : in the background, unprivileged; its output in NAME.log
start()
{
	name=$1
	shift
	# shellcheck disable=SC2086  # $as is a command with arguments, or empty
	(cd "$scratch" && exec setsid $as "$@") </dev/null \
	    >>"$scratch/$name.log" 2>&1 &
	echo "$name $! $(started $!)" >>"$state"
}

pid_of()
{
	awk -v name="$1" '$1 == name { print $2 }' "$state"
}

# end NAME SIGNAL SECONDS
end()
{
	awk -v name="$1" '$1 == name { print $2, $3 }' "$state" |
	while read -r pid since; do
		[ "$(started "$pid")" = "$since" ] || continue
		kill -CONT "$pid"
		kill -"$2" "$pid"
		tries=$(($3 * 10))
		while [ "$(started "$pid")" = "$since" ]; do
			[ "$tries" -gt 0 ] || kill -KILL "$pid"
			tries=$((tries - 1))
			sleep 0.1
		done
	done
}

stop()
{
	if [ ! -f "$state" ]; then
		[ -z "$only_stop" ] || echo "Nothing of quickstart's is running."
		return 0
	fi
	scratch=$(head -n 1 "$state")
	end outlastd TERM 35
	end nginx TERM 5
	end php-fpm TERM 5
	end smtp TERM 5
	case $scratch in
	*/outlast-quickstart.*) rm -rf "$scratch" ;;
	esac
	rm -f "$state"
	echo "Ended what an earlier quickstart had started, and removed $scratch."
}

# Something went wrong: say where, with the last lines of each log.
on_exit()
{
	status=$?
	[ "$status" -eq 0 ] && return
	for log in "$build/build.log" "$scratch"/*.log; do
		[ -s "$log" ] || continue
		printf '\n%s:\n' "$log"
		tail -n 5 "$log" | cut -c 1-240
	done >&2
	[ ! -f "$state" ] ||
		printf '\nIt failed; examples/quickstart.sh --stop ends what is left.\n' >&2
}

# --- preparation -------------------------------------------------------------

# need PACKAGE CHECK… : note the package when the check fails
need()
{
	package=$1
	shift
	"$@" >/dev/null 2>&1 || missing="$missing $package"
}

install_packages()
{
	missing=
	need autoconf command -v autoreconf
	need automake command -v automake
	need libtool command -v libtoolize
	need pkg-config command -v pkg-config
	need gcc command -v gcc
	need libc6-dev test -f /usr/include/stdio.h
	need make command -v make
	need libfcgi-dev test -f /usr/include/fcgiapp.h
	need libevent-dev test -f /usr/include/event2/event.h
	need libsqlite3-dev test -f /usr/include/sqlite3.h
	need libjansson-dev test -f /usr/include/jansson.h
	need libssl-dev test -f /usr/include/openssl/evp.h
	need libbsd-dev test -f /usr/include/bsd/bsd.h
	need libcurl4-openssl-dev pkg-config --exists libcurl
	need libjpeg62-turbo-dev test -f /usr/include/jpeglib.h
	need libjpeg-turbo-progs command -v djpeg
	need netpbm command -v pamscale
	need python3-pil $python -c 'import PIL'
	need nginx-light test -x /usr/sbin/nginx
	need php8.2-fpm test -x $fpm
	need curl command -v curl
	need python3-aiosmtpd $python -c 'import aiosmtpd'
	[ -n "$missing" ] || return 0
	[ "$install" = yes ] || fail "not installed:$missing"
	sudo=
	if [ "$(id -u)" -ne 0 ]; then
		command -v sudo >/dev/null || fail "there is no sudo; as root:" \
		    "apt-get install --no-install-recommends$missing"
		sudo=sudo
	fi
	echo "Installing packages (a minute):"
	echo "$missing" | fold -s -w 76 | sed 's/^ */  /'
	# shellcheck disable=SC2086  # $missing is a list
	{
		$sudo apt-get -q update &&
		$sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
		    install --no-install-recommends $missing
	} >"$build/build.log" 2>&1 || fail "apt-get could not install$missing"
}

# Linked statically with liboutlast, the programs can be copied and run by a
# user who cannot enter this folder.
build_programs()
{
	cd "$tree"
	[ -x configure ] || autoreconf -fi
	cd "$build"
	[ -f config.status ] ||
	    "$tree/configure" --disable-shared --enable-static CFLAGS='-O2 -g'
	make -j2 src/outlastd/outlastd src/ctl/outlastctl examples/thumbnails/thumbnail \
	    examples/signup/signup examples/stopwatch/stopwatch
	cd "$tree"
}

# The first free port of 127.0.0.1 from $1 on.
free_port()
{
	$python - "$1" <<-'END'
	import socket, sys
	for port in range(int(sys.argv[1]), 65536):
	    with socket.socket() as s:
	        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
	        try:
	            s.bind(("127.0.0.1", port))
	        except OSError:
	            continue
	        print(port)
	        break
	END
}

# The project's own snippets, with the changes that their heads ask for.
nginx_pool()
{
	sed -e "s|upstream app |upstream $1 |" \
	    -e "s|fastcgi_pass app;|fastcgi_pass $1;|" \
	    -e "s|unix:/run/outlast/app.sock|unix:$scratch/$1.sock|" \
	    -e "s|127.0.0.1:8080|127.0.0.1:$2|" "$tree/nginx/app-pool.conf"
}

nginx_thumbnails()
{
	sed -e "s|/srv/thumbnails|$scratch/page|" \
	    -e "s|unix:/run/outlast/tasks.sock|unix:$scratch/tasks.sock|" \
	    -e "s|127.0.0.1:8080|127.0.0.1:$port1|" \
	    "$tree/examples/thumbnails/nginx.conf"
}

# nginx_report before|after
nginx_report()
{
	sed -e "s|/srv/report|$scratch/www|" \
	    -e "s|unix:/run/php/report.sock|unix:$scratch/php.sock|" \
	    -e "s|unix:/run/outlast/tasks.sock|unix:$scratch/tasks.sock|" \
	    -e "s|127.0.0.1:8080|127.0.0.1:$port|" \
	    "$tree/examples/php-report/$1.conf"
}

# Without what only root can do: all of it runs as one user here.
fpm_report()
{
	echo '[global]'
	echo "error_log = $scratch/fpm.log"
	sed -e "s|/run/php/report.sock|$scratch/php.sock|" \
	    -e '/^user /d; /^listen.owner/d; /^listen.group/d' \
	    "$tree/examples/php-report/php-fpm.conf"
	echo "php_admin_value[session.save_path] = $scratch/tmp"
	echo "php_admin_value[upload_tmp_dir] = $scratch/tmp"
}

# slowly PROGRAM…: three seconds of progress first, so that there is something
# to see, and a middle in which to be killed.
write_slowly()
{
	cat >"$scratch/bin/slowly" <<-END
	#!$python
	import os, socket, sys, time
	for step in range(1, 6):
	    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
	        to.sendto(b"X_OUTLAST_PROGRESS=%d step %d of 5"
	                  % (step * 15, step), os.environ["NOTIFY_SOCKET"])
	    time.sleep(0.6)
	os.execv(sys.argv[1], sys.argv[1:])
	END
	chmod 755 "$scratch/bin/slowly"
}

write_nginx()
{
	cp /etc/nginx/fastcgi_params /etc/nginx/fastcgi.conf \
	    /etc/nginx/mime.types "$scratch"
	nginx_report before >"$scratch/before.conf"
	nginx_report after >"$scratch/after.conf"
	cp "$scratch/before.conf" "$scratch/nginx-report.conf"
	nginx_thumbnails >"$scratch/nginx-thumbnails.conf"
	nginx_pool signup "$port2" >"$scratch/nginx-signup.conf"
	nginx_pool stopwatch "$port3" >"$scratch/nginx-stopwatch.conf"
	cat >"$scratch/nginx.conf" <<-END
	daemon off;
	pid nginx.pid;
	events { }
	http {
	    access_log off;
	    include mime.types;
	    client_body_temp_path tmp/body;
	    proxy_temp_path tmp/proxy;
	    fastcgi_temp_path tmp/fastcgi;
	    uwsgi_temp_path tmp/uwsgi;
	    scgi_temp_path tmp/scgi;
	    include nginx-report.conf;
	    include nginx-thumbnails.conf;
	    include nginx-signup.conf;
	    include nginx-stopwatch.conf;
	}
	END
}

write_files()
{
	mkdir "$scratch/bin" "$scratch/tmp" "$scratch/page"
	$python -c 'import mailbox, sys; mailbox.Maildir(sys.argv[1])' \
	    "$scratch/mail"
	cp "$build/src/outlastd/outlastd" "$build/examples/signup/signup" \
	    "$build/examples/stopwatch/stopwatch" \
	    "$build/examples/thumbnails/thumbnail" \
	    "$tree/examples/thumbnails/thumbnail.sh" \
	    "$tree/examples/thumbnails/thumbnail.py" "$scratch/bin"
	cp "$tree/examples/signup/welcome.jpg" "$scratch"
	cp "$tree/examples/thumbnails/index.html" "$scratch/page"
	cp -r "$tree/examples/php-report/www" "$scratch"
	cp "$tree/examples/php-report/sales.csv" "$scratch"
	fpm_report >"$scratch/php-fpm.conf"
	write_slowly
	write_nginx
	cat >"$scratch/outlast.conf" <<-END
	pid             $scratch/outlastd.pid;
	state           $scratch/state;
	listen          unix:$scratch/tasks.sock;
	shutdown_delay  30s;

	result_type     image/jpeg;
	max_payload     10m;
	concurrency     2;

	task report { fastcgi_pass unix:$scratch/php.sock; retries 2; }

	task small  { program $scratch/bin/slowly $scratch/bin/thumbnail --size 160; }
	task medium { program $scratch/bin/slowly $scratch/bin/thumbnail.sh --size 480; }
	task large  { program $scratch/bin/slowly $scratch/bin/thumbnail.py --size 1280; }

	pool signup {
	    listen     unix:$scratch/signup.sock;
	    program    $scratch/bin/signup;
	    directory  $scratch;
	    env        SIGNUP_SMTP smtp://127.0.0.1:$smtp_port;
	}

	pool stopwatch {
	    listen     unix:$scratch/stopwatch.sock;
	    program    $scratch/bin/stopwatch;
	    env        EDITION first;
	}
	END
}

# page PORT PATH: its text; the status is checked
page()
{
	curl -sS --fail --max-time 10 "http://127.0.0.1:$1/$2"
}

# ask OPTION…: curl with the cookies of the report's visitor.
ask()
{
	curl -sS --max-time 10 -b "$scratch/jar" "$@"
}

wait_until()
{
	tries=100
	until "$@" >/dev/null 2>&1; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || fail "10 seconds were not enough for: $*"
		sleep 0.1
	done
}

# told_since LINES: what outlastd has logged after that many.
told_since()
{
	tail -n "+$(($1 + 1))" "$scratch/outlastd.log" | sed 's/^/  | /'
}

# The engine has read its store: it says 404 to an id that nobody has.
ready()
{
	[ "$(curl -sS -o /dev/null -w '%{http_code}' --max-time 10 \
	    "http://127.0.0.1:$port/tasks/00000000-0000-7000-8000-000000000000")" = 404 ]
}

start_all()
{
	if [ "$(id -u)" -eq 0 ]; then
		as='setpriv --reuid nobody --regid nogroup --clear-groups'
		chown -R nobody:nogroup "$scratch"
		who=nobody
	else
		as=
		who=$(id -un)
	fi
	start smtp $python -m aiosmtpd -n -l "127.0.0.1:$smtp_port" \
	    -c aiosmtpd.handlers.Mailbox "$scratch/mail"
	start php-fpm $fpm -n -F -y "$scratch/php-fpm.conf"
	start nginx /usr/sbin/nginx -p "$scratch" -c nginx.conf -e stderr
	start outlastd "$scratch/bin/outlastd" -c "$scratch/outlast.conf"
	wait_until page "$port" ''
	wait_until page "$port1" ''
	wait_until page "$port2" ''
	wait_until page "$port3" ''
	wait_until ready
	wait_until curl -sS --max-time 1 "smtp://127.0.0.1:$smtp_port"
	echo "Started nginx, php-fpm, a mail server and outlastd as $who in $scratch"
}

# --- the story ---------------------------------------------------------------

# The state of the task at $1: "ended|going PERCENT LINE"; LINE is for people.
# Fails when nobody is there to answer.
state_of()
{
	$python - "$(ask --fail "$1" 2>/dev/null)" <<-'END'
	import json, sys
	if not sys.argv[1]:
	    sys.exit(1)
	task = json.loads(sys.argv[1])
	progress = task["progress"] or {"percent": 0}
	line = f"{task['state']}, attempt {task['attempt']}"
	if progress["percent"]:
	    line += f", {progress['percent']} %: {progress['text']}"
	print("ended" if task["ended"] else "going", progress["percent"], line)
	END
}

# watch ADDRESS UNTIL…: the task's state whenever it changes, until the command,
# which gets what state_of says, succeeds.
watch()
{
	address=$1 shown='' tries=150
	shift
	while :; do
		[ "$tries" -gt 0 ] || fail "the task at $address did not end"
		tries=$((tries - 1))
		sleep 0.2
		now=$(state_of "$address") || continue
		[ "${now#* * }" = "$shown" ] || echo "    ${now#* * }"
		shown=${now#* * }
		# shellcheck disable=SC2086  # words on purpose
		! "$@" $now || return 0
	done
}

halfway()
{
	[ "$1" = ended ] || [ "$2" -ge 45 ]
}

ended()
{
	[ "$1" = ended ]
}

new_engine()
{
	told_since "$seen" | grep -q 'engine pid [0-9]*: ready'
}

# upload NAME: the report is asked for; head, page and seconds in NAME.*
upload()
{
	ask -D "$scratch/$1.head" -o "$scratch/$1.page" -w '%{time_total}' \
	    -F "sales=@$scratch/sales.csv" "http://127.0.0.1:$port/report.php" \
	    >"$scratch/$1.time" || fail "nginx does not answer"
}

# head_of NAME PATTERN: the lines of its head, for people.
head_of()
{
	tr -d '\r' <"$scratch/$1.head" | grep -E "$2" | sed 's/^/    /'
}

reloaded()
{
	[ -z "$(started "$1")" ]
}

tell_report()
{
	command="curl -i -b jar -F sales=@sales.csv http://127.0.0.1:$port/report.php"
	step "1. A slow PHP page: the visitor waits"
	curl -sS -o /dev/null -c "$scratch/jar" -d name=Jane \
	    "http://127.0.0.1:$port/"
	echo "  \$ $command"
	upload before
	head_of before '^HTTP/'
	awk '{ printf "    after %.1f s\n", $1 }' "$scratch/before.time"

	step "2. One line of nginx later: the request is on disk, and nobody waits"
	echo "  \$ diff before.conf after.conf"
	diff "$scratch/before.conf" "$scratch/after.conf" |
		sed -n "s|$scratch/||; s/^\([<>]\)[[:space:]]*/    \1 /p"
	master=$(pid_of nginx)
	worker=$(pgrep -P "$master")
	cp "$scratch/after.conf" "$scratch/nginx-report.conf"
	echo "  \$ kill -HUP $master    # nginx"
	kill -HUP "$master"
	wait_until reloaded "$worker"
	echo "  \$ $command"
	upload after
	head_of after '^(HTTP/|Location)'
	awk '{ printf "    after %.1f ms\n", $1 * 1000 }' "$scratch/after.time"
	task=$(sed -n 's/^Location: //p' "$scratch/after.head" | tr -d '\r')
	[ -n "$task" ] || fail "no task: $(tail -n 1 "$scratch/after.page")"
	address=http://127.0.0.1:$port$task
	echo "  \$ curl -b jar $address    # again and again"
	watch "$address" ended
	echo "  \$ curl -i -b jar $address/result"
	ask -D "$scratch/result.head" -o "$scratch/result.page" "$address/result"
	head_of result '^(HTTP/|Content-(Type|Language))'
	cmp "$scratch/result.page" "$scratch/before.page" ||
		fail "the result is not the page"
	echo "    the very page of step 1"
}

tell_task()
{
	step "3. A picture is uploaded; the task is on disk before the answer"
	echo "  \$ curl -i --data-binary @welcome.jpg http://127.0.0.1:$port1/upload/small"
	curl -sS -i --max-time 10 -H 'Content-Type: image/jpeg' \
	    --data-binary "@$scratch/welcome.jpg" \
	    "http://127.0.0.1:$port1/upload/small" | tr -d '\r' >"$scratch/answer"
	grep -E '^(HTTP/|Location|Retry-After)' "$scratch/answer" | sed 's/^/    /'
	task=$(sed -n 's/^Location: //p' "$scratch/answer")
	[ -n "$task" ] || fail "the picture was not taken: $(tail -n 1 "$scratch/answer")"
	address=http://127.0.0.1:$port1$task
	echo "  \$ curl $address    # again and again"
	watch "$address" halfway

	step "4. The process that owns the task is killed"
	engine=$(pgrep -P "$(pid_of outlastd)" -f 'outlastd: engine') ||
		fail "there is no engine"
	echo "  \$ kill -9 $engine    # outlastd: engine"
	seen=$(wc -l <"$scratch/outlastd.log")
	kill -9 "$engine"
	wait_until new_engine
	told_since "$seen"
	watch "$address" ended
	echo "  \$ curl -O $address/result"
	ask --fail "$address/result" >"$scratch/small.jpg" ||
		fail "there is no result"
	sizes=$(rdjpgcom -verbose "$scratch/small.jpg" | sed -n \
	    's/^JPEG image is \([0-9]*\)w \* \([0-9]*\)h.*/\1 x \2/p')
	echo "    a JPEG of $sizes pixels, made from one of 320 x 200"
	[ "$sizes" = '160 x 100' ] || fail "that is not the size that was asked for"
}

mail_came()
{
	ls "$scratch"/mail/new/* >/dev/null 2>&1
}

# Takes the picture out of the mail, and prints when the mail came.
show_mail()
{
	$python - "$scratch" "$1" <<-'END'
	import email, email.policy, glob, os, sys
	scratch, replied = sys.argv[1], int(sys.argv[2])
	name = glob.glob(scratch + "/mail/new/*")[0]
	with open(name, "rb") as f:
	    mail = email.message_from_binary_file(f, policy=email.policy.default)
	part = next(mail.iter_attachments())
	with open(scratch + "/received.jpg", "wb") as f:
	    f.write(part.get_content())
	late = (os.stat(name).st_mtime_ns - replied) / 1e9
	print(f"    {late:.1f} s after the page, a mail to {mail['To']}: "
	      f"\"{mail['Subject']}\", with {part.get_filename()}")
	END
}

tell_signup()
{
	step "5. A visitor signs up while the mail server sleeps for two seconds"
	kill -STOP "$(pid_of smtp)"
	answer=$(curl -sS --max-time 10 -o /dev/null \
	    -w '%{http_code} %{time_total}' \
	    -d address=visitor@example.org "http://127.0.0.1:$port2/")
	replied=$(date +%s%N)
	echo "  \$ curl -d address=visitor@example.org http://127.0.0.1:$port2/"
	echo "$answer" | awk '{ printf "    HTTP %s after %.1f ms\n", $1, $2 * 1000 }'
	[ "${answer%% *}" = 303 ] || fail "the form was not taken"
	sleep 2
	kill -CONT "$(pid_of smtp)"
	wait_until mail_came
	show_mail "$replied"
	cmp "$scratch/received.jpg" "$scratch/welcome.jpg" ||
	    fail "the picture is not the one that was sent"
}

# Which process answers on the stopwatch's page.
answering()
{
	page "$port3" '' | sed -n 's/.*Process \([0-9]*\);.*/\1/p'
}

tell_recycle()
{
	step "6. A process is replaced while its work items run"
	seen=$(wc -l <"$scratch/outlastd.log")
	page "$port3" blocking >/dev/null
	page "$port3" async >/dev/null
	old=$(answering)
	sleep 1
	echo "  \$ curl http://127.0.0.1:$port3/blocking; curl http://127.0.0.1:$port3/async"
	echo "  \$ sed -i 's/EDITION first/EDITION second/' $scratch/outlast.conf"
	echo "  \$ kill -HUP $(pid_of outlastd)    # outlastd"
	sed -i 's/EDITION first/EDITION second/' "$scratch/outlast.conf"
	kill -HUP "$(pid_of outlastd)"
	asked=0 new=
	while [ -d "/proc/$old" ]; do
		now=$(answering)
		asked=$((asked + 1))
		[ "$now" = "$old" ] || new=$now
		[ "$asked" -lt 400 ] || fail "process $old did not end"
		sleep 0.05
	done
	told_since "$seen"
	[ -n "$new" ] || fail "no new process answered while $old finished"
	echo "    meanwhile $asked pages were asked for and answered, by $old and then by $new"
}

finish()
{
	cat <<-END

	All of it goes on running. Try next:
	  http://127.0.0.1:$port/     log in, upload $scratch/sales.csv, watch
	  http://127.0.0.1:$port1/     upload a JPEG of yours: three sizes, in C, shell and Python
	  http://127.0.0.1:$port2/     sign up; mails arrive in $scratch/mail/new
	  http://127.0.0.1:$port3/     start items, then: kill -TERM $(answering)
	  tail -f $scratch/outlastd.log
	  export OUTLAST_CONTROL=$scratch/control.sock; ${build#"$tree"/}/src/ctl/outlastctl status
	  \$EDITOR $scratch/outlast.conf; ${build#"$tree"/}/src/ctl/outlastctl reload
	  examples/quickstart.sh --stop
	END
}

install=yes port=8080 only_stop=
while [ $# -gt 0 ]; do
	case $1 in
	--stop) only_stop=yes ;;
	--help | -h)
		echo "$usage"
		exit 0
		;;
	--no-install) install=no ;;
	--port)
		[ $# -ge 2 ] || fail "$usage"
		port=$2
		shift
		;;
	*) fail "no such option: $1; $usage" ;;
	esac
	shift
done
# Six digits would be no number for the shell; below 1024 only root listens.
case $port in
'' | *[!0-9]* | ??????*) port=0 ;;
esac
if [ "$port" -lt 1024 ] || [ "$port" -gt 65000 ]; then
	fail "--port takes a number from 1024 to 65000"
fi

if [ -z "$only_stop" ] && [ -f "$tree/config.status" ]; then
	fail "this folder was configured in place: make distclean first"
fi
stop
[ -z "$only_stop" ] || exit 0
scratch=none
mkdir -p "$build"
trap on_exit EXIT
install_packages
echo "Building outlast and its examples in $build"
build_programs >"$build/build.log" 2>&1
port=$(free_port "$port")
port1=$(free_port $((port + 1)))
port2=$(free_port $((port1 + 1)))
port3=$(free_port $((port2 + 1)))
smtp_port=$(free_port 2525)
scratch=$(mktemp -d "${TMPDIR:-/tmp}/outlast-quickstart.XXXXXX")
echo "$scratch" >"$state"
write_files
start_all
tell_report
tell_task
tell_signup
tell_recycle
finish

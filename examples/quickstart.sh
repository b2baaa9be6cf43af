#!/bin/sh
# outlast in one command: builds it, starts nginx, a mail server and outlastd
# as an unprivileged user in a scratch folder, and shows what they do.
set -eu

usage='usage: examples/quickstart.sh [--stop] [--no-install] [--port N]'
tree=$(cd "$(dirname "$0")/.." && pwd)
build=${OUTLAST_QUICKSTART:-$tree/build/quickstart}
state=$build/running	# the scratch folder's name, then: name pid start
python=/usr/bin/python3		# Debian's, which sees Debian's packages

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
	need libbsd-dev test -f /usr/include/bsd/bsd.h
	need libcurl4-openssl-dev pkg-config --exists libcurl
	need nginx-light test -x /usr/sbin/nginx
	need curl command -v curl
	need python3-aiosmtpd $python -c 'import aiosmtpd'
	[ -n "$missing" ] || return 0
	[ "$install" = yes ] || fail "not installed:$missing"
	echo "Installing$missing (a minute)"
	sudo=
	[ "$(id -u)" -eq 0 ] || sudo=sudo
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
	make -j2 src/outlastd/outlastd examples/signup/signup \
	    examples/stopwatch/stopwatch
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

# nginx_pool NAME PORT: the project's own snippet, with its three changes
nginx_pool()
{
	sed -e "s|upstream app |upstream $1 |" \
	    -e "s|fastcgi_pass app;|fastcgi_pass $1;|" \
	    -e "s|unix:/run/outlast/app.sock|unix:$scratch/$1.sock|" \
	    -e "s|127.0.0.1:8080|127.0.0.1:$2|" "$tree/nginx/app-pool.conf"
}

write_files()
{
	mkdir "$scratch/bin" "$scratch/tmp"
	$python -c 'import mailbox, sys; mailbox.Maildir(sys.argv[1])' \
	    "$scratch/mail"
	cp "$build/src/outlastd/outlastd" "$build/examples/signup/signup" \
	    "$build/examples/stopwatch/stopwatch" "$scratch/bin"
	cp "$tree/examples/signup/welcome.jpg" /etc/nginx/fastcgi_params \
	    "$scratch"
	nginx_pool signup "$port" >"$scratch/nginx-signup.conf"
	nginx_pool stopwatch "$port2" >"$scratch/nginx-stopwatch.conf"
	cat >"$scratch/nginx.conf" <<-END
	daemon off;
	pid nginx.pid;
	events { }
	http {
	    access_log off;
	    client_body_temp_path tmp/body;
	    proxy_temp_path tmp/proxy;
	    fastcgi_temp_path tmp/fastcgi;
	    uwsgi_temp_path tmp/uwsgi;
	    scgi_temp_path tmp/scgi;
	    include nginx-signup.conf;
	    include nginx-stopwatch.conf;
	}
	END
	cat >"$scratch/outlast.conf" <<-END
	pid             $scratch/outlastd.pid;
	shutdown_delay  30s;

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

wait_until()
{
	tries=100
	until "$@" >/dev/null 2>&1; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || fail "10 seconds were not enough for: $*"
		sleep 0.1
	done
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
	start nginx /usr/sbin/nginx -p "$scratch" -c nginx.conf -e stderr
	start outlastd "$scratch/bin/outlastd" -c "$scratch/outlast.conf"
	wait_until page "$port" ''
	wait_until page "$port2" ''
	wait_until curl -sS --max-time 1 "smtp://127.0.0.1:$smtp_port"
	echo "Started nginx, a mail server and outlastd as $who in $scratch"
}

# --- the story ---------------------------------------------------------------

mail_came()
{
	ls "$scratch"/mail/new/* >/dev/null 2>&1
}

# Shows the mail's header, takes the picture out, prints when the mail came.
show_mail()
{
	$python - "$scratch" "$1" <<-'END'
	import email, email.policy, glob, os, sys
	scratch, replied = sys.argv[1], int(sys.argv[2])
	name = glob.glob(scratch + "/mail/new/*")[0]
	with open(name, "rb") as f:
	    mail = email.message_from_binary_file(f, policy=email.policy.default)
	late = (os.stat(name).st_mtime_ns - replied) / 1e9
	print(f"  the mail came {late:.1f} s after the page:")
	for header in ("From", "To", "Subject", "Date"):
	    print(f"    {header}: {mail[header]}")
	for part in mail.iter_attachments():
	    data = part.get_content()
	    print(f"    attached: {part.get_filename()}, "
	          f"{part.get_content_type()}, {len(data)} bytes")
	    with open(scratch + "/received.jpg", "wb") as f:
	        f.write(data)
	END
}

tell_signup()
{
	step "1. A visitor signs up while the mail server sleeps for two seconds"
	kill -STOP "$(pid_of smtp)"
	answer=$(curl -sS --max-time 10 -o /dev/null \
	    -w '%{http_code} %{time_total} %{redirect_url}' \
	    -d address=visitor@example.org "http://127.0.0.1:$port/")
	replied=$(date +%s%N)
	echo "  \$ curl -d address=visitor@example.org http://127.0.0.1:$port/"
	echo "$answer" | awk '{
		printf "  HTTP %s after %.1f ms, to %s:\n", $1, $2 * 1000, $3 }'
	curl -sS --fail --max-time 10 "${answer##* }" |
	    sed -n 's|^<p>\(.*\)</p>$|  "\1"|p'
	[ "${answer%% *}" = 303 ] || fail "the form was not taken"
	sleep 2
	kill -CONT "$(pid_of smtp)"

	step "2. The work item behind the reply sends the welcome mail"
	wait_until mail_came
	show_mail "$replied"
	for picture in received.jpg welcome.jpg; do
		(cd "$scratch" && sha256sum "$picture") |
		    awk '{ print "    sha256 " substr($1, 1, 32) "…  " $2 }'
	done
	cmp "$scratch/received.jpg" "$scratch/welcome.jpg" ||
	    fail "the picture is not the one that was sent"
}

# Which process answers on the stopwatch's page.
answering()
{
	page "$port2" '' | sed -n 's/.*Process \([0-9]*\);.*/\1/p'
}

tell_recycle()
{
	step "3. A process is replaced while its work items run"
	seen=$(wc -l <"$scratch/outlastd.log")
	page "$port2" blocking >/dev/null
	page "$port2" async >/dev/null
	old=$(answering)
	sleep 1
	echo "  \$ curl http://127.0.0.1:$port2/blocking; curl http://127.0.0.1:$port2/async"
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
	tail -n "+$((seen + 1))" "$scratch/outlastd.log" | sed 's/^/  | /'
	[ -n "$new" ] || fail "no new process answered while $old finished"
	echo "  meanwhile $asked pages were asked for and answered, by $old and then by $new"
}

finish()
{
	cat <<-END

	All of it goes on running. Try next:
	  http://127.0.0.1:$port/     the form; mails arrive in $scratch/mail/new
	  http://127.0.0.1:$port2/     start items, then: kill -TERM $(answering)
	  tail -f $scratch/outlastd.log
	  \$EDITOR $scratch/outlast.conf; kill -HUP $(pid_of outlastd)
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
	*) fail "$usage" ;;
	esac
	shift
done
case $port in
'' | *[!0-9]*) fail "$usage" ;;
esac

if [ -z "$only_stop" ] && [ -f "$tree/config.status" ]; then
	fail "this folder was configured in place: make distclean first"
fi
stop
[ -z "$only_stop" ] || exit 0
scratch=none
mkdir -p "$build"
trap on_exit EXIT
install_packages
echo "Building outlast and two example applications in $build"
build_programs >"$build/build.log" 2>&1
port=$(free_port "$port")
port2=$(free_port $((port + 1)))
smtp_port=$(free_port 2525)
scratch=$(mktemp -d "${TMPDIR:-/tmp}/outlast-quickstart.XXXXXX")
echo "$scratch" >"$state"
write_files
start_all
tell_signup
tell_recycle
finish

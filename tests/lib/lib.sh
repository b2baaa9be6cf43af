# shellcheck shell=bash disable=SC2034
# (SC2034: the variables are for the tests that source this.)
#
# What a system test needs. Source it first:
#
#     . "$(dirname "$0")/../lib/lib.sh"
#
# It makes a scratch folder $T and ends, with the script, every process that
# start and its kin began. Exit 0: passed; 77 (skip): the last line says why;
# anything else: failed.

set -u
SRC=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=${BUILD:-$SRC/build/test}
TRIALS=${TRIALS:-0}
SEED=${SEED:-$RANDOM}
LIB=$SRC/tests/lib
PLAIN=$BUILD/bench_plain
LOAD=$BUILD/bench_load
CLOSING=$BUILD/bench_closing
APP=$BUILD/bench_app
OUTLASTD=$BUILD/src/outlastd/outlastd
export PYTHONPATH=$LIB PYTHONDONTWRITEBYTECODE=1

# Short: a unix socket's path has 107 bytes.
T=$(mktemp -d /tmp/outlast-test.XXXXXX) || exit 1
pids=()
# Set by start and its kin.
pid=0 plain=0 app=0 nginx=0 outlastd=0 port=0 exited=0 result=
took=0 stalled=0

cleanup() {
	local status=$? pid
	trap - EXIT
	for pid in "${pids[@]}"; do
		kill -TERM "$pid" 2>/dev/null
	done
	for pid in "${pids[@]}"; do
		gone 3 "$pid" || kill -KILL "$pid" 2>/dev/null
	done
	if [ $status -ne 0 ] && [ $status -ne 77 ]; then
		tail -n 15 "$T"/*.log 2>/dev/null
		echo "seed $SEED, scratch folder was $T"
	fi
	[ -n "${KEEP:-}" ] || rm -rf "$T"
	exit $status
}
trap cleanup EXIT
trap 'exit 143' TERM INT HUP

fail() {
	echo "FAIL: $*"
	exit 1
}

skip() {
	echo "skip: $*"
	exit 77
}

# say WORDS: what the test has seen; shown when it fails, and in its log.
say() {
	echo "$(date +%T.%3N) $*"
}

need() {
	local program
	for program; do
		[ -x "$program" ] || fail "$program has not been built"
	done
}

# start NAME COMMAND...: in the background, its output in $T/NAME.log, its pid
# in $pid, ended with the test.
start() {
	local name=$1
	shift
	"$@" >>"$T/$name.log" 2>&1 </dev/null &
	pid=$!
	pids+=("$pid")
}

alive() {
	local state
	state=$(ps -o state= -p "$1" 2>/dev/null) && [ "${state:0:1}" != Z ]
}

# over SECONDS FROM STALLED: whether that time has passed since, not counted
# what others had of the machine: a limit is for what hangs, not for what waits.
over() {
	local ms=$(($(now_ms) - $2 - $1 * 1000))
	[ $ms -ge 0 ] && [ $ms -ge $(($(stalled_ms) - $3)) ]
}

# gone SECONDS PID: whether the process ends in that time.
gone() {
	local from stalled
	from=$(now_ms) stalled=$(stalled_ms)
	while alive "$2"; do
		! over "$1" "$from" "$stalled" || return 1
		sleep 0.02
	done
}

# stop PID [SIGNAL [SECONDS]]: end a process that start began; its exit status
# in $exited.
stop() {
	kill "-${2:-TERM}" "$1" 2>/dev/null
	gone "${3:-10}" "$1" || fail "process $1 did not end within ${3:-10} s"
	exited=0
	wait "$1" 2>/dev/null || exited=$?
}

now_ms() {
	local now=${EPOCHREALTIME/[.,]/}
	echo "${now%???}"
}

# wait_for SECONDS COMMAND...: until the command succeeds; else the test fails.
wait_for() {
	local seconds=$1 from stalled
	from=$(now_ms) stalled=$(stalled_ms)
	shift
	until "$@" >/dev/null 2>&1; do
		! over "$seconds" "$from" "$stalled" ||
			fail "not within $seconds s: $*"
		sleep 0.02
	done
}

# stalled_ms: for how long, since the machine's start, some process that could
# have run was kept from a core or waited for the disk; 0 where the kernel does
# not tell.
stalled_ms() {
	local file total=0 us=0
	for file in cpu io; do
		# It may be there, and not to be read.
		{ read -r _ _ _ _ total <"/proc/pressure/$file"; } 2>/dev/null ||
			total=0
		us=$((us + ${total#total=}))
	done
	echo $((us / 1000))
}

# start_watch, and stop_watch: since then $took ms went by, and $stalled of them
# may be the machine's: others had it. What we promise in milliseconds, we
# promise on a machine that has a core for us; on an idle one $stalled is 0.
start_watch() {
	watch_began=$(now_ms) watch_stalled=$(stalled_ms)
}

stop_watch() {
	took=$(($(now_ms) - watch_began))
	stalled=$(($(stalled_ms) - watch_stalled))
}

# within MS WHAT: what start_watch began has taken no longer; on a machine that
# others have all the time, not five times as long.
within() {
	stop_watch
	[ $stalled -le $(($1 * 4)) ] || stalled=$(($1 * 4))
	say "$2: $took ms of $1, and $stalled in which others had the machine"
	[ $took -le $(($1 + stalled)) ] ||
		fail "$2: $took ms, not $1 and the $stalled that others took"
}

# A port of 127.0.0.1 that nobody had a moment ago, and that no client, of
# another test perhaps, is given as its own.
free_port() {
	python3 -c 'import random, socket
with open("/proc/sys/net/ipv4/ip_local_port_range") as file:
    low, high = map(int, file.read().split())
ports = range(10240, low) if low > 12000 else range(high + 1, 65536)
if len(ports) < 1000:
    ports = range(10240, 65536)
while True:
    with socket.socket() as s:
        port = random.choice(ports)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            continue
    print(port)
    break'
}

answers() {
	python3 "$LIB/fcgi.py" "$1" / --timeout 1 >/dev/null
}

# start_plain SOCKET [OPTION...]
start_plain() {
	local sock=$1
	need "$PLAIN"
	start plain "$PLAIN" --listen "$@"
	plain=$pid
	wait_for 5 answers "$sock"
}

# copy_app FILE: the application where accounts find it that may not reach the
# build; a script that becomes it.
copy_app() {
	need "$APP"
	cp "$APP" "$1.program"
	cp "$BUILD"/.libs/liboutlast.so.* "$T"
	printf '#!/bin/sh\nexport LD_LIBRARY_PATH=%s\nexec %s.program "$@"\n' \
		"$T" "$1" >"$1"
	chmod +x "$1"
}

# start_app SOCKET [OPTION...]: the liboutlast application alone.
start_app() {
	local sock=$1
	shift
	need "$APP"
	start app "$APP" --listen "unix:$sock" "$@"
	app=$pid
	wait_for 5 answers "$sock"
}

# run_nginx DIRECTIVES of the block http: two workers; a server on $port with
# "location = /nginx" is among the directives. Each on its own port.
run_nginx() {
	local dir=$T/nginx.$port user=
	mkdir -p "$dir"
	[ "$(id -u)" -ne 0 ] || user='user root;'
	cat >"$dir/nginx.conf" <<-CONF
		$user
		daemon off;
		worker_processes 2;
		worker_rlimit_nofile 16384;
		pid $dir/pid;
		error_log $T/nginx.error.log error;
		events { worker_connections 8000; }
		http {
			access_log off;
			client_body_temp_path $dir/body;
			fastcgi_temp_path $dir/fastcgi;
			proxy_temp_path $dir/proxy;
			uwsgi_temp_path $dir/uwsgi;
			scgi_temp_path $dir/scgi;
			keepalive_requests 100000000;
			client_max_body_size 64m;
			$1
		}
	CONF
	start nginx nginx -p "$dir" -c "$dir/nginx.conf" -e "$T/nginx.error.log"
	nginx=$pid
	wait_for 5 curl -sf -o /dev/null "http://127.0.0.1:$port/nginx"
}

# start_nginx keep|fresh SOCKET [CONFIGURATION OF THE LOCATION]: one server on
# $port; keep: upstream keep-alive. Its requests end in SOCKET.
start_nginx() {
	local keep=$1 sock=$2 more=${3:-}
	port=$(free_port)
	run_nginx "
		upstream backend {
			server unix:$sock max_fails=0;
			$([ "$keep" = fresh ] || echo 'keepalive 128;')
		}
		server {
			listen 127.0.0.1:$port backlog=1024;
			location = /nginx { return 204; }
			location / {
				include /etc/nginx/fastcgi_params;
				fastcgi_pass backend;
				$([ "$keep" = fresh ] || echo 'fastcgi_keep_conn on;')
				$more
			}
		}"
}

# start_published FILE: nginx with a file of nginx/ in its block http, as $T/FILE
# has it: it must be taken without a warning.
start_published() {
	local user=
	cp /etc/nginx/fastcgi_params "$T"
	[ "$(id -u)" -ne 0 ] || user='user root;'
	cat >"$T/nginx.conf" <<-CONF
		$user
		daemon off;
		worker_processes 1;
		pid nginx.pid;
		events { }
		http {
			access_log off;
			client_body_temp_path bodies;
			fastcgi_temp_path fastcgi;
			proxy_temp_path proxy;
			uwsgi_temp_path uwsgi;
			scgi_temp_path scgi;
			include $1;
		}
	CONF
	nginx -p "$T" -c nginx.conf -e stderr -t >"$T/check.log" 2>&1 ||
		fail "nginx does not take $1"
	expect "warnings of nginx" "$(lines 'warn' "$T/check.log")" 0
	start nginx nginx -p "$T" -c nginx.conf -e stderr
	nginx=$pid
}

# http PATH [CURL OPTION...]: the status; the body is in $T/body.
http() {
	local path=$1
	shift
	curl -s -o "$T/body" -w '%{http_code}' --max-time 20 "$@" \
		"http://127.0.0.1:$port$path"
}

# start_outlastd [OPTION...]: with $T/outlast.conf, which the test wrote.
start_outlastd() {
	need "$OUTLASTD"
	start outlastd "$OUTLASTD" -c "$T/outlast.conf" "$@"
	outlastd=$pid
}

# children PID: the processes below it, one a line.
children() {
	pgrep -P "$1"
}

# load OPTION... TARGET: run the load generator; its RESULT line in $result.
load() {
	need "$LOAD"
	"$LOAD" "$@" >"$T/load.out" || fail "the load generator failed"
	result=$(grep ^RESULT "$T/load.out")
	say "load $*: ${result#RESULT }"
}

# field NAME: a number of the last $result, 0 when it is not there.
field() {
	local word
	for word in $result; do
		if [ "${word%%=*}" = "$1" ]; then
			echo "${word#*=}"
			return
		fi
	done
	echo 0
}

# lost: how many requests of the last load did not get a 2xx.
lost() {
	echo $(($(field sent) - $(field ok) + $(field unsent)))
}

# lines PATTERN FILE: how many lines match; 0 when there is no file.
lines() {
	if [ -e "$2" ]; then
		grep -c -E -e "$1" "$2" || true
	else
		echo 0
	fi
}

# expect WHAT GOT WANTED
expect() {
	[ "$2" = "$3" ] || fail "$1: $2, not $3"
}

# descriptors PID: how many it has open.
descriptors() {
	find "/proc/$1/fd" -mindepth 1 2>/dev/null | wc -l
}

# cpu_ms PID: the processor time that it has used, in ms.
cpu_ms() {
	local stat
	stat=$(<"/proc/$1/stat") || return
	# shellcheck disable=SC2086 # words on purpose
	set -- ${stat##*) }
	echo $(((${12} + ${13}) * 1000 / $(getconf CLK_TCK)))
}

# write_conf GENERATION PROGRAM [ARGUMENT...]: $T/outlast.conf with one pool on
# $T/app.sock; GENERATION stands in its environment, so another one is another
# block. $pool_more: more directives.
pool_more=
write_conf() {
	local generation=$1 user=
	shift
	[ "$(id -u)" -ne 0 ] || user='user root;'
	cat >"$T/outlast.conf" <<-CONF
		pid $T/outlastd.pid;
		log stderr info;
		pool app {
			listen unix:$T/app.sock;
			program $*;
			$user
			env GENERATION $generation;
			env TEST_LEDGER $T/ledger;
			$pool_more
		}
	CONF
}

# The pid of a process that answers on $T/app.sock, or nothing.
serving() {
	python3 "$LIB/fcgi.py" "$T/app.sock" /pid --timeout 2 2>/dev/null |
		sed -n 2p
}

serves() {
	[ -n "$(serving)" ]
}

# serves_other PID: somebody else than PID answers.
serves_other() {
	local now
	now=$(serving)
	[ -n "$now" ] && [ "$now" != "$1" ]
}

# reload: HUP to outlastd.
reload() {
	kill -HUP "$outlastd" || fail 'outlastd is gone'
}

# recycling GENERATION SECONDS EVERY PROGRAM...: a new generation each EVERY
# seconds for SECONDS; the last one's number in $generation.
generation=0
recycling() {
	local end=$(($(now_ms) + $2 * 1000)) every=$3
	generation=$1
	shift 3
	while [ "$(now_ms)" -lt $end ]; do
		generation=$((generation + 1))
		write_conf $generation "$@"
		reload
		sleep "$every"
	done
}

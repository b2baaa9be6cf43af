#!/bin/bash
# Builds outlast and runs its tests; see --help.

set -u
SRC=$(cd "$(dirname "$0")/.." && pwd)
cd "$SRC" || exit 1

PARTS='unit contract system fuzz lint'
BENCH_PROGRAMS='bench_load bench_plain bench_closing bench_app bench_items
	bench_server bench_store bench_spawn bench_chore bench_ask'
PACKAGES='autoconf automake libtool make pkg-config gcc clang libclang-rt-14-dev
	clang-format
	libfcgi-dev libevent-dev libbsd-dev libcmocka-dev nginx-light spawn-fcgi curl
	libcurl4-openssl-dev libsqlite3-dev libjansson-dev libssl-dev sqlite3
	php8.2-fpm strace e2fsprogs libjpeg62-turbo-dev libjpeg-turbo-progs netpbm python3-pil systemd
	python3 python3-aiosmtpd procps mandoc shellcheck
	binutils git php8.2-cgi libfcgi-perl'

usage() {
	cat <<-'HELP'
	usage: tests/run.sh [OPTION…] [PART [NAME…]]

	Without a part: installs the Debian packages that the tests need (when
	some are missing; as root or with sudo), builds, runs every part but
	bench, and ends with the tests that took longest and one line "N passed,
	N failed, N skipped"; exit code 1 if one failed. Several tests run at a
	time; a system test with a line "# alone: REASON" in its head measures
	time, and runs after the others and alone.

	parts:
	  unit      cmocka programs: plain, with AddressSanitizer and UBSan, and
	            those with threads with ThreadSanitizer
	  contract  tests/contract: what every store must do, in the same three
	  system    tests/system: real processes behind a real nginx
	  fuzz      tests/fuzz, 5 s for each target
	  lint      tests/lint: layering, globals, format, manuals, scripts
	  bench     tests/bench/run.sh: measurements; only when asked for
	            (with php8.2-fpm, php8.2-redis and redis-server, where they
	            are installed, beside Redis, too)

	NAME is a test, or the beginning of one: 10 or 10-recycle.

	options:
	  --trials N     run the random tests N times as long as their short
	                 slice; a test's head says what one trial is
	  --seed N       the seed of random tests (each prints the one it used)
	  --timeout S    end a test after S seconds (300, times --trials)
	  --slots N      so many system tests and fuzz targets at a time, and
	                 twice as many unit tests (as many as there are cores;
	                 a debugger's friend is 1)
	  --no-install   do not install packages
	  --no-build     use what is built already
	  --list         print the tests and run none

	Builds are in build/test, build/asan, build/tsan, build/fuzz and
	build/failpoints; what a test wrote is in build/test/logs. Works as root
	or as any user.
	HELP
}

install=1 build=1 list=0 trials=1 limit=300 slots=$(nproc)
part='' names=()
while [ $# -gt 0 ]; do
	case $1 in
	-h | --help)
		usage
		exit 0
		;;
	--trials | --seed | --timeout | --slots)
		case ${2:-} in
		'' | *[!0-9]*)
			echo "run.sh: $1 takes a number" >&2
			exit 64
			;;
		esac
		case $1 in
		--trials) trials=$2 ;;
		--seed) export SEED=$2 ;;
		--timeout) limit=$2 ;;
		--slots) slots=$((10#$2 > 0 ? 10#$2 : 1)) ;;
		esac
		shift
		;;
	--no-install) install=0 ;;
	--no-build) build=0 ;;
	--list) list=1 ;;
	-*)
		echo "run.sh: unknown option $1; try --help" >&2
		exit 64
		;;
	*)
		if [ -n "$part" ]; then
			names+=("$1")
		elif [[ " $PARTS contract bench " == *" $1 "* ]]; then
			part=$1
		else
			echo "run.sh: unknown part $1; try --help" >&2
			exit 64
		fi
		;;
	esac
	shift
done
[ "$trials" -le 1 ] || limit=$((limit * trials))
export TRIALS=$trials

TEST=$SRC/build/test
LOGS=$TEST/logs
passed=0 failed=0 skipped=0 matched=0

# --- one test -----------------------------------------------------------------

wanted() {
	local name
	[ ${#names[@]} -gt 0 ] || return 0
	for name in "${names[@]}"; do
		[[ $1 == "$name"* || ${1##*/} == "$name"* ]] && return 0
	done
	return 1
}

# one SLOTS NAME COMMAND…: run it beside at most SLOTS - 1 others.
one() {
	local at_once=$1 name=$2
	shift 2
	wanted "${name#*/}" || return 0
	matched=$((matched + 1))
	if [ $list = 1 ]; then
		echo "$name"
		return
	fi
	pool_start "$at_once" "$name" "$@"
}

# report NAME STATUS SECONDS: one line, and one count.
report() {
	local name=$1 status=$2 seconds=$3 log=$LOGS/${1//\//.}.log
	# 77 without a reason is no skip: other programs use that number too.
	[ "$status" != 77 ] || tail -n 1 "$log" | grep -q '^skip: .' || status=1
	case $status in
	0)
		passed=$((passed + 1))
		printf 'ok   %s (%.0f s)\n' "$name" "$seconds"
		;;
	77)
		skip "$name" "$(sed -n '$s/^skip: //p' "$log")"
		;;
	*)
		failed=$((failed + 1))
		[ "$status" != 124 ] || echo "ended after $limit s" >>"$log"
		printf 'FAIL %s (%.0f s), exit code %d:\n' \
			"$name" "$seconds" "$status"
		tail -n 30 "$log" | sed 's/^/     | /'
		echo "     whole log: ${log#"$SRC"/}"
		;;
	esac
}

# skip NAME REASON
skip() {
	skipped=$((skipped + 1))
	printf 'skip %s: %s\n' "$1" "$2"
}

finish() {
	if [ $list = 1 ]; then
		exit 0
	fi
	pool_drain
	if [ ${#names[@]} -gt 0 ] && [ $matched = 0 ]; then
		echo "run.sh: no test of that name in $part; try --list" >&2
		exit 64
	fi
	if [ $((passed + failed)) -gt 20 ]; then
		echo "after $SECONDS s; the slowest, in seconds by the clock and of" \
			'processor time:'
		pool_slowest 15
	fi
	echo "$passed passed, $failed failed, $skipped skipped"
	[ $failed = 0 ]
	exit
}

# --- packages and builds --------------------------------------------------------

install_packages() {
	local missing='' package sudo=
	for package in $PACKAGES; do
		dpkg-query -W -f '${Status}' "$package" 2>/dev/null |
			grep -q 'ok installed' || missing="$missing $package"
	done
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" -ne 0 ]; then
		sudo=sudo
		command -v sudo >/dev/null || {
			echo "run.sh: missing, and no root to install:$missing" >&2
			exit 69
		}
	fi
	echo "installing$missing"
	# shellcheck disable=SC2086 # words on purpose
	$sudo apt-get -qq update &&
		$sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y \
			--no-install-recommends $missing >/dev/null || {
		echo 'run.sh: apt-get failed' >&2
		exit 69
	}
}

# quietly FOLDER LOG COMMAND…: its output is shown only when it fails, which
# counts as a failed test: what it was to build cannot be tested.
quietly() {
	local log=$PWD/$1/$2
	mkdir -p "$1"
	shift 2
	"$@" >"$log" 2>&1 && return
	failed=$((failed + 1))
	printf 'FAIL build: %s\n' "$*"
	grep -E -B2 -A6 'error:|Error [0-9]|undefined reference' "$log" |
		head -40 | sed 's/^/     | /'
	echo "     whole log: ${log#"$SRC"/}"
	return 1
}

# configured FOLDER [WORD…]: ready to make; configure's words.
configured() {
	local dir=build/$1
	shift
	if [ -f config.status ]; then
		echo 'run.sh: configured in place: make distclean first' >&2
		exit 1
	fi
	if [ configure.ac -nt configure ] || [ Makefile.am -nt Makefile.in ]; then
		quietly build autoreconf.log autoreconf -fi || return
	fi
	[ "$dir/config.status" -nt configure ] &&
		[ "$(cat "$dir/.words" 2>/dev/null)" = "$*" ] && return
	quietly "$dir" configure.log env -C "$dir" \
		../../configure --enable-werror "$@" || return
	echo "$*" >"$dir/.words"
}

made() {
	local dir=build/$1
	shift
	[ $list = 0 ] || return 0
	quietly "$dir" make.log make -C "$dir" -j"$(nproc)" "$@"
}

# variable FOLDER NAME: what a variable of its Makefile holds.
variable() {
	make -s --no-print-directory -C "build/$1" -f - <<-MAKE 2>/dev/null
	include Makefile
	.PHONY: print-it
	.DEFAULT_GOAL := print-it
	print-it: ; @echo \$($2)
	MAKE
}

# programs FLAVOUR PART: the cmocka programs that are run.
programs() {
	local program
	for program in $(variable "$1" check_PROGRAMS); do
		[[ $1 != tsan || $program =~ ^test_(lib|store) ]] || continue
		case $2-$program in
		contract-*_contract) ;;
		contract-* | unit-*_contract) continue ;;
		esac
		! wanted "$program-$1" || echo "$program"
	done
}

# bench_programs: those that this tree knows how to build.
bench_programs() {
	local known program
	known=" $(variable test EXTRA_PROGRAMS) "
	for program in $BENCH_PROGRAMS; do
		[[ $known != *" $program "* ]] || echo "$program"
	done
}

# cmocka_programs FLAVOUR: what the parts that are run need of it.
cmocka_programs() {
	local which
	for which in ${part:-unit contract}; do
		case $which in
		unit | contract) programs "$1" "$which" ;;
		esac
	done
}

build_test() {
	local all=''
	configured test || return
	case ${part:-all} in
	unit | contract) ;;
	*) all="all $(bench_programs | xargs)" ;;
	esac
	# shellcheck disable=SC2046,SC2086 # words on purpose
	made test $all $(cmocka_programs test)
}

# A second outlastd, for the tests that make it fail.
build_failpoints() {
	configured failpoints --enable-failpoints &&
		made failpoints src/outlastd/outlastd
}

# A sanitizer makes gcc warn of what cannot be. Less optimised: half the time
# to compile, and clearer reports.
build_asan() {
	configured asan --disable-werror CFLAGS='-g -O1' \
		--enable-sanitizer=address,undefined || return
	# shellcheck disable=SC2046 # words on purpose
	made asan $(cmocka_programs asan)
}

build_tsan() {
	configured tsan --disable-werror CFLAGS='-g -O1' \
		--enable-sanitizer=thread || return
	# shellcheck disable=SC2046 # words on purpose
	made tsan $(cmocka_programs tsan)
}

fuzz_targets() {
	local target
	for target in $(variable fuzz 'noinst_PROGRAMS) $(EXTRA_PROGRAMS' |
		tr ' ' '\n' | sort -u); do
		[[ $target != fuzz_* ]] || ! wanted "${target#fuzz_}" ||
			echo "$target"
	done
}

# clang only here: the warnings that count are those of gcc.
build_fuzz() {
	configured fuzz --disable-werror CC=clang \
		CFLAGS='-g -O1 -fsanitize=fuzzer-no-link' \
		--enable-fuzzers --enable-sanitizer=address,undefined || return
	# shellcheck disable=SC2046 # words on purpose
	made fuzz $(fuzz_targets)
}

# ahead FLAVOUR…: build them one after another, behind the tests' back: those
# sleep a lot.
builder=0
ahead() {
	local flavour
	mkdir -p build
	for flavour; do
		rm -f "build/$flavour.status"
	done
	# A process group of its own, so that all of it can be ended.
	set -m
	(
		renice -n 5 $BASHPID >/dev/null
		for flavour; do
			"build_$flavour" >"build/$flavour.out" 2>&1
			echo $? >"build/$flavour.status"
		done
	) &
	builder=$!
	set +m
}

# built FLAVOUR: wait for it. Whether it can be used; one failed test if not.
built() {
	local status
	[ $build = 1 ] || return 0
	until [ -s "build/$1.status" ]; do
		kill -0 $builder 2>/dev/null || [ -s "build/$1.status" ] ||
			echo 1 >"build/$1.status"
		sleep 0.1
	done
	status=$(<"build/$1.status")
	cat "build/$1.out"
	: >"build/$1.out"
	# Counted once.
	[ "$status" != 1 ] || {
		failed=$((failed + 1))
		echo told >"build/$1.status"
	}
	[ "$status" = 0 ]
}

# --- the parts -------------------------------------------------------------------

# flavours PART: the builds that it needs.
flavours() {
	case $1 in
	unit | contract) echo test asan tsan ;;
	system) echo test failpoints ;;
	fuzz) echo fuzz ;;
	lint | bench) echo test ;;
	*) echo test asan tsan failpoints fuzz ;;
	esac
}

# run_cmocka PART: its programs, in three builds.
run_cmocka() {
	local flavour program
	for flavour in test asan tsan; do
		built $flavour || continue
		for program in $(programs $flavour "$1"); do
			one $((slots * 2)) "$1/$program-$flavour" env \
				srcdir="$SRC" \
				ASAN_OPTIONS=detect_leaks=1 \
				UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
				TSAN_OPTIONS=halt_on_error=1 \
				"build/$flavour/$program"
		done
	done
}

run_unit() {
	run_cmocka unit
}

run_contract() {
	run_cmocka contract
}

# system_test SLOTS SCRIPT
system_test() {
	local name=${2##*/}
	one "$1" "system/${name%.sh}" env BUILD="$TEST" bash "$2"
}

run_system() {
	local script alone=() flavour
	# Most checks need no build; those that do say that there is none.
	built test
	built failpoints
	for script in $(printf '%s\n' tests/system/[0-9]*.sh | sort -V); do
		if grep -q '^# alone: .' "$script"; then
			alone+=("$script")
		else
			system_test "$slots" "$script"
		fi
	done
	# Nothing else runs now.
	pool_drain
	for flavour in $(flavours "$part"); do
		built "$flavour"
	done
	for script in "${alone[@]}"; do
		system_test 1 "$script"
	done
}

run_fuzz() {
	local target
	built fuzz || return
	for target in $(fuzz_targets); do
		mkdir -p "build/fuzz/corpus/$target" \
			"tests/fuzz/corpus/${target#fuzz_}"
		one "$slots" "fuzz/${target#fuzz_}" "build/fuzz/$target" \
			-max_total_time=$((5 * (trials > 1 ? trials : 1))) \
			-max_len=8192 -print_final_stats=1 -error_exitcode=1 \
			-artifact_prefix="$LOGS/$target-" \
			"build/fuzz/corpus/$target" \
			"tests/fuzz/corpus/${target#fuzz_}"
	done
}

run_lint() {
	local script name
	# Most checks need no build; those that do say that there is none.
	built test
	for script in tests/lint/check_*.sh; do
		script=${script##*/}
		name=${script#check_}
		one "$slots" "lint/${name%.sh}" env BUILD="$TEST" \
			bash "tests/lint/$script"
	done
}

# interrupted: end what runs, and say what is left behind.
interrupted() {
	trap - INT TERM HUP
	[ $builder = 0 ] || kill -TERM -- -$builder 2>/dev/null
	pool_kill
	exit 130
}

[ $install = 0 ] || [ $list = 1 ] || install_packages
mkdir -p "$LOGS" || exit 1
# shellcheck source=lib/pool.sh
. tests/lib/pool.sh
pool_open || exit 1
trap interrupted INT TERM HUP
# shellcheck disable=SC2046 # words on purpose
[ $build = 0 ] || ahead $(flavours "$part")
if [ "$part" = bench ]; then
	built test || finish
	BUILD=$TEST exec bash tests/bench/run.sh "${names[@]}"
fi
for which in ${part:-$PARTS}; do
	"run_$which"
done
finish

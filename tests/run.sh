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
	strace e2fsprogs libjpeg62-turbo-dev libjpeg-turbo-progs netpbm python3-pil systemd
	python3 python3-aiosmtpd procps mandoc shellcheck
	binutils git php8.2-cgi libfcgi-perl'

usage() {
	cat <<-'HELP'
	usage: tests/run.sh [OPTION…] [PART [NAME…]]

	Without a part: installs the Debian packages that the tests need (when
	some are missing; as root or with sudo), builds, runs every part but
	bench, and ends with one line "N passed, N failed, N skipped" and exit
	code 1 if one failed.

	parts:
	  unit      cmocka programs: plain, with AddressSanitizer and UBSan, and
	            those with threads with ThreadSanitizer
	  contract  tests/contract: what every store must do, in the same three
	  system    tests/system: real processes behind a real nginx
	  fuzz      tests/fuzz, a short slice for each target
	  lint      tests/lint: layering, globals, format, manuals, scripts
	  bench     tests/bench/run.sh: measurements; only when asked for
	            (with php8.2-fpm, php8.2-redis and redis-server, where they
	            are installed, beside Redis, too)

	NAME is a test, or the beginning of one: 10 or 10-recycle.

	options:
	  --trials N     run the random tests N times as long as their short
	                 slice; a test's head says what one trial is
	  --seed N       the seed of random tests (each prints the one it used)
	  --timeout S    end a test after S seconds (120, times --trials)
	  --no-install   do not install packages
	  --no-build     use what is built already
	  --list         print the tests and run none

	Builds are in build/test, build/asan, build/tsan, build/fuzz and
	build/failpoints; what a test wrote is in build/test/logs. Works as root
	or as any user.
	HELP
}

install=1 build=1 list=0 trials=1 limit=120
part='' names=()
while [ $# -gt 0 ]; do
	case $1 in
	-h | --help)
		usage
		exit 0
		;;
	--trials | --seed | --timeout)
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

# one NAME COMMAND…: run it, with a limit on its time; one line, and one count.
one() {
	local name=$1 log=$LOGS/${1//\//.}.log start=$SECONDS status=0
	shift
	wanted "${name#*/}" || return 0
	matched=$((matched + 1))
	if [ $list = 1 ]; then
		echo "$name"
		return
	fi
	# Its own session: what it leaves behind cannot reach our terminal.
	timeout -k 15 "$limit" "$@" >"$log" 2>&1 </dev/null || status=$?
	# 77 without a reason is no skip: other programs use that number too.
	[ $status != 77 ] || tail -n 1 "$log" | grep -q '^skip: .' || status=1
	case $status in
	0)
		passed=$((passed + 1))
		printf 'ok   %s (%d s)\n' "$name" $((SECONDS - start))
		;;
	77)
		skip "$name" "$(sed -n '$s/^skip: //p' "$log")"
		;;
	*)
		failed=$((failed + 1))
		[ $status != 124 ] || echo "ended after $limit s" >>"$log"
		printf 'FAIL %s (%d s), exit code %d:\n' \
			"$name" $((SECONDS - start)) $status
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
	if [ ${#names[@]} -gt 0 ] && [ $matched = 0 ]; then
		echo "run.sh: no test of that name in $part; try --list" >&2
		exit 64
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

# programs FOLDER: its cmocka programs.
programs() {
	variable "$1" check_PROGRAMS
}

# bench_programs: those that this tree knows how to build.
bench_programs() {
	local known program
	known=" $(variable test EXTRA_PROGRAMS) "
	for program in $BENCH_PROGRAMS; do
		[[ $known != *" $program "* ]] || echo "$program"
	done
}

build_test() {
	[ $build = 1 ] || return 0
	configured test && made test all || return
	# shellcheck disable=SC2046
	made test $(bench_programs)
}

# --- the parts -------------------------------------------------------------------

# run_cmocka PART: its programs, in three builds.
run_cmocka() {
	local part=$1 flavour program all
	for flavour in test asan tsan; do
		if [ $build = 1 ]; then
			case $flavour in
			test) configured test ;;
			# A sanitizer makes gcc warn of what cannot be.
			asan) configured asan --disable-werror \
				--enable-sanitizer=address,undefined ;;
			tsan) configured tsan --disable-werror \
				--enable-sanitizer=thread ;;
			esac || continue
		fi
		all=$(programs $flavour | tr ' ' '\n')
		case $part in
		contract) all=$(grep '_contract$' <<<"$all" | xargs) ;;
		*) all=$(grep -v '_contract$' <<<"$all" | xargs) ;;
		esac
		if [ $flavour = tsan ]; then
			all=$(tr ' ' '\n' <<<"$all" |
				grep -E '^test_(lib|store)' | xargs)
		fi
		if [ -z "$all" ]; then
			skip "$part/$flavour" 'no test of that kind yet'
			continue
		fi
		# shellcheck disable=SC2086
		[ $build = 0 ] || made $flavour $all || continue
		for program in $all; do
			one "$part/$program-$flavour" env \
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

# build_failpoints: a second outlastd, for the tests that make it fail.
build_failpoints() {
	[ $build = 1 ] && [ $list = 0 ] || return 0
	configured failpoints --enable-failpoints &&
		made failpoints src/outlastd/outlastd
}

run_system() {
	local script name
	# Most checks need no build; those that do say that there is none.
	build_test
	build_failpoints
	for script in tests/system/[0-9]*.sh; do
		script=${script##*/}
		one "system/${script%.sh}" env BUILD="$TEST" \
			bash "tests/system/$script"
	done
}

run_fuzz() {
	local target all
	if [ $build = 1 ]; then
		# clang only here: the warnings that count are those of gcc.
		configured fuzz --disable-werror CC=clang \
			CFLAGS='-g -O1 -fsanitize=fuzzer-no-link' \
			--enable-fuzzers --enable-sanitizer=address,undefined ||
			return
	fi
	all=$(variable fuzz 'noinst_PROGRAMS) $(EXTRA_PROGRAMS' | tr ' ' '\n' |
		grep '^fuzz_' | sort -u | xargs)
	if [ -z "$all" ]; then
		skip fuzz 'no fuzz target yet'
		return
	fi
	# shellcheck disable=SC2086
	[ $build = 0 ] || made fuzz $all || return
	for target in $all; do
		mkdir -p "build/fuzz/corpus/$target" \
			"tests/fuzz/corpus/${target#fuzz_}"
		one "fuzz/${target#fuzz_}" "build/fuzz/$target" \
			-max_total_time=$((10 * (trials > 1 ? trials : 1))) \
			-max_len=8192 -print_final_stats=1 -error_exitcode=1 \
			-artifact_prefix="$LOGS/$target-" \
			"build/fuzz/corpus/$target" \
			"tests/fuzz/corpus/${target#fuzz_}"
	done
}

run_lint() {
	local script name
	# Most checks need no build; those that do say that there is none.
	build_test
	for script in tests/lint/check_*.sh; do
		script=${script##*/}
		name=${script#check_}
		one "lint/${name%.sh}" env BUILD="$TEST" \
			bash "tests/lint/$script"
	done
}

[ $install = 0 ] || [ $list = 1 ] || install_packages
mkdir -p "$LOGS" || exit 1
if [ "$part" = bench ]; then
	build_test || finish
	BUILD=$TEST exec bash tests/bench/run.sh "${names[@]}"
fi
for which in ${part:-$PARTS}; do
	"run_$which"
done
finish

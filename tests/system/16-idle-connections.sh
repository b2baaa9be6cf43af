#!/bin/bash
# 5000 idle kept connections cost no request thread: with 4 threads every new
# request is still answered. Control: plain libfcgi with 128 threads, which keeps
# others waiting behind 200 of them, and cannot hold these either.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

ulimit -n "$(ulimit -Hn)"
[ "$(ulimit -n)" -ge 5200 ] || skip "descriptors: $(ulimit -n), 5200 are needed"
start_plain "$T/plain.sock" --threads 128
load --idle 200 --connections 8 --seconds 1 --timeout 1500 "unix:$T/plain.sock" /x
[ "$(field timeout)" -gt 0 ] || fail 'the control did not fall'
[ "$(field idle_open)" -lt 200 ] || fail 'the control held 200 connections'

start_app "$T/app.sock" --threads 4
load --idle 5000 --connections 32 --seconds 3 --post 50 "unix:$T/app.sock" /x
expect 'idle connections still open' "$(field idle_open)" 5000
expect 'lost requests' "$(lost)" 0
say "VmRSS of the application: $(awk '/VmRSS/ { print $2 }' "/proc/$app/status") KiB"

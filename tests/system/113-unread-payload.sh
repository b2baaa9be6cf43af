#!/bin/bash
# A payload of 100 MiB that the program does not read: neither one that ends at
# once nor one that works without it waits for that or fails, and the engine
# does not hold it in memory. Control: one that reads it gets every byte.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
# shellcheck source=../lib/roles.sh
. "$(dirname "$0")/../lib/roles.sh"

size=$((100 << 20))
script works <<-'EOS'
	#!/bin/sh
	until [ -e "$OUT/go" ]; do sleep 0.02; done
	printf done
EOS
script closes <<-'EOS'
	#!/bin/sh
	exec 0<&-
	until [ -e "$OUT/go" ]; do sleep 0.02; done
	printf done
EOS
script reads <<-'EOS'
	#!/bin/sh
	printf %s "$(wc -c)"
EOS
# give NAME: submit that much to it; the id in $id.
give() {
	local reply
	reply=$(python3 "$LIB/fcgi.py" "$sock" "/tasks/$1" --method POST \
		--body $size --timeout 60 --param OUTLAST_ACCESS=operator)
	[ "${reply:0:3}" = 202 ] || fail "the submit was answered $reply"
	id=$(grep -o '"id":"[^"]*"' <<<"$reply" | head -1 | cut -d'"' -f4)
}
has_result() {
	[ "$(ask "/$1/result" | tail -1)" = "$2" ]
}
# peak: the most memory that the engine had, in KiB.
peak() {
	awk '/^VmHWM/ { print $2 }' "/proc/$(role engine)/status"
}
more='max_payload 200m; retries 0;'
write_roles "$(listen "$sock")" "$(task ends /bin/true "$more")" \
	"$(task works "$T/works" "$more")" \
	"$(task closes "$T/closes" "$more")" \
	"$(task reads "$T/reads" "$more")"
start_outlastd
wait_for 5 is_ready
before=$(peak)
give ends
wait_for 10 has_state "$id" succeeded
for name in works closes; do
	give $name
	wait_for 5 has_state "$id" running
	is_ready || fail "$name: the engine does not answer"
	touch "$out/go"
	wait_for 10 has_state "$id" succeeded
	has_result "$id" done || fail "$name: $(ask "/$id/result")"
	rm "$out/go"
done
give reads
wait_for 20 has_state "$id" succeeded
has_result "$id" $size || fail "the control: $(ask "/$id/result")"
say "the engine's peak: $before KiB, then $(peak) KiB"
[ $(($(peak) - before)) -lt 32768 ] || fail 'the engine holds it in memory'
stop "$outlastd"
expect 'exit status' "$exited" 0

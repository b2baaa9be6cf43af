#!/bin/bash
# The map and the front door agree with the tree: each folder of src/ stands in
# src/README.md and the other way round, and README.md names both commands.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

[ -s src/README.md ] || complain 'there is no src/README.md'
found=$(sources src -- '*' | sed -nE 's,^src/([^/]+)/.*,\1,p' | sort -u)
for folder in $found; do
	grep -q -E "(^|[^a-z])$folder/" src/README.md ||
		complain "src/README.md: nothing about $folder/"
done
# A line of the map begins with the folder's name.
for place in $(sed -nE 's|^[^a-zA-Z]{0,8}([a-z]+)/[` ].*|\1|p' src/README.md); do
	[ -d "src/$place" ] ||
		complain "src/README.md: there is no src/$place/"
done
for command in examples/quickstart.sh tests/run.sh; do
	grep -q -F "$command" README.md ||
		complain "README.md: does not name $command"
	[ -x $command ] || complain "$command: not there, or not executable"
done
verdict

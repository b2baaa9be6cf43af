#!/bin/bash
# Who judges the judge: tests/lib/oracle.py, on which the tests from 80 on
# stand, sees each kind of fault and nothing else.
# shellcheck source=../lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
timeout 60 python3 "$LIB/test_oracle.py" || fail 'the oracle is blind'

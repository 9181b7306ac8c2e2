# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A guest without devices boots, answers, passes exit codes and files, and shuts down.
# timeout: 90

guest_create a
assert_equal "$(guest_run a 'echo hello; uname -r')" "hello"$'\n'"$(guest_kernel "$kernel")" "what the guest said"
code=0
guest_run a 'exit 7' || code=$?
assert_equal "$code" 7 "exit code"

head -c 3000 /dev/urandom >"$WORK/there"
guest_push a "$WORK/there" /tmp/file
guest_pull a /tmp/file "$WORK/back"
assert cmp "$WORK/there" "$WORK/back"

guest_shutdown a

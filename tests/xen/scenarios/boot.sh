# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A guest boots, answers and goes.
# timeout: 120

guest_create a
assert_equal "$(guest_run a 'echo hello; uname -r')" "hello
$(guest_kernel)" "guest output"
guest_run a 'exit 7' && fail "exit code lost" || assert_equal $? 7 "exit code"
guest_shutdown a

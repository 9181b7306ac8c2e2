# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Claims. A false one ends the scenario and gives the reason that its verdict shows.

fail() { echo "$*" >"$DIR/reason"; echo "FAIL: $*"; trap - ERR; exit 1; }
skip() { echo "$*" >"$DIR/reason"; trap - ERR; exit 77; }

# what `set -e` stopped at, for a command that failed outside any claim
failed_command() {
	local rc=$?
	[[ -s $DIR/reason ]] || echo "line ${BASH_LINENO[0]} of ${BASH_SOURCE[1]##*/}: '$BASH_COMMAND' gave $rc" >"$DIR/reason"
}

assert() { "$@" || fail "not true: $*"; }
assert_fails() { ! "$@" || fail "should have failed: $*"; }
assert_equal() { [[ $1 == "$2" ]] || fail "${3:-value}: expected '$2', got '$1'"; }
assert_match() { [[ $1 =~ $2 ]] || fail "${3:-value}: '$1' does not match '$2'"; }

# what no kernel log may hold
TROUBLE='BUG:|BUG at|WARNING:|Oops|general protection|Call Trace|Kernel panic|blocked for more than|soft lockup|stall'
# expect_in_log REGEX: except for what a scenario provokes. A line begins with where it is from: "dom0: ", or "a/2: " when guest a
# has come up twice, so that of one boot just what belongs there can be expected.
expect_in_log() { echo "$1" >"$DIR/expected"; }

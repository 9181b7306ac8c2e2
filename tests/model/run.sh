#!/bin/bash
# SPDX-License-Identifier: MIT
# Checks every model in all its states, and that each of its mutants is caught. One verdict line each.

cd "$(dirname "$0")" || exit 1
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
failed=0

verdict() { echo "$1"; [[ $1 = ok* ]] || failed=1; }

# explore MODEL [DEFINES...]: 0 no error in any state, 1 an error, 2 it was not looked at whole
explore() {
	local model defines out
	read -r model defines <<<"$1"
	shift
	cp "$model.pml" "$WORK/"
	# shellcheck disable=SC2086
	(cd "$WORK" && spin $defines "$@" -a "$model.pml" >spin.log 2>&1 &&
		cc -O2 -w -DCOLLAPSE -o pan pan.c 2>cc.log && ./pan -m1000000 >pan.log 2>&1) || return 2
	out=$(<"$WORK/pan.log")
	[[ $out = *"max search depth too small"* || $out = *"out of memory"* ]] && return 2
	[[ $out = *"errors: 0"* ]]
}

# The tables, as the tree has them.
tables() {
	cc -std=c11 -I../../ring -o "$WORK/tables" tables.c ../../ring/xenbus.c && "$WORK/tables" >"$WORK/tables.pml"
}

# model NAME MUTANT...
model() {
	local name=$1 mutant
	shift
	explore "$name"
	case $? in
	0) verdict "ok model-$name ($(grep -o '[0-9]* states, stored' "$WORK/pan.log"))" ;;
	1) verdict "not ok model-$name: $(grep -m1 '^pan:' "$WORK/pan.log")" ;;
	*) verdict "not ok model-$name: not explored: $(cat "$WORK"/*.log | tail -n 3 | tr '\n' ' ')" ;;
	esac
	for mutant; do
		explore "$name" "-D$mutant"
		case $? in
		1) verdict "ok model-$name-$mutant is caught: $(grep -m1 '^pan:1' "$WORK/pan.log" | cut -c1-60)" ;;
		*) verdict "not ok model-$name-$mutant: not caught" ;;
		esac
	done
}

tables || exit 1
model handshake EDGE BLIND_WRITE LATE_UNMAP STICKY
model "handshake -DNET"
model ring NO_FINAL_CHECK NO_PUSH_BARRIER NO_CHECK_BARRIER NARROW_NOTIFY
exit $failed

#!/bin/bash
# SPDX-License-Identifier: MIT
# mutants.sh [NAME...]: can the tests fail? Each patch of tests/hostile/mutants takes a defence away, and its head names
# who has to notice:
#	Fails: fuzz blk		the fuzz target, by its corpus or in MUTANT_SECONDS (60) of new inputs
#	Fails: unit vbd_bad	the Check suite
#	Fails: sim 20		the simulation, one of so many seeds
#	Fails: lab bad-backend	the scenario of the lab, for defences of our frontends; minutes each
# Several such lines: each of them has to.
# All of it happens in a copy of the tree, build/mutants. One verdict line a patch:
#	ok mutant-NAME (fuzz blk) | not ok mutant-NAME: why

cd "$(dirname "$0")/.." || exit 1
TREE=$PWD PATCHES=$PWD/tests/hostile/mutants COPY=$PWD/build/mutants
names=("$@")
((${#names[@]})) || for p in "$PATCHES"/*.patch; do names+=("$(basename "$p" .patch)"); done

# Only what differs: an object is made anew when its source is newer.
git ls-files --cached --others --exclude-standard | while read -r f; do
	[[ ! -f $f ]] || cmp -s "$f" "$COPY/$f" || { mkdir -p "$COPY/$(dirname "$f")" && cp "$f" "$COPY/$f"; }
done
cd "$COPY" || exit 1
# What is gone from the tree goes from the copy, too.
find . -path ./build -prune -o -type f -print | while read -r f; do [[ -f $TREE/$f ]] || rm "$f"; done

build() {
	case $1 in
	fuzz) make -s fuzz-tree FUZZ="$2" ;;
	unit) make -s -j"$(nproc)" all build/unit ;;
	sim) make -s -j"$(nproc)" build/sim ;;
	lab) make -s -j"$(nproc)" lab-tree ;;
	*) echo "expected 'fuzz TARGET', 'unit SUITE', 'sim SEEDS' or 'lab SCENARIO'" >&2; return 1 ;;
	esac
}

passes() {
	case $1 in
	fuzz)
		rm -rf "build/fuzz/corpus/$2"
		tests/fuzz/run.sh "${MUTANT_SECONDS:-60}" "$2"
		;;
	unit) XPV_WORKER=build/xpv-worker XPV_XPVD=build/xpvd XPV_TOOL=build/xpv build/unit "$2" ;;
	sim) seq "$2" | xargs build/sim ;;
	lab) make -s lab S="$2" ;;
	esac
}

# Applied, built and tried; then taken back, which makes its objects stale.
try() {
	local patch=$PATCHES/$1.patch kind what log=$COPY/build/$1.log
	mkdir -p build
	if ! patch -s -p1 <"$patch" >"$log" 2>&1; then
		echo "not ok mutant-$1: does not apply, see $log"
		return 1
	fi
	while read -r _ kind what; do
		if ! build "$kind" "$what" >>"$log" 2>&1 </dev/null; then
			echo "not ok mutant-$1: does not compile, see $log"
		elif passes "$kind" "$what" >>"$log" 2>&1 </dev/null; then
			echo "not ok mutant-$1: $kind $what does not notice"
		else
			echo "ok mutant-$1 ($kind $what)"
		fi
	done < <(grep '^Fails: ' "$patch")
	patch -s -R -p1 <"$patch" >>"$log" 2>&1
}

for name in "${names[@]}"; do try "$name"; done | tee verdicts
! grep -q '^not ok' verdicts

#!/bin/bash
# SPDX-License-Identifier: MIT
# Every test of the project, one verdict line each, and the counts at the end:
#	ok NAME | not ok NAME: reason | skip NAME: reason
# Parts may be named (check.sh build unit); all of them but deb, which takes minutes, is the default. Logs stay in
# build/check/.

cd "$(dirname "$0")/.." || exit 1
LOGS=build/check
VERDICTS=$LOGS/verdicts
JOBS=$(nproc)

verdict() { echo "$*" | tee -a "$VERDICTS"; }

# step NAME COMMAND...: one test that passes when the command does
step() {
	local name=$1 began=$SECONDS
	shift
	if "$@" >"$LOGS/$name.log" 2>&1; then
		verdict "ok $name ($((SECONDS - began)) s)"
	else
		tail -n 30 "$LOGS/$name.log" >&2
		verdict "not ok $name: see $LOGS/$name.log"
		return 1
	fi
}

# tests NAME COMMAND...: many tests; the command prints verdict lines
tests() {
	local name=$1 rc
	shift
	"$@" 2>"$LOGS/$name.err" | tee "$LOGS/$name.log" | grep --line-buffered -E '^(ok|not ok|skip) ' | tee -a "$VERDICTS"
	rc=${PIPESTATUS[0]}
	if ((rc)) && ! grep -q '^not ok ' "$LOGS/$name.log"; then
		tail -n 30 "$LOGS/$name.err" >&2
		verdict "not ok $name: ended with $rc, see $LOGS/$name.err"
	fi
}

# unit TREE [SUITE...]: every Check test of a build tree, or of these suites, named TREE/suite:test; as many suites at
# once as there are cores.
unit() {
	local tree=$1 suites=("${@:2}")
	((${#suites[@]})) || mapfile -t suites < <("$tree/unit" --list)
	export -f unit_suite
	export LOGS
	printf '%s\n' "${suites[@]}" | xargs -P "$JOBS" -I{} bash -c 'unit_suite "$@"' unit_suite "$tree" {}
}

# unit_suite TREE SUITE: Check's TAP has one line a test; loop tests repeat their name
unit_suite() {
	local tree=$1 tap=$LOGS/unit-${1//\//-}-$2.tap rc verdicts
	rm -f "$tap"
	CK_TAP_LOG_FILE_NAME=$tap XPV_WORKER="$tree/xpv-worker" XPV_XPVD="$tree/xpvd" XPV_TOOL="$tree/xpv" \
		timeout 600 "$tree/unit" "$2" >"${tap%.tap}.log" 2>&1
	rc=$?
	verdicts=$(sed -nE "s|^ok [0-9]+ - (.*): Passed\$|ok $tree \1|p; s|^not ok [0-9]+ - (.*)|not ok $tree \1|p" "$tap")
	((!rc)) || { tail -n 30 "${tap%.tap}.log" >&2; grep -q '^not ok' <<<"$verdicts" || verdicts+="
not ok $tree $2: ended with $rc, see ${tap%.tap}.log"; }
	flock "$LOGS" cat <<<"$verdicts"
	return $rc
}

part_build() {
	step build-gcc make -j"$JOBS" all build/unit build/sim build/bench
	step symbols symbols
	step build-clang make -j"$JOBS" B=build/clang CC=clang all build/clang/unit build/clang/sim build/clang/bench
	step build-asan make -j"$JOBS" B=build/asan SAN=address,undefined CFLAGS='-O1 -g' all build/asan/unit build/asan/sim
	step asan-is-on sanitized build/asan/xpv-worker __asan_report
	step build-tsan make -j"$JOBS" B=build/tsan SAN=thread CFLAGS='-O1 -g' all build/tsan/unit
	step tsan-is-on sanitized build/tsan/xpv-worker __tsan_read
}

# A build that lost its sanitizer's flags would pass every test.
sanitized() { nm "$1" | grep -q " U $2\| [Tt] $2"; }

# A function of ours with the name of a library's takes its place without a word from the linker.
symbols() {
	local program hidden
	for program in build/xpvd build/xpv-worker build/xpv; do
		hidden=$(comm -12 <(nm -g --defined-only "$program" | awk '$2 ~ /[TDBR]/ { print $3 }' | sort -u) \
			<(ldd "$program" | awk '$3 ~ /\/lib(xen|uring|systemd|jansson|seccomp)/ { print $3 }' |
				xargs -n 1 nm -D --defined-only | awk '{ sub("@.*", "", $3); print $3 }' | grep -v '^_' | sort -u))
		[[ -z $hidden ]] || { echo "$program hides library functions: $hidden"; return 1; }
	done
}

part_modules() {
	local kernel
	for kernel in $(tests/kernels.sh all); do
		step "modules-$kernel" no_warnings make -j"$JOBS" modules KVER="$kernel"
		step "sparse-$kernel" no_warnings make -j"$JOBS" modules KVER="$kernel" C=2
	done
}

# W=1 and sparse speak in warnings, which make does not count as failure
no_warnings() {
	local out
	out=$("$@" 2>&1) || { echo "$out"; return 1; }
	echo "$out"
	! grep -E '(warning|error):' <<<"$out"
}

part_unit() {
	[[ -x build/unit && -x build/asan/unit && -x build/tsan/unit ]] ||
		{ verdict "not ok unit: not built: run 'tests/check.sh build unit'"; return; }
	tests unit unit build
	tests unit-asan unit build/asan
	tests unit-tsan unit build/tsan "${TSAN_SUITES[@]}"
	# Where no systemd can be booted (no control groups, no overlay) that is said, and no test has failed.
	if tests/systemd.sh true; then
		step systemd-scopes tests/systemd.sh env XPV_SCOPES=1 build/unit scope
	else
		verdict "skip systemd-scopes: no systemd can be booted here, as systemd.sh says"
	fi
}
# what runs threads or processes over shared memory
TSAN_SUITES=(ring storage)

# All seeds, the first of them again with sanitizers: a seed always runs the same way.
part_sim() {
	step sim simulate build/sim || return
	step sim-asan simulate build/asan/sim 1 2 3 4 5
	step sim-same cmp <(head -n 10 "$LOGS/build-sim.out") "$LOGS/build-asan-sim.out"
}
simulate() {
	local out
	out=$LOGS/$(tr / - <<<"$1").out
	timeout 600 "$@" >"$out"
}

# What is kept of the fuzzer's inputs, and a few seconds of new ones.
part_fuzz() {
	step build-fuzz make -s -j"$JOBS" fuzz-tree || return
	tests fuzz tests/fuzz/run.sh 10
}

part_lint() { tests lint tests/lint.sh; }

part_model() {
	tests model tests/model/run.sh
	tests proof tests/model/prove.sh
}

part_deb() { tests deb tests/deb.sh; }

part_bench() { step bench bench_smoke; }
# not how fast, but that every case runs and the file can be read; and that what is counted is: a page is a copy
bench_smoke() {
	timeout 900 build/bench --quick --json "$LOGS/bench.json" &&
		jq -e 'length > 0 and all(.[]; .name != "" and .unit != "" and
			(.ours.value > 0 or (.ours.value == 0 and (.name | test("wake-ups")))))' "$LOGS/bench.json" &&
		build/bench --setting persistent=0,size=32768 --requests 500 | grep -w 'copies=8.00' &&
		build/bench --setting persistent=1,size=32768 --requests 500 | grep -w 'copies=0.00'
}

# See tests/xen/suites. A machine of the lab keeps one core and 4 GiB busy.
part_lab() {
	local free
	free=$(awk '/MemAvailable/ { print int($2 / 4194304) }' /proc/meminfo)
	step lab-tree make lab-tree LAB_KERNELS=all || return
	XPV_GUEST_KERNELS="$(tests/kernels.sh all | tr '\n' ' ')" \
		tests lab tests/xen/lab run --jobs $((JOBS < free ? JOBS : free)) --overlay build/dom0 --guest-overlay build/guest \
		:check
}

parts=("$@")
((${#parts[@]})) || parts=(build modules lint model unit sim fuzz bench lab)
for part in "${parts[@]}"; do
	declare -F "part_$part" >/dev/null || {
		echo "check.sh: no part '$part': expected$(declare -F | sed -n 's/^declare -f part_/ /p' | tr -d '\n')" >&2
		exit 2
	}
done
tests/needs.sh check || exit 1
mkdir -p "$LOGS"
: >"$VERDICTS"
began=$SECONDS
for part in "${parts[@]}"; do "part_$part"; done

passed=$(grep -c '^ok ' "$VERDICTS")
failed=$(grep -c '^not ok ' "$VERDICTS")
skipped=$(grep -c '^skip ' "$VERDICTS")
grep '^not ok ' "$VERDICTS" | sed 's/^/  /'
echo "check took $(((SECONDS - began) / 60)) min $(((SECONDS - began) % 60)) s"
echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0 && passed > 0))

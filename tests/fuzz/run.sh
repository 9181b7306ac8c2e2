#!/bin/bash
# SPDX-License-Identifier: MIT
# run.sh SECONDS [TARGET...]: replay what is kept of each target's inputs, then fuzz it for so long (0: not at all); as many targets at
# once as there are cores. One verdict line each:
#	ok fuzz-blk (N runs, M edges) | not ok fuzz-blk: what failed; how to see it again
# New inputs stay in build/fuzz/corpus/TARGET; `merge.sh` takes the best of them into the tree.

cd "$(dirname "$0")/../.." || exit 1
export TREE=build/fuzz SECONDS_EACH=${1:?seconds}
# Memory that was freed is kept away from use for a while, but not all that much.
export ASAN_OPTIONS=quarantine_size_mb=32:detect_leaks=1
targets=("${@:2}")
((${#targets[@]})) || for f in tests/fuzz/*.c; do targets+=("$(basename "$f" .c)"); done

fuzz() {
	local target=$1 log=$TREE/$1.log input runs edges why where
	local limit=-max_total_time=$SECONDS_EACH
	((SECONDS_EACH)) || limit=-runs=0
	mkdir -p "$TREE/corpus/$target" "tests/fuzz/corpus/$target"
	rm -f "$TREE/$target"-{crash,leak,timeout,oom}-*
	"$TREE/fuzz-$target" "$limit" -timeout=30 -rss_limit_mb=2048 -max_len=1024 -len_control=0 \
		-print_final_stats=1 -artifact_prefix="$TREE/$target-" "$TREE/corpus/$target" "tests/fuzz/corpus/$target" \
		>"$log" 2>&1
	local rc=$?
	runs=$(awk '/^stat::number_of_executed_units/ { print $2 }' "$log")
	edges=$(awk '/ cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") n = $(i + 1) } END { print n + 0 }' "$log")
	if ((!rc && edges)); then
		echo "ok fuzz-$target ($runs runs, $edges edges)"
		return
	fi
	why=$(grep -m 1 -E 'does not hold|runtime error|^SUMMARY|ERROR: ' "$log")
	input=$(ls "$TREE/$target"-{crash,leak,timeout,oom}-* 2>/dev/null)
	where=$(sed -nE 's#.* in ([^ ]+) .*/((backend|ring|tests|frontend)/.*)#\1 \2#p' "$log" | head -n 6 | paste -sd ,)
	# The input itself as well: of a machine that is gone tomorrow, this line is all that is left.
	echo "not ok fuzz-$target: ${why:-ended with $rc, see $log}${where:+ ($where)}; again: $TREE/fuzz-$target $input" \
		"${input:+(base64: $(base64 -w 0 "$input"))}"
	return 1
}
export -f fuzz
printf '%s\n' "${targets[@]}" | xargs -P "$(nproc)" -I{} bash -c 'fuzz {}'

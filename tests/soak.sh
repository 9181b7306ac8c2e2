#!/bin/bash
# SPDX-License-Identifier: MIT
# soak.sh SECONDS [PART...]: all that chance has a part in, each with its share of so many seconds and with seeds of its
# own, and what was counted meanwhile. One verdict line a part, then a table of them all:
#	ok PART: 0 failures in N ... | not ok PART: N failures in ...; how to see one again | skip PART: reason
# A part that has begun a run finishes it, so that all of it takes a bit longer. Logs, those of failures by their seeds, and
# the table stay in build/soak/.

cd "$(dirname "$0")/.." || exit 1
LOGS=build/soak
JOBS=$(nproc)
# What each gets of a hundred seconds, if all take part. Those that are not fuzz or sim are suites of build/unit.
declare -A SHARE=([fuzz]=30 [sim]=20 [vbd_kill]=12 [vif_kill]=8 [supervisor_faults]=8 [net_soak]=8 [switch]=3 [switch_bad]=2
	[powercut]=2 [vbd_flip]=2 [vif_flip]=2 [many_guests]=2
	[hostile_tenth]=1)
ORDER=(fuzz sim vbd_kill vif_kill supervisor_faults net_soak switch switch_bad powercut vbd_flip vif_flip many_guests
	hostile_tenth)

# verdict PART FAILURES "N WHAT, N WHAT" [HOW]: an empty count is a part that could not run
verdict() {
	local failures="$2 failures"
	(($2 != 1)) || failures="1 failure"
	if (($2)); then
		echo "not ok $1: $failures in ${3:-nothing that came to an end}; $4"
	elif [[ -z $3 ]]; then
		echo "skip $1: nothing was counted, see $LOGS/$1.log"
		return
	else
		echo "ok $1: $failures in $3"
	fi
	echo "| $1 | $failures | $3 |" >>"$LOGS/table.md"
}

# Lines of "N WHAT", summed by what: "N WHAT, N WHAT"
sums() {
	awk '{ n = $1; sub(/^[0-9]+ /, ""); if (!($0 in sum)) order[++kinds] = $0; sum[$0] += n }
		END { for (i = 1; i <= kinds; i++) printf "%s%d %s", (i > 1 ? ", " : ""), sum[order[i]], order[i] }'
}

fresh_seed() { echo $((1 + (RANDOM << 15 | RANDOM))); }

# suite NAME SECONDS: runs of a suite of Check's, each with another seed
suite() {
	local name=$1 end=$((SECONDS + $2)) log=$LOGS/$1.log counts=$LOGS/$1.counts failures=0 runs=0 seed how
	: >"$counts"
	while ((!runs++ || SECONDS < end)); do
		seed=$(fresh_seed)
		XPV_SEED=$seed XPV_GUESTS=${XPV_GUESTS:-100} XPV_WORKER=build/xpv-worker XPV_XPVD=build/xpvd XPV_TOOL=build/xpv \
			timeout 900 build/unit "$name" >"$log" 2>&1 || {
			((failures++))
			cp "$log" "$LOGS/$name-$seed.log"
			how="again: XPV_SEED=$seed build/unit $name (see $LOGS/$name-$seed.log)"
		}
		sed -n 's/^soak: //p' "$log" >>"$counts"
	done
	verdict "$name" "$failures" "$(sums <"$counts")" "$how"
}

# one_sim SEED: whatever its end, one that is not good leaves its seed
one_sim() { timeout 300 build/sim "$1" >>"$LOGS/sim.out" 2>>"$LOGS/sim.log" || echo "$1" >>"$LOGS/sim.failed"; }

sim() {
	local end=$((SECONDS + $1)) seed failed
	touch "$LOGS/sim.out" "$LOGS/sim.failed"
	export -f one_sim
	export LOGS
	while ((SECONDS < end)); do
		seed=$(fresh_seed)
		seq "$seed" $((seed + 40 * JOBS - 1)) | xargs -P "$JOBS" -n 1 bash -c 'one_sim "$@"' one_sim 2>>"$LOGS/sim.log"
	done
	mapfile -t failed <"$LOGS/sim.failed"
	# "seed S: N steps, N requests, ...; digest D"
	verdict sim ${#failed[@]} "$({ sed -E 's/^[^:]*: (.*);.*/\1/' "$LOGS/sim.out" | tr ',' '\n' | sed 's/^ //'; } | sums)" \
		"again: build/sim ${failed[0]:-}"
}

# fuzz SECONDS: as many targets at once as there are cores
fuzz() {
	local targets=(tests/fuzz/*.c) line name
	tests/fuzz/run.sh $((1 + $1 * JOBS / ${#targets[@]})) >"$LOGS/fuzz.log" 2>&1
	while read -r line; do
		name=${line#*fuzz-} name=fuzz-${name%%[ :]*}
		if [[ $line = "ok "* ]]; then
			line=${line#*(}
			verdict "$name" 0 "${line%)}"
		else
			verdict "$name" 1 "" "${line#*: }"
		fi
	done < <(grep -E '^(not )?ok ' "$LOGS/fuzz.log")
}

total=${1:?seconds}
parts=("${@:2}")
((${#parts[@]})) || parts=("${ORDER[@]}")
shares=0
for part in "${parts[@]}"; do
	[[ -v SHARE[$part] ]] || { echo "soak.sh: no part '$part': expected ${ORDER[*]}" >&2; exit 2; }
	((shares += SHARE[$part]))
done
rm -rf "$LOGS"
mkdir -p "$LOGS"
began=$SECONDS
for part in "${parts[@]}"; do
	seconds=$((total * SHARE[$part] / shares))
	case $part in
	fuzz | sim) "$part" "$seconds" ;;
	*) suite "$part" "$seconds" ;;
	esac
done | tee "$LOGS/verdicts"
printf '\n| what | failures | in |\n|---|---|---|\n'
cat "$LOGS/table.md"
printf '\nsoak took %d min %d s\n' $(((SECONDS - began) / 60)) $(((SECONDS - began) % 60))
! grep -q '^not ok ' "$LOGS/verdicts"

#!/bin/bash
# SPDX-License-Identifier: MIT
# What the settings of a disk cost, each beside the defaults: settings.sh [--counts]
#
# For each row, per request of the guest: instructions of the worker; turns of its loop, a system call or two each;
# requests on the ring; events to the guest; pages copied by the hypervisor. And processor time of both ends as a ratio to
# the first row's: the median of rounds that alternate, least and most. The counts but for instructions are the same on any
# machine; of the times believe what lies far apart. --counts: without them.

set -euo pipefail
cd "$(dirname "$0")/../.."
bench=build/bench rounds=7
[[ ${1:-} != --counts ]] || rounds=0

# figure KEY WORDS: of a line of the benchmark
figure() { sed -E "s/(^|.* )$1=([^ ]*).*/\2/" <<<"$2"; }
run() { $bench --setting "$1" --requests "$2" 2>/dev/null; }

collected() { # SETTING REQUESTS
	valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect=serve_load \
		$bench --setting "$1" --requests "$2" 2>&1 >/dev/null | awk '/Collected/ { print $4 }'
}
# of two runs the difference, without what a run costs by itself
instructions() { # SETTING REQUESTS
	echo $((($(collected "$1" $((3 * $2))) - $(collected "$1" "$2")) / (2 * $2)))
}
# ratio SETTING DEFAULT REQUESTS: time, the default's first
ratio() {
	local i
	for ((i = 0; i < rounds; i++)); do
		echo "$(figure ns "$(run "$2" "$3")") $(figure ns "$(run "$1" "$3")")"
	done | awk '{ print $2 / $1 }' | sort -g | awk '{ r[NR] = $1 } END { if (NR) printf "%.2f (%.2f-%.2f)", r[int((NR + 1) / 2)], r[1], r[NR] }'
}
row() { # DEFAULT SETTING REQUESTS
	local words
	words=$(run "$2" $((4 * $3)))
	printf '%-44s %12s %8s %8s %8s %8s  %s\n' "$2" "$(instructions "$2" "$3")" "$(figure turns "$words")" \
		"$(figure ring "$words")" "$(figure events "$words")" "$(figure copies "$words")" \
		"$([[ $1 = "$2" ]] || ratio "$2" "$1" $((4 * $3)))"
}
# group REQUESTS DEFAULT SETTING...
group() {
	local requests=$1 default=$2 setting
	printf '\n%-44s %12s %8s %8s %8s %8s  %s\n' "settings (the first: default), per request" instructions turns ring events copies \
		"$( ((rounds)) && echo 'time, ratio (spread)')"
	shift
	for setting; do row "$default" "$setting" "$requests"; done
}

group 2000 persistent=1,depth=1 persistent=0,depth=1
group 2000 persistent=1 persistent=0
group 500 persistent=1,size=65536 persistent=0,size=65536
for depth in 32 256; do
	group 4000 order=0,depth=$depth order={1,2,3,4},depth=$depth
done
# a queue of the frontend has 1024 pages that stay granted
for much in depth=4,size=1048576 depth=2,size=2097152; do
	group 60 indirect=256,$much indirect={11,32,64,128,512},$much
done
for depth in 32 256; do
	group 4000 queues=1,depth=$depth queues={2,4,8,16},depth=$depth
done

#!/bin/bash
# SPDX-License-Identifier: MIT
# One page and three pictures of build/bench.json, which `make bench` writes: pictures.sh [FILE [DIRECTORY]]
#
#	report.txt	every case, worst against its goal first
#	ratios.svg	ours / peer, with spread and goal
#	latency.svg	p50, p99 and p99.9 of the disks, ours and theirs
#	cpu.svg		processor time a request of whoever serves, ours and theirs

set -euo pipefail
json=${1:-build/bench.json} out=${2:-build/bench-report}
mkdir -p "$out"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

jq -r 'def two: . * 100 | round / 100 | tostring;
	def pad(n): . + " " * ([n - length, 0] | max);
	def against: if .peer then "\(.name) / \(.peer)" else .name end;
	def how: if .peer then "\(.ratio.median | two)x (\(.ratio.low | two)-\(.ratio.high | two))" else "\(.ours.value | two) \(.unit)" end;
	# how far from the goal: less than 1 is missed
	def reach: (if .peer then .ratio.median else .ours.value end) as $is |
		if .goal.is == "at least" then $is / .goal.bound elif $is <= .goal.bound then 1 else .goal.bound / $is end;
	def line: "\(against | pad(62)) \(how | pad(22)) \(.regime | pad(5)) " +
		if .goal then "\(.goal.is) \(.goal.bound | two): \(if .goal.reached then "reached" else "NOT REACHED" end)" else "" end;
	"\(map(select(.goal.reached)) | length) of \(map(select(.goal)) | length) goals reached. Ratios are ours / peer, with their spread over rounds.",
	"", (map(select(.goal)) | sort_by(reach) | .[] | line), "", "Without a goal:", (.[] | select(.goal | not) | line)' "$json" >"$out/report.txt"

# gnuplot reads tables; names are quoted
jq -r '.[] | select(.peer) | ["\(.name) / \(.peer)", .ratio.median, .ratio.low, .ratio.high, (.goal.bound // "?")] | @tsv' "$json" >"$tmp/ratios"
jq -r '.[] | select(.ours.latency_ns) | ["\(.name) / \(.peer // "alone")"] +
	[(.ours, .theirs // {}) | .latency_ns // {} | (.p50, .p99, .["p99.9"]) | if . then . / 1000 else "?" end] | @tsv' "$json" >"$tmp/latency"
jq -r '.[] | select(.ours.cpu_ns) | ["\(.name) / \(.peer // "alone")", .ours.cpu_ns, (.theirs.cpu_ns // "?")] | @tsv' "$json" >"$tmp/cpu"

# picture NAME TITLE PLOT: rows from above downwards, a name each, on a scale of powers
picture() {
	local rows
	rows=$(wc -l <"$tmp/$1")
	((rows)) || return 0
	gnuplot <<-END
		set terminal svg size 1000,$((120 + 24 * rows)) font "sans,11" background "white"
		set output "$out/$1.svg"
		set datafile separator "\t"
		set datafile missing "?"
		set title "$2" noenhanced
		set logscale x
		set yrange [$rows:-1]
		set ytics noenhanced
		set grid x
		set key outside below maxcols 3
		plot $3
	END
}
picture ratios "ours / peer" "'$tmp/ratios' using 2:0:3:4:ytic(1) with xerrorbars pt 7 lc 'blue' title 'ratio and spread', \
	'' using 5:0 with points pt 2 lc 'red' title 'goal'"
picture latency "latency, us" "'$tmp/latency' using 2:0:ytic(1) pt 7 lc 'blue' title 'ours p50', '' using 3:0 pt 5 lc 'blue' title 'p99', \
	'' using 4:0 pt 9 lc 'blue' title 'p99.9', '' using 5:0 pt 6 lc 'red' title 'peer p50', '' using 6:0 pt 4 lc 'red' title 'p99', \
	'' using 7:0 pt 8 lc 'red' title 'p99.9'"
picture cpu "processor time a request, ns" "'$tmp/cpu' using 2:0:ytic(1) pt 7 lc 'blue' title 'ours', '' using 3:0 pt 6 lc 'red' title 'peer'"
cat "$out/report.txt"

#!/bin/bash
# SPDX-License-Identifier: MIT
# A table from build/bench.json, which `make bench` writes: table.sh [FILE]

jq -r 'def short: if . >= 1e6 then "\(. / 1e4 | floor / 100) M" elif . >= 1e4 then "\(. / 1e3 | floor) k" else "\(. * 10 | floor / 10)" end;
	def two: . * 100 | round / 100;
	def us: . / 100 | round / 10;
	"| case | ours | p50, p99, p99.9 us | peer | ratio (spread) | goal | |", "|---|---|---|---|---|---|---|",
	(.[] | "| \(.name) | \(.ours.value | short) \(.unit) | " +
		(.ours.latency_ns | if . then "\(.p50 | us), \(.p99 | us), \(.["p99.9"] | us)" else "" end) + " | " +
		if .peer then "\(.peer), \(.theirs.value | short) | \(.ratio.median | two) (\(.ratio.low | two)-\(.ratio.high | two))" else " | " end + " | " +
		(.goal | if . then "\(.is) \(.bound | two) | " + if .reached then "reached" else "not reached" end else " | " end) + " |")' \
	"${1:-build/bench.json}"

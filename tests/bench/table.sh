#!/bin/bash
# SPDX-License-Identifier: MIT
# The table of README from build/bench.json, which `make bench` writes: table.sh [FILE]

jq -r 'def short: if . >= 1e6 then "\(. / 1e4 | floor / 100) M" elif . >= 1e4 then "\(. / 1e3 | floor) k" else "\(. * 10 | floor / 10)" end;
	"| case | ours | peer | ratio |", "|---|---|---|---|",
	(.[] | "| \(.name) | \(.value | short) \(.unit) | " +
		if .peer then "\(.peer), \(.peer_value | short) | \(.ratio * 100 | floor / 100) |" else "| |" end)' "${1:-build/bench.json}"

#!/bin/bash
# SPDX-License-Identifier: MIT
# The kernels that guests of the lab run, one a line, the default first: those with headers on this machine.
# Without an argument the default alone; `kernels.sh all` names each series that we support.

set -euo pipefail

newest() {
	local build
	for build in /lib/modules/"$1".*-amd64/build; do
		[[ -e $build ]] && basename "$(dirname "$build")"
	done | sort -V | tail -n 1
}

newest 6.1
if [[ ${1:-} = all ]]; then newest 6.12; fi

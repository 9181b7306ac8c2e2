# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Time. A fork takes tens of milliseconds in this dom0, so waiting is done without any.

[[ -p /run/never ]] || mkfifo /run/never
exec {NEVER}<>/run/never

# every wait is as patient as the scenario's timeout is: on a busy machine each step takes longer, not some
read -r PATIENCE <"$OUT/patience"

nap() { read -rt "$1" -u "$NEVER" || true; }

uptime_ms() {
	local up
	read -r up _ </proc/uptime
	echo $((10#${up/./} * 10))
}

seconds_since() { # an uptime_ms
	local ms=$(($(uptime_ms) - $1))
	printf '%d.%d\n' $((ms / 1000)) $((ms % 1000 / 100))
}

# wait_until SECONDS COMMAND...: until it succeeds; fails when the time is over, times XPV_PATIENCE
wait_until() {
	local end=$(($(uptime_ms) + $1 * PATIENCE * 1000))
	shift
	until "$@" >/dev/null 2>&1; do
		(($(uptime_ms) < end)) || { echo "gave up waiting for: $*"; return 1; }
		nap 0.1
	done
}

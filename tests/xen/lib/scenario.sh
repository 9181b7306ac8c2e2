# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The frame of a scenario: its parameters, a clean host before and after, the evidence when it fails.

# scenario_parameters NAME@KEY=VALUE,...: set as shell variables over the defaults
scenario_parameters() {
	local pair
	DIR=$OUT/$1
	# shellcheck disable=SC2034
	front=ours back=xpv nics='' type=pv kernel='' script=''
	[[ $1 == *@* ]] || return 0
	local IFS=,
	for pair in ${1#*@}; do
		printf -v "${pair%%=*}" %s "${pair#*=}"
	done
}

scenario_begin() {
	mkdir -p "$WORK"
	echo "lab: begin $1" >/dev/kmsg
	rm -f /var/log/xen/console/*
}

log_of_dom0() { dmesg | awk '/lab: begin/ { text = "" } { text = text $0 "\n" } END { printf "%s", text }'; }

# kernel_logs: dom0's and each guest's, see expect_in_log
kernel_logs() {
	local console name
	log_of_dom0 | sed 's/^/dom0: /'
	for console in "$GUEST_CONSOLE"/guest-*.log; do
		[[ -e $console ]] || continue
		name=${console##*/guest-}
		awk -v name="${name%.log}" '/^@ready/ { boots++ } { print name "/" boots + 0 ": " $0 }' "$console"
	done
}

# scenario_clean REASON-FILE: no kernel complained and the backend is still there
scenario_clean() {
	local line expected
	expected=$(cat "${1%/*}/expected" 2>/dev/null) || expected='^$'
	line=$(kernel_logs | grep -E "$TROUBLE" | grep -vE "$expected" | head -n1 | tr -d '\r')
	[[ -z $line ]] || { echo "kernel log: $line" >"$1"; return 1; }
	backend_alive || { echo "the backend is gone" >"$1"; return 1; }
}

collect() { # DIR
	[[ -s $1/reason ]] || echo "ended without a reason" >"$1/reason"
	log_of_dom0 >"$1/dom0.dmesg"
	xl list -l >"$1/xl-list" 2>&1
	timeout 10 xenstore-ls -fp >"$1/xenstore" 2>&1
	xl dmesg >"$1/xen.dmesg" 2>&1
	ip -d link >"$1/links" 2>&1
	cp -r /var/log/xen "$1/" 2>/dev/null
	cp /var/log/xpvd.log "$1/" 2>/dev/null
	return 0
}

# Leave nothing behind that a later scenario could trip over.
scenario_end() {
	local id bridge link
	no_mappings	# what they hold up goes on, with errors
	for id in $(domains); do timeout 20 xl destroy "$id"; done
	for bridge in $(bridges); do ip link del "$bridge"; done
	ovs_stop
	for link in $(dummies) $(vifs); do ip link del "$link"; done
	umount -a -t ext4 2>/dev/null
	disk_offer_end
	no_mappings
	losetup -D
	rm -rf "${WORK:?}"/* /run/lab/*
	find /var/log/xen -type f -exec rm {} +
	: >/var/log/xpvd.log
}

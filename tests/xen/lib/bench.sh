# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Counts of what happens while something runs. In an emulated host they mean something where times do not.

SYSCALLS=/sys/kernel/tracing/events/raw_syscalls/sys_enter

# count GUEST COMMAND...: runs it and sets COUNT to what happened meanwhile: what hypercalls.c says of dom0, system calls
# of the backend's process, interrupts of both ends
declare -A COUNT
count() {
	local guest=$1 by=hist:key=common_pid.execname,id.syscall tracer before name value
	shift
	[[ -e $SYSCALLS ]] || mount -t tracefs none /sys/kernel/tracing
	before="$(interrupts_of_guest "$guest") $(interrupts_of_backend)"
	rm -f "$WORK/trace"
	echo "$by" >$SYSCALLS/trigger
	# the scheduler's changes of runstate, and entries of PV domains
	xentrace -D -S 512 -e 0x223000 "$WORK/trace" >/dev/null 2>&1 &
	tracer=$!
	wait_until 20 test -s "$WORK/trace" || fail "Xen traces nothing"
	"$@"
	kill $tracer
	wait $tracer || true
	COUNT=()
	while read -r name value; do COUNT[$name]=$value; done < <(hypercalls "$WORK/trace" 0 || echo lost 1)
	[[ ! ${COUNT[lost]:-} ]] || fail "Xen's trace is not whole"
	grep -E ' (xpv-worker|[^ ]*qemu[^ ]*) ' $SYSCALLS/hist >"$WORK/syscalls" || true
	COUNT[syscalls]=$(awk '{ n += $NF } END { print n + 0 }' "$WORK/syscalls")
	echo "!$by" >$SYSCALLS/trigger
	read -r name value <<<"$before"
	COUNT[to_guest]=$(($(interrupts_of_guest "$guest") - name))
	COUNT[to_backend]=$(($(interrupts_of_backend) - value))
}

# Each is named after the device, or after who listens.
# shellcheck disable=SC2016
INTERRUPTS='/(xvd[a-z]|eth[0-9])-|blkif|vif[0-9]|evtchn:(xpv|[^ ]*qemu)/ { for (i = 2; $i ~ /^[0-9]+$/; i++) n += $i } END { print n + 0 }'
interrupts_of_guest() { guest_run "$1" "awk '$INTERRUPTS' /proc/interrupts"; }
interrupts_of_backend() { awk "$INTERRUPTS" /proc/interrupts; }

# per_unit GUEST N COMMAND...: COUNT for each of 2 * N: COMMAND runs with N and with 3 * N at the end, and what a run
# costs by itself goes. It says which system calls there were.
per_unit() {
	local guest=$1 n=$2 name
	local -A less
	shift 2
	count "$guest" "$@" "$n"
	for name in "${!COUNT[@]}"; do less[$name]=${COUNT[$name]}; done
	count "$guest" "$@" $((3 * n))
	for name in "${!COUNT[@]}"; do
		COUNT[$name]=$(awk -v d=$((${COUNT[$name]} - ${less[$name]})) -v n=$((2 * n)) 'BEGIN { printf "%.3f", d / n }')
	done
	awk -v n=$((3 * n)) 'match($0, /id: sys_[a-z0-9_]*/) { calls[substr($0, RSTART + 8, RLENGTH - 8)] += $NF }
		END { for (name in calls) printf "%s %.2f  ", name, calls[name] / n; print "" }' "$WORK/syscalls"
}

# bench_row TABLE RATE WHAT PARAMETER...: COUNT as a line of that table, and with WHAT and parameters (KEY=VALUE) as JSON
bench_row() {
	local table=$1 rate=$2 what=$3 name
	shift 3
	# shellcheck disable=SC2154
	{
		printf '%-6s %-22s %9s' "$front" "$what" "$rate"
		for name in to_guest to_backend syscalls events grants copied mapped unmapped; do printf ' %9s' "${COUNT[$name]}"; done
		echo
	} >>"$WORK/$table"
	{
		printf '{"load": "%s", "front": "%s", "back": "%s", "rate": %s' "$table" "$front" "$what" "$rate"
		for name; do printf ', "%s": %s' "${name%=*}" "${name#*=}"; done
		for name in "${!COUNT[@]}"; do printf ', "%s": %s' "$name" "${COUNT[$name]}"; done
		echo '}'
	} >>"$DIR/json"
}

# bench_table TABLE TITLE RATE
bench_table() {
	printf '\n%-29s %9s %19s %9s   %s\n' "$2" '' "interrupts of" system "hypercalls of dom0: event channels, grants"
	printf '%-6s %-22s %9s %9s %9s %9s %9s %9s %9s %9s %9s\n' front back "$3" guest backend calls events calls copied mapped unmapped
	cat "$WORK/$1"
}

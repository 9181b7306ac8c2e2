# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What a MiB over TCP costs each pairing of frontend and backend: iperf3 between a PV guest and dom0 over a bridge, both
# ways, and between two guests, over a bridge and over a switch of ours. As with bench-disk believe the counts; interrupts
# are those of the first guest.
# Parameters: megabytes (2)
# timeout: 900

megabytes=${megabytes:-2}

load() { # MEGABYTES: its output is iperf3's, with the rate at the receiver
	guest_must a "iperf3 -c $address -n ${1}M -f m $flag" 100 >"$WORK/iperf"
}

# row TABLE ADDRESS [FLAG]
row() {
	local address=$2 flag=${3:-}
	echo "$front, $what: $1"
	load "$megabytes"
	load $((3 * megabytes))
	per_unit a "$megabytes" load
	bench_row "$1" "$(awk '/receiver/ { print $(NF - 2) }' "$WORK/iperf")" "$what"
}

# pair FRONT BACK WHAT VIF [DOM0]: between two guests, and with dom0 where that has an address there
pair() {
	local name n=2 what=$3
	front=$1 back=$2
	backend_use "$back"
	for name in a b; do guest_create $name --no-wait --vif "$4"; done
	for name in a b; do
		guest_wait $name
		guest_address $name eth0 192.168.77.$((n++))/24
	done
	guest_must b "iperf3 -s -D"
	wait_until 20 guest_run b "netstat -ltn | grep -q :5201" || fail "guest b does not listen"
	if [[ ${5:-} ]]; then
		row net-out 192.168.77.1
		row net-in 192.168.77.1 -R
	fi
	row net-guests 192.168.77.3
	guest_shutdown a
	guest_shutdown b
}

make_bridge xenbr0 192.168.77.1/24
make_bridge lan
iperf3 -s -D -I "$WORK/iperf.pid"
pair ours xpv "xpv, bridge" xenbr0 dom0
pair stock stock "stock, bridge" xenbr0 dom0
pair ours stock "stock, bridge" xenbr0 dom0
pair stock xpv "xpv, bridge" xenbr0 dom0
pair ours xpv "xpv, switch" script=vif-xpv,bridge=lan
pair stock xpv "xpv, switch" script=vif-xpv,bridge=lan
kill "$(tr -d '\0' <"$WORK/iperf.pid")"
{
	bench_table net-out "a MiB from a guest to dom0" Mbit/s
	bench_table net-in "a MiB from dom0 to a guest" Mbit/s
	bench_table net-guests "a MiB from guest to guest" Mbit/s
} | tee "$DIR/table"

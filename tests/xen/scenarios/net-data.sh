# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Packets between a guest and dom0 over a bridge: ping of every size, and TCP both ways with checksums.
# timeout: 120

make_bridge xenbr0 192.168.77.1/24
guest_create a --vif "bridge=xenbr0,mac=00:16:3e:00:77:02"
assert_equal "$(guest_run a 'cat /sys/class/net/eth0/address')" 00:16:3e:00:77:02 "MAC address"
guest_address a eth0 192.168.77.2/24
guest_ping a 192.168.77.1
ping_guest 192.168.77.2
for size in 0 1 1472 1473 20000; do
	ping_guest 192.168.77.2 -s $size
done

# What each end has counted. Of what they get, the stock drivers do not count the Ethernet header; and what came before
# the guest's link was up is in dom0's numbers alone.
there=(tx_packets rx_packets)
here=(rx_packets tx_packets)
# shellcheck disable=SC2154
[[ $back = stock ]] || { there+=(tx_bytes); here+=(rx_bytes); }
# shellcheck disable=SC2154
[[ $front = stock ]] || { there+=(rx_bytes); here+=(tx_bytes); }
dom=$(guest_id a)
# Of its own accord dom0 looks for routers on each interface, in a group that no guest has joined: counted here and not there.
for file in /proc/sys/net/ipv6/conf/{xenbr0,"vif$dom.0"}/disable_ipv6; do echo 1 >"$file"; done
counts() { # sets GAP: what dom0 has beyond the guest's
	local their our i
	mapfile -t their < <(guest_run a "cd /sys/class/net/eth0/statistics && cat ${there[*]}")
	mapfile -t our < <(cd "/sys/class/net/vif$dom.0/statistics" && cat "${here[@]}")
	GAP=
	for i in "${!there[@]}"; do GAP+="${there[i]} $((our[i] - their[i])) "; done
}
same_counts() {
	counts
	[[ $GAP = "$before" ]]
}
counts
before=$GAP

tcp_to_guest a 192.168.77.2 16
tcp_from_guest a 192.168.77.1 16
# xentop reads the interface by its name: more than the 16 MiB that went each way, in KiB
for column in 11 12; do
	moved=$(xentop -b -i 1 | awk -v c=$column '$1 == "a" { print $c }')
	((moved > 16384)) || fail "xentop counts '$moved' KiB in column $column"
done
# Since then, each end has counted the same.
wait_until 10 same_counts || fail "what dom0 has counted beyond guest a was $before, and is $GAP"
guest_shutdown a
wait_until 10 no_vifs || fail "vifs left: $(vifs)"

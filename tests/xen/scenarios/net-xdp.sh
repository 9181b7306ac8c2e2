# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# XDP in the guest's driver: pass, drop, transmit, redirect, and room before the packets.
#
#	dom0 192.168.77.1 -- xenbr0 -- eth0 of a == eth1 of a -- xenbr1 -- eth0 of b 192.168.77.3
#	                               192.168.77.2   (redirect)
# timeout: 240

# shellcheck disable=SC2154
[[ $front = ours ]] || skip "the programs look at counters of our driver"

xdp_attach() { # DEVICE PROGRAM [DEVICE2]
	guest_must a "(xdp $* >/tmp/xdp.$1 2>&1 & echo \$! >/tmp/pid.$1); for i in 1 2 3 4 5 6 7 8 9 10; do
		grep -q attached /tmp/xdp.$1 && exit 0; sleep 0.3; done; cat /tmp/xdp.$1; exit 1"
	# the headroom is agreed on behind the scenes
	nap 1
	assert_match "$(guest_run a "ip link show $1")" 'xdp' "program on $1"
}

xdp_detach() { # DEVICE
	guest_must a "kill \$(cat /tmp/pid.$1)"
	nap 1
	assert_fails guest_run a "ip link show $1 | grep xdp"
}

counter() { # DEVICE NAME: over all queues
	guest_run a "ethtool -S $1" | awk -v name="_$2:\$" '$1 ~ name { sum += $2 } END { print sum + 0 }'
}

more() { # WHAT BEFORE NOW AT-LEAST
	(($3 - $2 >= $4)) || fail "$1 went from $2 to $3, and at least $4 more were expected"
}

make_bridge xenbr0 192.168.77.1/24
make_bridge xenbr1
# vifs have one address, and so would both bridges: xenbr1 would take what is for dom0
ip link set xenbr0 address 02:00:00:00:77:01
guest_create a --vcpus "${queues:-2}" --vif xenbr0 --vif xenbr1
guest_address a eth0 192.168.77.2/24
guest_must a "ip link set eth1 up"
guest_ping a 192.168.77.1

xdp_attach eth0 pass
tcp_to_guest a 192.168.77.2 4
tcp_from_guest a 192.168.77.1 4
passed=$(counter eth0 rx_xdp_pass)
((passed > 100)) || fail "only $passed packets went through the program"
guest_ping a 192.168.77.1
# what fits no page goes through it as well
assert_equal "$(counter eth0 rx_xdp_errors)" 0 "errors of XDP"
xdp_detach eth0

xdp_attach eth0 headroom
copied=$(counter eth0 rx_xdp_copied)
ping_guest 192.168.77.2 -c 10 -i 0.1
room=$(xenstore-read "/local/domain/0/backend/vif/$(guest_id a)/0/feature-xdp-headroom" 2>/dev/null || echo 0)
if ((room)); then
	assert_equal "$(counter eth0 rx_xdp_copied)" "$copied" "packets copied, though the backend leaves room"
else
	more "copies for want of room" "$copied" "$(counter eth0 rx_xdp_copied)" 10
fi
xdp_detach eth0
assert_equal "$(xenstore-read "/local/domain/$(guest_id a)/device/vif/0/state")" 4 "state of the frontend"
ping_guest 192.168.77.2

xdp_attach eth0 drop
dropped=$(counter eth0 rx_xdp_drop)
assert_fails ping -q -c 3 -i 0.2 -W 1 192.168.77.2
more "drops" "$dropped" "$(counter eth0 rx_xdp_drop)" 3
xdp_detach eth0
ping_guest 192.168.77.2

# answered by the program: the guest's own stack sees no request
xdp_attach eth0 echo
heard() { guest_run a "awk '/^Icmp:/ && \$2 ~ /^[0-9]/ { print \$10 }' /proc/net/snmp"; }
before=$(heard)
sent=$(counter eth0 rx_xdp_tx)
ping_guest 192.168.77.2 -c 10 -i 0.1
ping_guest 192.168.77.2 -c 2 -s 1400
more "packets sent back" "$sent" "$(counter eth0 rx_xdp_tx)" 12
assert_equal "$(heard)" "$before" "echo requests that the guest's stack saw"
tcp_to_guest a 192.168.77.2 1
xdp_detach eth0

# a as a wire between two bridges
guest_create b --vif xenbr1
guest_address b eth0 192.168.77.3/24
guest_must a "ip addr flush dev eth0"
xdp_attach eth0 redirect eth1
xdp_attach eth1 redirect eth0
ping_guest 192.168.77.3 -c 10 -i 0.1
guest_ping b 192.168.77.1
more "packets redirected" 0 "$(counter eth0 rx_xdp_redirect)" 10
more "frames sent by XDP" 0 "$(counter eth1 tx_xdp)" 10
# small MTU frames of TCP, many at once
guest_must b "ethtool -K eth0 tso off tx off" >/dev/null
ethtool -K "vif$(guest_id a).0" tso off tx off >/dev/null 2>&1 || true
ethtool -K xenbr0 tso off tx off >/dev/null 2>&1 || true
tcp_to_guest b 192.168.77.3 2
tcp_from_guest b 192.168.77.1 2
xdp_detach eth0
xdp_detach eth1
guest_shutdown b
guest_shutdown a

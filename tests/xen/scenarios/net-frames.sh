# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Frames of every kind: IPv6, VLAN tags through a bridge that filters them, jumbo frames, a NIC whose interface has a name
# of its own in dom0, a NIC that does not trust its backend.
# timeout: 240

make_bridge xenbr0 192.168.77.1/24
ip addr add fd77::1/64 dev xenbr0 nodad
ip link set xenbr0 type bridge vlan_filtering 1
bridge vlan add dev xenbr0 vid 10 self
modprobe 8021q
ip link add link xenbr0 name xenbr0.10 type vlan id 10
ip addr add 192.168.10.1/24 dev xenbr0.10
ip link set xenbr0.10 up
make_bridge jumbo 192.168.90.1/24
ip link set jumbo mtu 9000

guest_create a --vif bridge=xenbr0,vifname=lan0 --vif bridge=jumbo,untrusted
assert test -e /sys/class/net/xenbr0/brif/lan0

guest_must a "ip addr add fd77::2/64 dev eth0 nodad && ip link set eth0 up"
ping_guest fd77::2
for size in 1 1452 1453 20000; do ping_guest fd77::2 -s $size; done
tcp_to_guest a fd77::2 8
tcp_from_guest a fd77::1 8

# tagged frames of full length
bridge vlan add dev lan0 vid 10
guest_must a "modprobe 8021q && ip link add link eth0 name eth0.10 type vlan id 10"
guest_address a eth0.10 192.168.10.2/24
ping_guest 192.168.10.2 -s 1472
tcp_to_guest a 192.168.10.2 8
tcp_from_guest a 192.168.10.1 8
bridge vlan del dev lan0 vid 10
assert_fails ping -q -c 1 -W 2 192.168.10.2 >/dev/null

# a packet of 8000 bytes is one frame both ways
id=$(guest_id a)
assert_equal "$(cat "/sys/class/net/vif$id.1/mtu")" 9000 "MTU of the interface in dom0"
assert_equal "$(xenstore-read "/local/domain/$id/device/vif/1/mtu")" 9000 "MTU that the guest is told"
assert_equal "$(xenstore-read "/local/domain/$id/device/vif/1/trusted")" 0 "trust"
guest_must a "ip link set eth1 mtu 9000"
guest_address a eth1 192.168.90.2/24
# shellcheck disable=SC2016
FRAGMENTS='awk "/^Ip:/ { if (n) print \$n; for (i = 1; i <= NF; i++) if (\$i == \"FragCreates\") n = i }" /proc/net/snmp'
made() { eval "$FRAGMENTS"; guest_run a "$FRAGMENTS"; }
before=$(made)
ping_guest 192.168.90.2 -s 8000
assert_equal "$(made)" "$before" "fragments that dom0 and the guest made"
tcp_to_guest a 192.168.90.2 8
tcp_from_guest a 192.168.90.1 8

guest_shutdown a
wait_until 10 no_vifs || fail "vifs left: $(vifs)"
[[ ! -e /sys/class/net/lan0 ]] || fail "lan0 is left"
# where the stock script looks for the frontend of an interface that is not called vifD.N
xenstore-rm /local/domain/lan0 || true

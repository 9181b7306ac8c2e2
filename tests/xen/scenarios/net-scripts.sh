# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The other network scripts of Xen, one NIC each in one guest: routed, NAT, and Open vSwitch with an access port and a trunk.
#
#	eth0  vif-route        10.1.0.2    from dom0's eth0, 192.0.2.1
#	eth1  vif-nat          10.2.0.2    dom0 is 10.2.0.129 there
#	eth2  vif-openvswitch  ovs0.10     192.168.10.2    dom0 has a port in VLAN 10, 192.168.10.1
#	eth3  vif-openvswitch  ovs0:10:20  192.168.20.2    and one in VLAN 20, 192.168.20.1
# timeout: 240

ip link add eth0 type dummy
ip addr add 192.0.2.1/24 dev eth0
ip link set eth0 up
ovs_start
ovs-vsctl add-br ovs0
for vlan in 10 20; do
	ovs-vsctl add-port ovs0 port$vlan tag=$vlan -- set interface port$vlan type=internal
	ip addr add 192.168.$vlan.1/24 dev port$vlan
	ip link set port$vlan up
done

guest_create a --vif script=vif-route,ip=10.1.0.2 --vif script=vif-nat,ip=10.2.0.2 \
	--vif script=vif-openvswitch,bridge=ovs0.10 --vif script=vif-openvswitch,bridge=ovs0:10:20
id=$(guest_id a)
assert_equal "$(ovs-vsctl list-ports ovs0 | sort | tr '\n' ' ')" "port10 port20 vif$id.2 vif$id.3 " "ports of the switch"

guest_address a eth0 10.1.0.2/32
guest_must a "ip route add 192.0.2.1 dev eth0 src 10.1.0.2"
ping_guest 10.1.0.2
tcp_from_guest a 192.0.2.1 4

guest_address a eth1 10.2.0.2/32
guest_must a "ip route add 10.2.0.129 dev eth1 src 10.2.0.2"
ping_guest 10.2.0.2
tcp_from_guest a 10.2.0.129 4

guest_address a eth2 192.168.10.2/24
ping_guest 192.168.10.2
tcp_to_guest a 192.168.10.2 4

guest_must a "ip link set eth3 up && modprobe 8021q && ip link add link eth3 name eth3.20 type vlan id 20"
guest_address a eth3.20 192.168.20.2/24
ping_guest 192.168.20.2
tcp_to_guest a 192.168.20.2 4
tcp_from_guest a 192.168.20.1 4
# an access port is in its VLAN alone
guest_must a "ip addr del 192.168.20.2/24 dev eth3.20 && ip addr add 192.168.20.2/24 dev eth2"
assert_fails ping -q -c 1 -W 2 -I port20 192.168.20.2 >/dev/null

xl network-detach a 3
assert_equal "$(ovs-vsctl list-ports ovs0 | sort | tr '\n' ' ')" "port10 port20 vif$id.2 " "ports after a detach"
guest_shutdown a
wait_until 10 no_vifs || fail "vifs left: $(vifs)"
assert_equal "$(ovs-vsctl list-ports ovs0 | sort | tr '\n' ' ')" "port10 port20 " "ports after the guest"

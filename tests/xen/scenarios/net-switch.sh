# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Guests on a switch of ours: to each other, out through the uplink, and not into another VLAN. mtu= of its bridge.
# timeout: 240

[[ $back == xpv ]] || skip "the switch is xpvd's"
mtu=${mtu:-1500}
make_bridge lan 192.168.78.1/24
ip link set lan mtu "$mtu"

# on_switch NAME BRIDGE [MORE]
on_switch() {
	guest_create "$1" --no-wait --vif "mac=00:16:3e:00:78:0$3,script=vif-xpv,bridge=$2"
}
on_switch a lan 2
on_switch b lan 3
on_switch c lan.7 4
for name in a b c; do guest_wait $name; done
guest_address a eth0 192.168.78.2/24
guest_address b eth0 192.168.78.3/24
guest_address c eth0 192.168.78.4/24

# no interface for a guest, one for all of them
assert no_vifs
assert_match "$(ip -o link show xpv-lan)" "mtu $mtu .*master lan"

# the bridge's MTU is the guests'; the stock driver does not look
for name in a b; do
	assert_equal "$(xenstore-read "/local/domain/$(guest_id $name)/device/vif/0/mtu")" "$mtu" "MTU that guest $name is told"
	# shellcheck disable=SC2154
	[[ $front = ours ]] || guest_must $name "ip link set eth0 mtu $mtu"
	assert_equal "$(guest_run $name 'cat /sys/class/net/eth0/mtu')" "$mtu" "MTU of guest $name"
done
guest_must a "ping -q -c 2 -W 5 -s $((mtu - 28)) 192.168.78.3" >/dev/null
ping_guest 192.168.78.2 -s $((mtu - 28))

guest_ping a 192.168.78.3
for size in 0 1 1472 1473 20000; do
	guest_must b "ping -q -c 2 -W 5 -s $size 192.168.78.2" >/dev/null
done

# Three nested guests on one emulated processor move less in the time than PV guests do.
# shellcheck disable=SC2154
megabytes=16
[[ $type = pv ]] || megabytes=4

# guest_to_guest FROM TO ADDRESS MB
guest_to_guest() {
	guest_must "$2" "rm -f /tmp/in; (timeout 110 socat -u TCP-LISTEN:5000,reuseaddr OPEN:/tmp/in,creat,trunc >/dev/null 2>&1) & sleep 1"
	guest_must "$1" "head -c $(($4 << 20)) /dev/urandom >/tmp/out && socat -u OPEN:/tmp/out TCP:$3:5000,retry=10" 90
	wait_until 20 guest_run "$2" "[ \$(stat -c %s /tmp/in) = $(($4 << 20)) ]" || fail "guest $2 did not get all"
	assert_equal "$(guest_run "$2" 'sha256sum </tmp/in')" "$(guest_run "$1" 'sha256sum </tmp/out')" "what guest $2 got"
}
guest_to_guest a b 192.168.78.3 $megabytes
guest_to_guest b a 192.168.78.2 $megabytes

# UDP: each datagram is a line with its own checksum
guest_must b "(timeout 90 socat -u UDP-RECV:5002 OPEN:/tmp/udp,creat,trunc,append >/dev/null 2>&1) & sleep 1"
guest_must a "for i in \$(seq 30); do l=\$(head -c 900 /dev/urandom | base64 -w0); echo \"\$(echo \$l | md5sum | cut -c1-32) \$l\" | socat -u - UDP:192.168.78.3:5002; done" 90
guest_must b "n=0; while read -r s l; do [ \"\$(echo \$l | md5sum | cut -c1-32)\" = \"\$s\" ] || exit 1; n=\$((n + 1)); done </tmp/udp; [ \$n -ge 28 ]"

# out, and in
guest_ping a 192.168.78.1
ping_guest 192.168.78.3
tcp_to_guest a 192.168.78.2 $((megabytes / 2))
tcp_from_guest b 192.168.78.1 $((megabytes / 2))

# VLAN 7 is another network, and an address that is not the vif's gets nowhere
guest_run c "ping -c 2 -W 2 192.168.78.2" >/dev/null && fail "VLAN 7 reaches VLAN 0"
guest_run c "ping -c 2 -W 2 192.168.78.1" >/dev/null && fail "VLAN 7 reaches dom0's bridge untagged"
guest_must b "ip link set eth0 down && ip link set eth0 address 00:16:3e:00:78:99 && ip link set eth0 up"
guest_run b "ping -c 2 -W 2 192.168.78.2" >/dev/null && fail "a foreign MAC address passes"

no_uplink() { [[ ! -e /sys/class/net/xpv-lan ]]; }

# who stays goes on
guest_destroy b
guest_ping a 192.168.78.1
assert_fails xl network-attach a mac=00:16:3e:00:78:09 script=vif-xpv bridge=lan.4095
guest_shutdown a
guest_shutdown c
wait_until 15 no_uplink || fail "the uplink is left"

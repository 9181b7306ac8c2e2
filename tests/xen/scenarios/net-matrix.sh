# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What is sent comes back as it was: {1, 4 queues} x {MTU 1500, 9000, 65000} x {TSO on, off} x {untagged, tagged} x
# {IPv4, IPv6} x {TCP, UDP} through a tap, to dom0; and where the backend has a switch, from the guest of one queue to
# that of four. mtus=9000 for one of them alone; queues= of the second guest.
# timeout: 400

mtus=${mtus:-1500 9000 65000}
queues=${queues:-4}

# addresses GUEST DEVICE NUMBER NET: untagged, and tagged with VLAN 10
addresses() {
	guest_must "$1" "modprobe 8021q && ip link set $2 up && ip link add link $2 name $2.10 type vlan id 10 && ip link set $2.10 up
		ip addr add 192.168.$4.$3/24 dev $2; ip -6 addr add fd$4::$3/64 dev $2 nodad
		ip addr add 192.168.1$4.$3/24 dev $2.10; ip -6 addr add fd$4:10::$3/64 dev $2.10 nodad"
}

# there_and_back GUEST NET NUMBER WORD: both protocols with each address that this number has there; see sendback.c
cells=0
there_and_back() {
	local began said
	began=$(uptime_ms)
	said=$(guest_run "$1" "sendback 192.168.$2.$3 fd$2::$3 192.168.1$2.$3 fd$2:10::$3" 200) || fail "$4: ${said//$'\n'/, }"
	cells=$((cells + 8))
	echo "$4: all back in $(seconds_since "$began") s${said:+, ${said//$'\n'/, }}"
}

make_bridge xenbr0 192.168.77.1/24
ip -6 addr add fd77::1/64 dev xenbr0 nodad
modprobe 8021q
ip link add link xenbr0 name xenbr0.10 type vlan id 10
ip addr add 192.168.177.1/24 dev xenbr0.10
ip -6 addr add fd77:10::1/64 dev xenbr0.10 nodad
ip link set xenbr0.10 up
sendback serve &
server=$!
trap 'kill $server' EXIT

offer_queues "$queues"
lan=()
# shellcheck disable=SC2154
[[ $back != xpv ]] || lan=(--vif "script=vif-xpv,bridge=lan:0:10")
guest_create a --no-wait --vcpus 1 --vif xenbr0 "${lan[@]}"
guest_create b --no-wait --vcpus "$queues" --vif xenbr0 "${lan[@]}"
number=1
for name in a b; do
	number=$((number + 1))
	guest_wait $name
	addresses $name eth0 $number 77
	[[ -z ${lan[*]} ]] || addresses $name eth1 $number 78
done
guest_must b "sendback serve >/dev/null 2>&1 &"
echo "both guests are up and have their addresses at $(uptime_ms) ms"
assert_equal "$(guest_run a 'ls -d /sys/class/net/eth?/queues/tx-* | wc -l')" $((1 + (${#lan[@]} > 0))) "queues of guest a"
assert_equal "$(guest_run b 'ls -d /sys/class/net/eth?/queues/tx-* | wc -l')" $((queues * (1 + (${#lan[@]} > 0)))) "queues of guest b"

# each_device COMMAND: in the guests and, where it can be, in dom0; DEV is the device
each_device() {
	local name
	for name in a b; do
		guest_must $name "for d in /sys/class/net/eth?; do ${1//DEV/\$\{d##*/\}}; done" >/dev/null
	done
}
for mtu in $mtus; do
	for vif in $(vifs); do ip link set "$vif" mtu "$mtu"; done
	ip link set xenbr0 mtu "$mtu"
	ip link set xenbr0.10 mtu "$mtu"
	each_device "ip link set DEV mtu $mtu; ip link set DEV.10 mtu $mtu"
	for tso in on off; do
		each_device "ethtool -K DEV tso $tso"
		for vif in $(vifs); do ethtool -K "$vif" tso $tso >/dev/null 2>&1 || true; done
		for name in a b; do there_and_back $name 77 1 "guest $name, tap, MTU $mtu, TSO $tso"; done
		[[ -z ${lan[*]} ]] || there_and_back a 78 3 "switch, MTU $mtu, TSO $tso"
	done
done
echo "$cells ways, 0 failures"
# shellcheck disable=SC2154
[[ $back != xpv ]] || for name in a b; do
	xpv show "$(guest_id $name)" | grep -E '^[0-9]|drop|drained|revoked|stall' || true
done
guest_shutdown a
guest_shutdown b

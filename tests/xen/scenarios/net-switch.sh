# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Guests on a switch of ours: to each other, out through the uplink, and not into another VLAN. mtu= of its bridge;
# queues= virtual CPUs, and queues, of a guest; deep=1 for IPv6, tags on a trunk, and offloads off.
# timeout: 400

[[ $back == xpv ]] || skip "the switch is xpvd's"
mtu=${mtu:-1500}
queues=${queues:-1}
trunk=${deep:+:0:10}
make_bridge lan 192.168.78.1/24
ip link set lan mtu "$mtu"

# on_switch NAME BRIDGE [MORE]
on_switch() {
	guest_create "$1" --no-wait --vcpus "$queues" --vif "mac=00:16:3e:00:78:0$3,script=vif-xpv,bridge=$2"
}
on_switch a "lan$trunk" 2
on_switch b "lan$trunk" 3
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
	assert_equal "$(guest_run $name 'ls -d /sys/class/net/eth0/queues/rx-* | wc -l')" "$queues" "queues of guest $name"
done
guest_must a "ping -q -c 2 -W 5 -s $((mtu - 28)) 192.168.78.3" >/dev/null
ping_guest 192.168.78.2 -s $((mtu - 28))

guest_ping a 192.168.78.3
for size in 0 1 1472 1473 20000; do
	guest_must b "ping -q -c 2 -W 5 -s $size 192.168.78.2" >/dev/null
done

# Nested guests on one emulated processor move less in the time than PV guests do, and those of more processors, too.
# shellcheck disable=SC2154
megabytes=16
[[ $type = pv && -z $deep && $queues = 1 ]] || megabytes=4
flows=$((queues > 1 ? 2 * queues : 1))

# guest_to_guest FROM TO ADDRESS MB [FLOWS]: the same bytes in each flow, and all of them arrive
guest_to_guest() {
	local TCP AT n=${5:-1} i
	tcp "$3"
	guest_must "$2" "rm -f /tmp/in*; for i in \$(seq $n); do (timeout $((90 * PATIENCE)) socat -u $TCP-LISTEN:500\$i,reuseaddr OPEN:/tmp/in\$i,creat,trunc >/dev/null 2>&1) & done; sleep 1"
	guest_must "$1" "head -c $(($4 << 20)) /dev/urandom >/tmp/out && for i in \$(seq $n); do socat -u OPEN:/tmp/out $TCP:$AT:500\$i,retry=10 & done; wait" 90
	for ((i = 1; i <= n; i++)); do
		wait_until 20 guest_run "$2" "[ \$(stat -c %s /tmp/in$i) = $(($4 << 20)) ]" || fail "guest $2 did not get all of flow $i"
	done
	assert_equal "$(guest_run "$2" 'cat /tmp/in* | sha256sum')" \
		"$(guest_run "$1" "for i in \$(seq $n); do cat /tmp/out; done | sha256sum")" "what guest $2 got at $3"
}

# datagrams FROM TO ADDRESS: each is a line with its own checksum
datagrams() {
	guest_must "$2" "rm -f /tmp/udp; (timeout $((60 * PATIENCE)) socat -u UDP4-RECV:5102 OPEN:/tmp/udp,creat,trunc,append >/dev/null 2>&1) & sleep 1"
	guest_must "$1" "for i in \$(seq 30); do l=\$(head -c 900 /dev/urandom | base64 -w0); echo \"\$(echo \$l | md5sum | cut -c1-32) \$l\" | socat -u - UDP4:$3:5102; done" 90
	guest_must "$2" "n=0; while read -r s l; do [ \"\$(echo \$l | md5sum | cut -c1-32)\" = \"\$s\" ] || exit 1; n=\$((n + 1)); done </tmp/udp; [ \$n -ge 28 ]"
}

guest_to_guest a b 192.168.78.3 $megabytes
guest_to_guest b a 192.168.78.2 $megabytes
datagrams a b 192.168.78.3

# used NAME: of its queues, those that guests sent to
used() { xpv show "$(guest_id "$1")" vif0 | grep -c 'queue .* rx_packets: '; }
if ((queues > 1)); then
	guest_to_guest a b 192.168.78.3 1 $flows
	guest_to_guest b a 192.168.78.2 1 $flows
	for name in a b; do (($(used $name) > 1)) || fail "one queue got all for guest $name"; done
fi

if [[ -n $deep ]]; then
	for name in a b; do
		n=$([[ $name = a ]] && echo 2 || echo 3)
		guest_must $name "ip -6 addr add fd78::$n/64 dev eth0 nodad; modprobe 8021q && ip link add link eth0 name eth0.10 type vlan id 10"
		guest_address $name eth0.10 "192.168.10.$n/24"
		guest_must $name "ip -6 addr add fd10::$n/64 dev eth0.10 nodad"
	done
	guest_must b "sendback serve >/dev/null 2>&1 &"
	# exchange WORD: streams and datagrams there and back
	exchange() {
		guest_run a "sendback 192.168.78.3 fd78::3 192.168.10.3 fd10::3" 200 || fail "not all came back: $1"
	}
	exchange "all on"
	for feature in tso tx sg; do
		for name in a b; do
			# see net-queues: the stock driver then lowers its MTU and tells nobody
			[[ $feature != sg || $front = ours ]] || guest_must $name "ip link set eth0 mtu 1500"
			guest_must $name "ethtool -K eth0 $feature off" >/dev/null
		done
		exchange "$feature off"
	done
	for name in a b; do
		guest_must $name "ethtool -K eth0 tx on sg on tso on; ip link set eth0 mtu $mtu" >/dev/null
	done
fi

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

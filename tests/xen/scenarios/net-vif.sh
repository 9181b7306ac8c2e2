# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What a vif does beside passing packets: a queue for each of the guest's processors, jumbo frames and an MTU that
# changes under it, a rate, a multicast filter, and a carrier that goes when the guest takes no frames.
# timeout: 240

MAC=00:16:3e:00:79:02
ADDRESS=192.168.77.2

make_bridge xenbr0 192.168.77.1/24
ip link set xenbr0 mtu 4000
guest_create a --vcpus 4 --vif "bridge=xenbr0,mac=$MAC"
guest_address a eth0 $ADDRESS/24
front_driver=$front
dom=$(guest_id a)
tap=vif$dom.0
back=/local/domain/0/backend/vif/$dom/0
front=/local/domain/$dom/device/vif/0

tap_is() { [[ $(<"/sys/class/net/$tap/$1") == "$2" ]]; }
front_has() { [[ $(xenstore-read "$front/$1" 2>/dev/null) == "$2" ]]; }

# ---- queues
assert front_has multi-queue-num-queues 4
assert_equal "$(xenstore-list "$front" | grep -c '^queue-')" 4 "queues of the frontend"
tcp_to_guest a $ADDRESS 8
tcp_from_guest a 192.168.77.1 8

# ---- MTU: the bridge's at first, then what the key says
assert tap_is mtu 4000
assert front_has mtu 4000
guest_must a "ip link set eth0 mtu 4000"
ping_guest $ADDRESS -s 3900
xenstore-write "$back/mtu" 1400
wait_until 10 tap_is mtu 1400 || fail "the tap does not follow the key mtu"
assert front_has mtu 1400
xenstore-write "$back/mtu" 4000
wait_until 10 tap_is mtu 4000 || fail "the tap does not follow the key mtu again"

# ---- rate: 1 MB/s from now on. 4 MiB cannot be here earlier than that; a burst is 128 KiB.
xenstore-write "$back/rate" 50000,50000
nap 1
began=$(uptime_ms)
tcp_from_guest a 192.168.77.1 4
took=$(($(uptime_ms) - began))
((took > 3800)) || fail "4 MiB at 1 MB/s came in $took ms"
xenstore-rm "$back/rate"
nap 1
tcp_from_guest a 192.168.77.1 8

# ---- multicast: filtered while the frontend asks for it
guest_frames() { guest_run a "cat /sys/class/net/eth0/statistics/rx_packets"; }
flood() { # ADDRESS: 600 datagrams
	head -c 600000 /dev/zero | socat -u -b1000 - "UDP-DATAGRAM:$1:9,ip-multicast-if=192.168.77.1,ip-multicast-ttl=1"
}
multicasts() { # sets ARRIVED
	local before
	before=$(guest_frames)
	flood 239.1.2.3
	nap 1
	ARRIVED=$(($(guest_frames) - before))
}
# our frontend asks for the filter itself, and for none while it is to hear everything
filter() { # 1|0
	# shellcheck disable=SC2154
	case $front_driver$1 in
	ours1) guest_must a "ip link set eth0 allmulticast off" ;;
	ours0) guest_must a "ip link set eth0 allmulticast on" ;;
	*) xenstore-write "$front/request-multicast-control" "$1" ;;
	esac
	wait_until 10 front_has request-multicast-control "$1" || fail "the filter does not become $1"
	nap 1
}
filter 0
multicasts
((ARRIVED >= 300)) || fail "$ARRIVED of 600 multicast frames came without a filter"
filter 1
multicasts
((ARRIVED < 50)) || fail "$ARRIVED multicast frames came through the filter"
filter 0

# ---- a guest that takes no frames: after a minute the host sees a dead link, and a live one when it is back
assert tap_is carrier 1
ip neigh replace $ADDRESS lladdr $MAC dev xenbr0
guest_must a "ip link set eth0 down"
for ((i = 0; i < 8; i++)); do flood $ADDRESS; done
wait_until 90 tap_is carrier 0 || fail "the carrier stays on under a guest that takes no frames"
guest_must a "ip link set eth0 up"
wait_until 10 tap_is carrier 1 || fail "the carrier does not come back"
ip neigh del $ADDRESS dev xenbr0
ping_guest $ADDRESS
guest_shutdown a
wait_until 10 no_vifs || fail "vifs left: $(vifs)"

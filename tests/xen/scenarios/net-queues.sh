# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Every way of a packet: queues, MTUs, offloads on and off, IPv4 and IPv6, TCP and UDP, each with the checksum of what
# arrived. queues= virtual CPUs of the guest; expect= its queues, where the backend has fewer; mtus= of the bridge.
# timeout: 500

queues=${queues:-4}
expect=${expect:-$queues}
mtus=${mtus:-1500 9000 65000}

# Of a file: the checksums of what were its datagrams.
DATAGRAM=1400
DATAGRAMS=50
blocks="i=0; while dd bs=$DATAGRAM skip=\$i count=1 2>/dev/null <FILE >/tmp/block && test -s /tmp/block; do sha256sum </tmp/block; i=\$((i + 1)); done"

# What counted a packet that did not arrive, on its whole way.
losses() {
	echo "the guest:"
	guest_run a "grep -h ^Udp /proc/net/snmp; grep ^Udp6 /proc/net/snmp6; cat /proc/net/softnet_stat; ip neigh
		ethtool -S eth0 | grep -v ': 0$'; tc -s qdisc show dev eth0; ip -s link show dev eth0"
	echo "dom0:"
	grep -h ^Udp /proc/net/snmp
	grep ^Udp6 /proc/net/snmp6
	cat /proc/net/softnet_stat
	ip neigh
	tc -s qdisc show dev "vif$id.0"
	ip -s link show dev "vif$id.0"
} 2>/dev/null

# all_sent WORD GOT: the list GOT is that of the datagrams which were sent. Lost ones and changed ones are told apart.
all_sent() {
	local sent stray
	sent=$(eval "${blocks/FILE/$WORK/payload}")
	stray=$(grep -vxF "$sent" <<<"$2") || true
	[[ -z $stray ]] || fail "$(wc -l <<<"$stray") datagrams arrived that were not sent ($1)"
	[[ $(wc -l <<<"$2") -eq $DATAGRAMS ]] || losses || true
	assert_equal "$(wc -l <<<"$2")" "$DATAGRAMS" "datagrams that arrived ($1)"
}

# to_guest WORD LISTEN CONNECT: dom0 sends the payload; the guest must have got the same
to_guest() {
	guest_run a "timeout 40 socat -u $2 OPEN:/tmp/got,creat,trunc" 50 &
	local receiver=$!
	wait_until 60 guest_run a "netstat -ltn | grep -q :5000" || fail "the guest does not listen ($1)"
	assert socat -u OPEN:"$WORK/payload" "$3"
	wait $receiver || fail "receiver of the guest gave $? ($1)"
	assert_equal "$(guest_run a 'sha256sum </tmp/got')" "$(sha256sum <"$WORK/payload")" "what the guest got ($1)"
}

# to_dom0 WORD LISTEN CONNECT: and the guest sends back what it got
to_dom0() {
	timeout 40 socat -u "$2" OPEN:"$WORK/got,creat,trunc" &
	local receiver=$! difference
	wait_until 60 eval "netstat -ltn | grep -q :5000"
	guest_must a "socat -u OPEN:/tmp/got $3" 50
	wait $receiver || fail "receiver of dom0 gave $? ($1)"
	difference=$(cmp "$WORK/got" "$WORK/payload" 2>&1) ||
		fail "dom0 got $(stat -c %s "$WORK/got") of $(stat -c %s "$WORK/payload") bytes ($1): $difference"
}

# The same for datagrams. Their receivers go on until they have got all of it, or for a long while: on a host that is
# short of processors seconds may pass between two of them, and what is late is not lost.
got_all() { (($(stat -c %s "$1" 2>/dev/null || echo 0) >= DATAGRAM * DATAGRAMS)); }

datagrams_to_guest() { # WORD LISTEN CONNECT
	guest_must a "rm -f /tmp/got; { socat -u $2 OPEN:/tmp/got,creat </dev/null >/dev/null 2>&1 & } && echo \$! >/tmp/receiver"
	wait_until 60 guest_run a "netstat -lun | grep -q :5000" || fail "the guest does not listen ($1)"
	assert socat -u -b $DATAGRAM OPEN:"$WORK/payload" "$3"
	wait_until 20 guest_run a "test \$(wc -c </tmp/got) -ge $((DATAGRAM * DATAGRAMS))" || true
	guest_must a "kill \$(cat /tmp/receiver)"
	all_sent "$1" "$(guest_run a "${blocks/FILE//tmp/got}")"
}

datagrams_to_dom0() { # WORD LISTEN CONNECT
	rm -f "$WORK/got"
	socat -u "$2" OPEN:"$WORK/got,creat" &
	local receiver=$!
	wait_until 60 eval "netstat -lun | grep -q :5000"
	guest_must a "socat -u -b $DATAGRAM OPEN:/tmp/got $3" 50
	wait_until 20 got_all "$WORK/got" || true
	kill $receiver
	wait $receiver || true
	all_sent "$1" "$(eval "${blocks/FILE/$WORK/got}")"
}

# exchange WORD: TCP in bulk; UDP only so much as no receiver's buffer can lose
exchange() {
	head -c 2097152 /dev/urandom >"$WORK/payload"
	to_guest "$1, TCP over IPv4" TCP4-LISTEN:5000,reuseaddr TCP4:192.168.77.2:5000
	to_dom0 "$1, TCP over IPv4" TCP4-LISTEN:5000,reuseaddr TCP4:192.168.77.1:5000
	to_guest "$1, TCP over IPv6" TCP6-LISTEN:5000,reuseaddr "TCP6:[fd77::2]:5000"
	to_dom0 "$1, TCP over IPv6" TCP6-LISTEN:5000,reuseaddr "TCP6:[fd77::1]:5000"
	head -c $((DATAGRAM * DATAGRAMS)) /dev/urandom >"$WORK/payload"
	datagrams_to_guest "$1, UDP over IPv4" UDP4-RECV:5000,rcvbuf=1000000 UDP4-SENDTO:192.168.77.2:5000
	datagrams_to_dom0 "$1, UDP over IPv6" UDP6-RECV:5000,rcvbuf=1000000 "UDP6-SENDTO:[fd77::1]:5000"
}

# counter NAME: of the guest's driver, over all queues
counter() { guest_run a "ethtool -S eth0" | awk -v name="_$1:\$" '$1 ~ name { sum += $2 } END { print sum + 0 }'; }

make_bridge xenbr0 192.168.77.1/24
ip -6 addr add fd77::1/64 dev xenbr0 nodad
offer_queues "$expect"
guest_create a --vcpus "$queues" --vif xenbr0
guest_address a eth0 192.168.77.2/24
guest_must a "ip -6 addr add fd77::2/64 dev eth0 nodad"
guest_ping a 192.168.77.1
assert_equal "$(guest_run a 'ls -d /sys/class/net/eth0/queues/tx-* | wc -l')" "$expect" "queues of the guest"
assert_equal "$(guest_run a 'cat /sys/class/net/eth0/rxbuf_max')" 256 "rxbuf_max"

id=$(guest_id a)
for mtu in $mtus; do
	ip link set "vif$id.0" mtu "$mtu"
	ip link set xenbr0 mtu "$mtu"
	# what the hotplug script writes for a bridge of that MTU; the stock driver does not look
	xenstore-write "/local/domain/$id/device/vif/0/mtu" "$mtu"
	# shellcheck disable=SC2154
	[[ $front = ours ]] || guest_must a "ip link set eth0 mtu $mtu"
	wait_until 5 guest_run a "test \$(cat /sys/class/net/eth0/mtu) = $mtu" || fail "the guest's MTU is not $mtu"
	ping_guest 192.168.77.2 -s $((mtu - 28))
	exchange "MTU $mtu"
done

# what the stack does when the driver must not
for feature in tso tx sg; do
	# without sg the stock driver lowers its MTU and tells nobody: IPv6 goes on with what was, and each of its
	# packets has to find 64 KiB in a row
	[[ $feature != sg || $front = ours ]] || guest_must a "ip link set eth0 mtu 1500"
	guest_must a "ethtool -K eth0 $feature off" >/dev/null
	exchange "$feature off"
done
guest_must a "ethtool -K eth0 tx on sg on tso on" >/dev/null
ethtool -K "vif$id.0" tso off tx off >/dev/null 2>&1 || true
exchange "no offloads in dom0"

if [[ $front = ours ]]; then
	if ((expect > 1)); then
		used=$(guest_run a "ethtool -S eth0" | awk '/_tx_packets:/ && $2 > 0' | wc -l)
		((used > 1)) || fail "packets left by $used of $expect queues"
	fi
	for reason in tx_errors tx_drop_size tx_drop_memory tx_drop_unanswered rx_err_status rx_err_size rx_err_frags \
		rx_err_extra rx_err_header rx_drop_memory; do
		assert_equal "$(counter $reason)" 0 $reason
	done
	# a user's MTU stays, whatever the host says
	guest_must a "ip link set eth0 mtu 1400"
	xenstore-write "/local/domain/$id/device/vif/0/mtu" 1500
	nap 1
	assert_equal "$(guest_run a 'cat /sys/class/net/eth0/mtu')" 1400 "MTU that a user has set"
fi
guest_shutdown a

# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What a guest asks its backend for while packets run: which queue a flow goes to, which groups it hears, how many
# queues there are; and what ethtool says of all that.
# timeout: 240

# shellcheck disable=SC2154
[[ $front = ours ]] || skip "the stock frontend asks for none of this"
queues=${queues:-4}

# received QUEUE: packets that came in by it
received() { guest_run a "ethtool -S eth0" | awk -v name="^q$1_rx_packets:\$" '$1 ~ name { print $2 }'; }
offered() { [[ $(xenstore-read "/local/domain/0/backend/vif/$id/0/$1" 2>/dev/null) = 1 ]]; }
filtering() { [[ $(xenstore-read "/local/domain/$id/device/vif/0/request-multicast-control") = "$1" ]]; }

# heard: by how much the counters grow for 30 packets to a group. The stock backend filters what is passed on from
# another port of the bridge, and not what dom0 itself sends: so they come from a guest.
heard() {
	local before now
	before=$(guest_run a 'cat /sys/class/net/eth0/statistics/rx_packets')
	guest_run b "ping -q -c 30 -i 0.05 -W 1 -I eth0 224.9.9.9" >/dev/null || true
	now=$(guest_run a 'cat /sys/class/net/eth0/statistics/rx_packets')
	HEARD=$((now - before))
}

make_bridge xenbr0 192.168.77.1/24
offer_queues "$queues"
guest_create a --vcpus "$queues" --vif xenbr0
id=$(guest_id a)
guest_address a eth0 192.168.77.2/24
guest_ping a 192.168.77.1
assert_match "$(guest_run a 'ethtool -i eth0')" 'driver: xpv-netfront' "driver"
assert_match "$(guest_run a 'ethtool -g eth0')" 'RX:[[:space:]]*256' "rings"
combined=$(guest_run a 'ethtool -l eth0' | awk '/^Combined/ { now = $2 } END { print now }')
assert_equal "$(guest_run a 'ls -d /sys/class/net/eth0/queues/rx-* | wc -l')" "$combined" "queues"

# A state that cannot be read for a moment: no carrier, but rings that are there when it can. xpvd would write it anew,
# so it sleeps meanwhile; its worker does not.
carrier() { [[ $(guest_run a "cat /sys/class/net/eth0/carrier") = "$1" ]]; }
state=/local/domain/0/backend/vif/$id/0/state
# shellcheck disable=SC2154
[[ $back = stock ]] || kill -STOP "$(cat /run/lab-xpvd.pid)"
xenstore-rm "$state"
wait_until 10 carrier 0 || fail "the carrier stays on under a backend without a state"
xenstore-write "$state" 4
wait_until 10 carrier 1 || fail "the carrier does not come back with the backend's state"
[[ $back = stock ]] || kill -CONT "$(cat /run/lab-xpvd.pid)"
guest_ping a 192.168.77.1
tcp_from_guest a 192.168.77.1 1

# Busy polling: who waits for packets takes them from the ring itself. A reader that sleeps in read() does, one that
# asks poll() first hardly ever.
busy_poll() { guest_must a "echo $1 >/proc/sys/net/core/busy_read"; }
polled() {
	guest_run a "awk '/^TcpExt/ { if (n) print \$n; for (i = 1; i <= NF; i++) if (\$i == \"BusyPollRxPackets\") n = i }' /proc/net/netstat"
}
if [[ -n ${busy:-} ]]; then
	unpolled=$(polled)
	busy_poll "$busy"
	head -c 2097152 /dev/urandom >"$WORK/payload"
	guest_must a "rm -f /tmp/payload; (timeout 110 socat TCP4-LISTEN:5000,reuseaddr SYSTEM:'cat >/tmp/payload',nofork >/dev/null 2>&1) &"
	wait_until 20 guest_run a "netstat -ltn | grep -q :5000" || fail "guest a does not listen"
	assert socat -u OPEN:"$WORK/payload" TCP4:192.168.77.2:5000
	wait_until 20 guest_run a "[ \$(stat -c %s /tmp/payload) = 2097152 ]" || fail "a busy reader does not get all"
	assert_equal "$(guest_run a 'sha256sum </tmp/payload')" "$(sha256sum <"$WORK/payload")" "what a busy reader got"
	(($(polled) > unpolled)) || fail "no packet was taken by busy polling"
	busy_poll 0
fi

if offered feature-dynamic-multicast-control; then
	guest_create b --vif xenbr0
	guest_address b eth0 192.168.77.3/24
	wait_until 10 filtering 1 || fail "no filter for multicast"
	heard
	((HEARD < 15)) || fail "$HEARD packets came of a group that the guest is not in"
	guest_must a "ip maddr add 01:00:5e:09:09:09 dev eth0"
	nap 1
	heard
	((HEARD >= 30)) || fail "only $HEARD packets came of a group that the guest is in"
	guest_must a "ip maddr del 01:00:5e:09:09:09 dev eth0"
	nap 1
	heard
	((HEARD < 15)) || fail "$HEARD packets came of a group that the guest has left"
	# more groups than a backend keeps: it passes on all of them
	guest_must a "for i in \$(seq 70); do ip maddr add 01:00:5e:01:01:\$(printf %02x \$i) dev eth0; done"
	wait_until 10 filtering 0 || fail "the filter stays with 70 groups"
	heard
	((HEARD >= 30)) || fail "only $HEARD packets came without a filter"
	guest_must a "for i in \$(seq 70); do ip maddr del 01:00:5e:01:01:\$(printf %02x \$i) dev eth0; done"
	wait_until 10 filtering 1 || fail "the filter stays off"
	guest_destroy b
fi

if offered feature-ctrl-ring; then
	guest_must a "ethtool -K eth0 rxhash on"
	assert_match "$(guest_run a 'ethtool -k eth0')" 'receive-hashing: on' "hashing"
	for ((queue = 0; queue < combined; queue++)); do
		guest_must a "ethtool -X eth0 start $queue equal 1"
		for ((i = 0; i < combined; i++)); do before[i]=$(received $i); done
		tcp_to_guest a 192.168.77.2 1
		for ((i = 0; i < combined; i++)); do
			grown=$(($(received $i) - before[i]))
			((i == queue)) || ((grown < 10)) || fail "$grown packets came in by queue $i, meant for $queue"
			((i != queue)) || ((grown > 20)) || fail "only $grown packets came in by queue $queue"
		done
	done
	guest_must a "ethtool -X eth0 default"
	guest_must a "ethtool -K eth0 rxhash off"
	tcp_to_guest a 192.168.77.2 1
fi

# another number of queues is another connection, once to a backend that is not to see what lies beside a packet
bounced() { guest_run a "ethtool -S eth0" | awk '/_tx_bounced:/ { sum += $2 } END { print sum + 0 }'; }
for number in 1 2; do
	((number <= combined)) || continue
	guest_must a "echo $((number - 1)) >/sys/module/xpv_netfront/parameters/trusted"
	guest_must a "ethtool -L eth0 combined $number"
	wait_until 20 guest_run a "ping -c 1 -W 1 192.168.77.1" || fail "no network with $number queues"
	assert_equal "$(guest_run a 'ls -d /sys/class/net/eth0/queues/tx-* | wc -l')" $number "queues"
	copied=$(bounced)
	tcp_from_guest a 192.168.77.1 1
	tcp_to_guest a 192.168.77.2 1
	grown=$(($(bounced) - copied))
	((number == 1 ? grown > 10 : grown < 10)) || fail "$grown packets were copied, trusted=$((number - 1))"
done
guest_shutdown a

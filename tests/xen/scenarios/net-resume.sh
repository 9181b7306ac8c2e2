# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A guest is saved and restored while TCP runs both ways, and finds a backend with another number of queues: each byte
# arrives. Then once more in silence: its neighbours hear where it is now. lan=1: its device is on a switch of ours, with
# that of a guest that stays and exchanges streams with it, too.
# timeout: 400

moves=60	# chunks of a stream
chunk=65536

queues_of_guest() { guest_run a 'ls -d /sys/class/net/eth0/queues/tx-* | wc -l'; }

move() {
	assert xl save a "$WORK/saved"
	guest_gone a || fail "the guest is still there after its saving"
	"$@"
	assert xl restore "$WORK/saved" >/dev/null
	rm "$WORK/saved"
	wait_until 60 guest_run a true || fail "the restored guest does not answer"
}

feed="for i in \$(seq $moves); do head -c $chunk /dev/urandom >/tmp/chunk; cat /tmp/chunk; cat /tmp/chunk >&2; sleep 0.3; done"

make_bridge xenbr0 192.168.77.1/24
offer_queues 4
# shellcheck disable=SC2154
on=${lan:+script=vif-xpv,}bridge=xenbr0
guest_create a --vcpus 4 --mem 256 --vif "$on,mac=00:16:3e:00:77:09"
guest_address a eth0 192.168.77.2/24
guest_ping a 192.168.77.1
# shellcheck disable=SC2154
[[ $back != stock ]] || assert_equal "$(queues_of_guest)" 4 "queues before the move"

guest_must a "(socat -u TCP-LISTEN:5000 OPEN:/tmp/in,creat,trunc; touch /tmp/in.done) >/dev/null 2>&1 &"
timeout 300 socat -u TCP-LISTEN:5001 OPEN:"$WORK/in,creat,trunc" &
receiver=$!
nap 1
guest_must a "(eval '$feed' 2>/tmp/out | socat -u - TCP:192.168.77.1:5001; touch /tmp/out.done) >/dev/null 2>&1 &"
(eval "${feed//\/tmp\/chunk/$WORK/chunk}" 2>"$WORK/out" | timeout 300 socat -u - TCP:192.168.77.2:5000) &
sender=$!
if [[ -n $lan ]]; then
	guest_create b --vif "$on,mac=00:16:3e:00:77:0a"
	guest_address b eth0 192.168.77.3/24
	stream_begin a b 192.168.77.3 5002
	stream_begin b a 192.168.77.2 5003
	stream_moves b 5002
	stream_moves a 5003
fi
nap 4
move offer_queues 2
if [[ -n $lan ]]; then
	stream_moves b 5002
	stream_moves a 5003
	stream_end a b 5002
	stream_end b a 5003
fi
[[ $back != stock ]] || assert_equal "$(queues_of_guest)" 2 "queues after the move"
wait $receiver || fail "dom0: receiver gave $?"
wait $sender || fail "dom0: sender gave $?"
wait_until 60 guest_run a "test -e /tmp/in.done -a -e /tmp/out.done" || fail "the guest's streams do not end"
assert_equal "$(stat -c %s "$WORK/in")" $((moves * chunk)) "bytes that dom0 got"
assert_equal "$(sha256sum <"$WORK/in")" "$(guest_run a 'sha256sum </tmp/out')" "what dom0 got"
assert_equal "$(guest_run a 'sha256sum </tmp/in')" "$(sha256sum <"$WORK/out")" "what the guest got"

# heard: an entry that nobody here has asked for
echo 1 >/proc/sys/net/ipv4/conf/xenbr0/arp_accept
quiet() {
	offer_queues 4
	ip neigh flush dev xenbr0
	assert_fails heard
}
heard() { ip neigh show dev xenbr0 | grep -q '192.168.77.2 .*00:16:3e:00:77:09'; }
move quiet
wait_until 20 heard || fail "no gratuitous ARP after the move"
[[ $back != stock ]] || assert_equal "$(queues_of_guest)" 4 "queues after the second move"
guest_ping a 192.168.77.1

# the channels of ethtool: another connection to the same backend
# shellcheck disable=SC2154
if [[ $front = ours ]]; then
	guest_must a "ethtool -L eth0 combined 1"
	wait_until 20 guest_run a "ping -c 1 -W 1 192.168.77.1" || fail "no network after ethtool -L"
	assert_equal "$(queues_of_guest)" 1 "queues after ethtool -L"
	tcp_to_guest a 192.168.77.2 2
	tcp_from_guest a 192.168.77.1 2
fi
[[ -z $lan ]] || guest_shutdown b
guest_shutdown a

# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What is sent comes back as it was: {1, 4 queues} x {MTU 1500, 9000, 65000} x {TSO on, off} x {untagged, tagged} x
# {IPv4, IPv6} x {TCP, UDP} through a tap, to dom0; and where the backend has a switch, from the guest of one queue to
# that of four. mtus=, queues=.
# timeout: 600

mtus=${mtus:-1500 9000 65000}
queues=${queues:-4}

# Both protocols; datagrams are sent back one by one. A pipe that can be written to has room for 4096 bytes.
SERVE='(socat -b 4096 TCP6-LISTEN:5000,reuseaddr,fork,ipv6only=0 PIPE </dev/null >/dev/null 2>&1 &); (socat -b 65535 UDP6-RECVFROM:5001,fork,ipv6only=0 PIPE </dev/null >/dev/null 2>&1 &)'

# ADDRESS...: a line for each that has sent all back: a stream, and datagrams of one byte, of a packet, of fragments
cat >"$WORK/try" <<'END'
words() { case $1 in *:*) echo "6:[$1]" ;; *) echo "4:$1" ;; esac; }
for at; do
	timeout 100 socat -t 60 - "TCP$(words $at):5000" </tmp/out >/tmp/in
	cmp -s /tmp/in /tmp/out && echo "tcp $at"
done
pids=
for size in 1 1400 20000; do
	head -c $size /tmp/out >/tmp/part.$size
	for at; do
		socat -b 65535 -t 60 - "UDP$(words $at):5001" </tmp/part.$size >/tmp/in.$at.$size &
		pids="$pids $!"
	done
done
back() { for size in 1 1400 20000; do cmp -s /tmp/part.$size /tmp/in.$1.$size || return 1; done; }
all_back() { for at; do back $at || return 1; done; }
n=0
until all_back "$@" || [ $n -ge 60 ]; do n=$((n + 1)); sleep 1; done
kill $pids 2>/dev/null
wait
for at; do ! back $at || echo "udp $at"; done
END

# addresses GUEST DEVICE NUMBER NET: untagged, and tagged with VLAN 10
addresses() {
	guest_must "$1" "modprobe 8021q && ip link set $2 up && ip link add link $2 name $2.10 type vlan id 10 && ip link set $2.10 up
		ip addr add 192.168.$4.$3/24 dev $2; ip -6 addr add fd$4::$3/64 dev $2 nodad
		ip addr add 192.168.1$4.$3/24 dev $2.10; ip -6 addr add fd$4:10::$3/64 dev $2.10 nodad"
}

# there_and_back GUEST NET NUMBER WORD: adds to cells
cells=0
there_and_back() {
	local got
	guest_must "$1" "head -c 300000 /dev/urandom >/tmp/out"
	got=$(guest_run "$1" "sh /tmp/try 192.168.$2.$3 fd$2::$3 192.168.1$2.$3 fd$2:10::$3" 200)
	[[ $(wc -l <<<"$got") -eq 8 ]] || fail "$4: only these came back as they were sent: ${got//$'\n'/, }"
	cells=$((cells + 8))
}

make_bridge xenbr0 192.168.77.1/24
ip -6 addr add fd77::1/64 dev xenbr0 nodad
modprobe 8021q
ip link add link xenbr0 name xenbr0.10 type vlan id 10
ip addr add 192.168.177.1/24 dev xenbr0.10
ip -6 addr add fd77:10::1/64 dev xenbr0.10 nodad
ip link set xenbr0.10 up
eval "$SERVE"

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
	guest_push $name "$WORK/try" /tmp/try
	addresses $name eth0 $number 77
	[[ -z ${lan[*]} ]] || addresses $name eth1 $number 78
done
guest_must b "$SERVE"
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
guest_shutdown a
guest_shutdown b

# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Bridges and the guests' addresses. dom0 is .1, guests choose theirs.

make_bridge() { # NAME [ADDRESS/LEN]
	ip link add "$1" type bridge stp_state 0 forward_delay 0
	[[ -z ${2:-} ]] || ip addr add "$2" dev "$1"
	ip link set "$1" up
}

bridges() { ip -o link show type bridge | sed 's/^[0-9]*: \([^:@]*\).*/\1/'; }
dummies() { ip -o link show type dummy | sed 's/^[0-9]*: \([^:@]*\).*/\1/'; }

# BRIDGE -> an xl vif line; a full one passes as it is
vif_spec() { [[ $1 == *=* ]] && echo "$1" || echo "bridge=$1"; }

guest_address() { # NAME DEVICE ADDRESS/LEN
	guest_must "$1" "ip addr add $3 dev $2 && ip link set $2 up"
}

guest_ping() { # NAME ADDRESS
	guest_must "$1" "ping -c 3 -W 5 $2" >/dev/null
}

# Queues that the backend offers from now on. Ours says so in xpvd.conf; without a word it offers as many as a guest of
# four CPUs wants, where the stock one counts dom0's.
offer_queues() { # N
	# shellcheck disable=SC2154
	[[ $back != stock ]] || echo "$1" >/sys/module/xen_netback/parameters/max_queues
}

vifs() { ip -br link | awk '/^vif/ { print $1 }'; }
no_vifs() { [[ -z $(vifs) ]]; }

# tcp ADDRESS: sets TCP and AT to what socat calls its family and itself
tcp() {
	if [[ $1 = *:* ]]; then TCP=TCP6 AT="[$1]"; else TCP=TCP4 AT=$1; fi
}

# tcp_to_guest NAME ADDRESS MB: dom0 sends random bytes; the guest must have got the same
tcp_to_guest() {
	local TCP AT
	tcp "$2"
	head -c $(($3 << 20)) /dev/urandom >"$WORK/payload"
	guest_run "$1" "timeout 60 socat -u $TCP-LISTEN:5000,reuseaddr OPEN:/tmp/payload,creat,trunc" 70 &
	local receiver=$!	# by name: what guest_run does leaves another $!
	wait_until 20 guest_run "$1" "netstat -ltn | grep -q :5000" || fail "guest $1 does not listen"
	assert socat -u OPEN:"$WORK/payload" "$TCP:$AT:5000"
	wait $receiver || fail "guest $1: receiver gave $?"
	assert_equal "$(guest_run "$1" 'sha256sum </tmp/payload')" "$(sha256sum <"$WORK/payload")" "what guest $1 got"
}

# tcp_from_guest NAME ADDRESS-OF-DOM0 MB
tcp_from_guest() {
	local TCP AT
	tcp "$2"
	timeout 60 socat -u "$TCP-LISTEN:5001,reuseaddr" OPEN:"$WORK/got,creat,trunc" &
	local receiver=$!
	guest_must "$1" "head -c $(($3 << 20)) /dev/urandom >/tmp/payload && socat -u OPEN:/tmp/payload $TCP:$AT:5001,retry=10" 70
	wait $receiver || fail "dom0: receiver gave $?"
	assert_equal "$(sha256sum <"$WORK/got")" "$(guest_run "$1" 'sha256sum </tmp/payload')" "what dom0 got"
}

# stream_begin FROM TO ADDRESS PORT: guest FROM sends to guest TO, now and then a chunk, until stream_end FROM TO PORT
stream_begin() {
	guest_must "$2" "(socat -u TCP-LISTEN:$4,reuseaddr OPEN:/tmp/in.$4,creat,trunc; touch /tmp/in.$4.done) >/dev/null 2>&1 &"
	guest_must "$1" "(while ! test -e /tmp/out.$4.stop; do head -c 20000 /dev/urandom | tee -a /tmp/out.$4; sleep 0.2; done |
		socat -u - TCP:$3:$4,retry=10) >/dev/null 2>&1 &"
}

# stream_moves TO PORT: bytes arrive there, more than when it was asked
stream_moves() {
	local -i was
	was=$(guest_run "$1" "stat -c %s /tmp/in.$2")
	wait_until 60 guest_run "$1" "[ \$(stat -c %s /tmp/in.$2) -gt $was ]" || fail "guest $1 gets no more than $was bytes at port $2"
}

stream_end() {
	guest_must "$1" "touch /tmp/out.$3.stop"
	wait_until 60 guest_run "$2" "test -e /tmp/in.$3.done" || fail "the stream from guest $1 to guest $2 does not end"
	assert_equal "$(guest_run "$2" "sha256sum </tmp/in.$3")" "$(guest_run "$1" "sha256sum </tmp/out.$3")" "what guest $2 got from guest $1"
}

ping_guest() { # ADDRESS [PING-OPTION...]
	local address=$1
	shift
	assert ping -q -c 2 -W 5 "$@" "$address" >/dev/null
}

# an Open vSwitch over the kernel's datapath, for vif-openvswitch
OVS=/run/openvswitch
ovs_start() {
	modprobe openvswitch
	mkdir -p $OVS /var/log/openvswitch /etc/openvswitch
	ovsdb-tool create $OVS/conf.db /usr/share/openvswitch/vswitch.ovsschema
	ovsdb-server $OVS/conf.db --remote=punix:$OVS/db.sock --pidfile --detach --log-file --no-chdir
	ovs-vsctl --no-wait init
	ovs-vswitchd --pidfile --detach --log-file --no-chdir 2>/dev/null
}

ovs_stop() {
	local bridge name pid
	[[ -d $OVS ]] || return 0
	for bridge in $(ovs-vsctl --timeout=10 list-br); do ovs-vsctl --timeout=10 del-br "$bridge"; done
	for name in ovs-vswitchd ovsdb-server; do
		pid=$(<$OVS/$name.pid)
		kill "$pid"
		wait_until 10 gone "$pid"
	done
	rm -r $OVS
}

# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Network devices come and go under a running guest.
# timeout: 120

make_bridge xenbr0 192.168.77.1/24
guest_create a

for round in 1 2; do
	xl network-attach a bridge=xenbr0 "mac=00:16:3e:00:78:0$round"
	wait_until 10 guest_run a "test -e /sys/class/net/eth0" || fail "no eth0 in the guest"
	assert_equal "$(xl network-list a | awk 'NR > 1' | wc -l)" 1 "devices listed"
	guest_address a eth0 192.168.77.2/24
	guest_ping a 192.168.77.1
	# the second goes away while packets run both ways: to a port where nobody listens
	((round == 1)) || guest_must a "(socat -u -b 8000 /dev/zero UDP4-SENDTO:192.168.77.1:9 >/dev/null 2>&1 &) ; sleep 1"
	xl network-detach a 0
	wait_until 10 guest_run a "! test -e /sys/class/net/eth0" || fail "eth0 stays in the guest"
	assert_equal "$(xl network-list a | awk 'NR > 1' | wc -l)" 0 "devices listed after detach"
	wait_until 10 no_vifs || fail "vifs left: $(vifs)"
done
guest_shutdown a

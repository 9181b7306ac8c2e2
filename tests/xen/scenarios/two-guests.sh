# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Two guests at once, each with disk and NIC: they talk to each other and keep their disks apart.
# timeout: 180

make_bridge xenbr0 192.168.77.1/24
for name in a b; do
	guest_create $name --no-wait --disk "$(mkdisk $name 32)" --vif xenbr0
done
guest_wait a
guest_wait b
guest_address a eth0 192.168.77.2/24
guest_address b eth0 192.168.77.3/24
guest_ping a 192.168.77.3
guest_ping b 192.168.77.2

guest_must b "(socat -u TCP-LISTEN:5000 OPEN:/tmp/in,creat,trunc >/dev/null 2>&1; sync) & sleep 1"
guest_must a "head -c 2097152 /dev/urandom >/tmp/out && socat -u OPEN:/tmp/out TCP:192.168.77.3:5000" 90
assert_equal "$(guest_run b 'sha256sum </tmp/in')" "$(guest_run a 'sha256sum </tmp/out')" "what arrived at b"

writers=()
for name in a b; do
	guest_run $name "for i in \$(seq 100); do echo guest $name; done | dd of=/dev/xvda bs=4k conv=sync,fsync 2>/dev/null" &
	writers+=($!)
done
wait "${writers[@]}"
for name in a b; do
	assert_equal "$(tr -d '\0' <"$WORK/$name" | sort | uniq -c | sed 's/^ *//')" "100 guest $name" "disk of $name"
done
guest_shutdown a
guest_shutdown b

# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# xpvd is killed and started again under a guest that does I/O; then its worker is; then both make way for what is
# installed. The guest sees no error.
# timeout: 180

[[ $back = xpv ]] || skip "about xpvd"
make_bridge xenbr0 192.168.77.1/24
disk=$(mkdisk root 32)
guest_create a --disk "$disk" --vif xenbr0
guest_address a eth0 192.168.77.2/24
id=$(guest_id a)
worker() { read -r pid _ <"/run/xpv/worker-$id" && echo "$pid"; }
other_worker() { local now; now=$(worker) && [[ $now != "$1" ]] && kill -0 "$now"; }
works() { # WORD
	guest_ping a 192.168.77.1
	guest_must a "echo $1 | dd of=/dev/xvda bs=512 conv=sync,fsync 2>/dev/null"
	assert_equal "$(head -n1 "$disk" | tr -d '\0')" "$1" "what the disk holds"
}
states() { xenstore-read "/local/domain/0/backend/vbd/$id/51712/state" "/local/domain/0/backend/vif/$id/0/state"; }

works first
was=$(worker)
guest_must a "(dd if=/dev/zero of=/dev/xvda bs=64k seek=16 oflag=direct 2>/tmp/dd; echo \$? >/tmp/rc) & sleep 0.1"
kill -9 "$(cat /run/lab-xpvd.pid)"
works alone
backend_start_xpv
assert_equal "$(states)" $'4\n4' "states"
assert_equal "$(worker)" "$was" "worker"
works adopted

kill -9 "$was"
wait_until 20 other_worker "$was" || fail "no other worker"
# its tap is a new one, which takes a moment to come to the bridge; a network may lose packets
wait_until 20 guest_run a "ping -c 1 -W 2 192.168.77.1" || fail "no network through the other worker"
works restarted
assert_equal "$(states)" $'4\n4' "states"

# xpvd becomes the program that is installed, the same process, and has the tap that it made
was=$(worker) tap=$(cat "/sys/class/net/vif$id.0/ifindex")
kill -HUP "$(cat /run/lab-xpvd.pid)"
wait_until 20 other_worker "$was" || fail "no other worker after a reload"
wait_until 20 guest_run a "ping -c 1 -W 2 192.168.77.1" || fail "no network after a reload"
works reloaded
assert_equal "$(states)" $'4\n4' "states"
assert_equal "$(cat "/sys/class/net/vif$id.0/ifindex")" "$tap" "the tap"

xl block-detach a xvda
xl network-detach a 0
wait_until 10 no_vifs || fail "vifs left: $(vifs)"
guest_shutdown a

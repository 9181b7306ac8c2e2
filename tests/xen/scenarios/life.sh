# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A guest with disk and NIC reboots, is destroyed in the midst of its I/O and made again; nothing stays behind.
# timeout: 180

make_bridge xenbr0 192.168.77.1/24
disk=$(mkdisk root 32)
create() { guest_create a --disk "$disk" --vif xenbr0; }
works() { # WORD
	guest_address a eth0 192.168.77.2/24
	guest_ping a 192.168.77.1
	guest_must a "echo $1 | dd of=/dev/xvda bs=512 conv=sync,fsync 2>/dev/null"
	assert_equal "$(head -n1 "$disk" | tr -d '\0')" "$1" "what the disk holds"
}

create
works first
xl reboot a
guest_wait a 2
works second

guest_must a "(dd if=/dev/zero of=/dev/xvda bs=64k oflag=direct 2>/dev/null; true) & sleep 0.2"
guest_destroy a
wait_until 20 no_vifs || fail "vifs left: $(vifs)"
wait_until 20 no_loops || fail "loop devices left: $(losetup -a)"

create
works third
guest_shutdown a

# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Disks come and go under a running guest: attach, list, use, detach, and the same name again.
# timeout: 120

root=$(mkdisk root 32)
extra=$(mkdisk extra 48)
guest_create a --disk "$root"

for round in 1 2; do
	xl block-attach a "$(disk_spec "$extra,xvdc")"
	wait_until 10 guest_run a "test -b /dev/xvdc" || fail "no xvdc in the guest"
	assert_equal "$(guest_run a 'blockdev --getsize64 /dev/xvdc')" $((48 << 20)) "size of xvdc"
	assert_equal "$(xl block-list a | awk 'NR > 1' | wc -l)" 2 "disks listed"
	guest_must a "echo round $round | dd of=/dev/xvdc bs=512 conv=sync,fsync 2>/dev/null"
	xl block-detach a xvdc
	assert_equal "$(xl block-list a | awk 'NR > 1' | wc -l)" 1 "disks listed after detach"
	wait_until 10 guest_run a "! test -b /dev/xvdc" || fail "xvdc stays in the guest"
	assert_equal "$(head -n1 "$extra" | tr -d '\0')" "round $round" "what the disk holds"
done

# a read-only disk refuses writes and nothing else
xl block-attach a "$(disk_spec "$extra,xvdd,r")"
wait_until 10 guest_run a "test -b /dev/xvdd" || fail "no xvdd in the guest"
assert_equal "$(guest_run a 'blockdev --getro /dev/xvdd')" 1 "read-only flag"
assert_equal "$(guest_run a 'head -n1 /dev/xvdd')" "round 2" "what the guest reads"
assert_fails guest_run a "dd if=/dev/zero of=/dev/xvdd bs=4k count=1 conv=fsync 2>/dev/null"

guest_shutdown a
wait_until 10 no_loops || fail "loop devices left: $(losetup -a)"

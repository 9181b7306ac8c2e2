# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Disks come and go under a running guest: attach, list, use, detach, also while in use, and the same name again.
# timeout: 180

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

# the 27th disk
xl block-attach a "$(disk_spec "$extra,xvdaa,r")"
wait_until 10 guest_run a "test -b /dev/xvdaa" || fail "no xvdaa in the guest"
assert_equal "$(guest_run a 'head -n1 /dev/xvdaa')" "round 2" "what the guest reads"
xl block-detach a xvdaa

# in use it goes all the same: its users get errors, and the next disk of that name is another
xl block-attach a "$(disk_spec "$extra,xvde")"
wait_until 10 guest_run a "test -b /dev/xvde" || fail "no xvde in the guest"
guest_must a "(fio --name=use --filename=/dev/xvde --ioengine=libaio --direct=1 --rw=randrw --bs=16k --iodepth=8 --time_based \
	--runtime=60 --output-format=terse >/dev/null 2>&1; echo \$? >/run/use.rc) </dev/null >/dev/null 2>&1 &
	(exec 5<>/dev/xvde; sleep 60 & echo \$! >/run/holder; wait) </dev/null >/dev/null 2>&1 &"
# a nested guest takes its time to start fio
wait_until 90 guest_run a "awk '{ exit !(\$1 + \$2) }' /sys/block/xvde/inflight" || fail "xvde is idle"
assert xl block-detach a xvde
wait_until 20 guest_run a "! test -b /dev/xvde && test -e /run/use.rc" || fail "xvde stays in use"
assert_fails guest_run a "grep -qx 0 /run/use.rc"
guest_must a "kill \$(cat /run/holder)"
xl block-attach a "$(disk_spec "$extra,xvde")"
wait_until 10 guest_run a "test -b /dev/xvde" || fail "no second xvde in the guest"
guest_must a "dd if=/dev/xvde of=/dev/null bs=64k count=16 iflag=direct 2>/dev/null"
xl block-detach a xvde

guest_shutdown a
wait_until 10 no_loops || fail "loop devices left: $(losetup -a)"

# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Storage that does not answer for a while: what is under way waits, well beyond the guest's own timeout, and then is done,
# without an error; the guest's other disk goes on meanwhile. A guest that is destroyed in the midst is gone when the storage
# is back. (A device-mapper target that is suspended holds what comes.)
# timeout: 150

[[ $back != qdisk ]] || skip "QEMU waits for its target with all its disks"
export DM_DISABLE_UDEV=1
modprobe dm-mod
dmsetup create slow --table "0 32768 linear $(losetup -f --show "$(mkdisk below 16)") 0"
stop() { assert dmsetup suspend --noflush --nolockfs slow; }
go_on() { assert dmsetup resume slow; }
spec="format=raw,access=rw,${script:+script=$script,}vdev=xvdb,target=/dev/mapper/slow"
guest_create a --disk "$(mkdisk other 16)" --disk "$spec"
in_flight() { guest_run a "awk '{ exit !(\$1 + \$2) }' /sys/block/xvdb/inflight"; }
write_all() { # FILE-THAT-SAYS-IT-IS-DONE
	guest_must a "(fio --output-format=terse --name=slow --filename=/dev/xvdb --ioengine=libaio --direct=1 --iodepth=16 --rw=randrw \
		--bsrange=4k-128k --size=12m --verify=crc32c --verify_fatal=1 >/tmp/fio 2>&1; echo \$? >$1) </dev/null >/dev/null 2>&1 &"
}

# the stock driver knows no timeout
[[ $front != ours ]] || guest_must a "echo 3000 >/sys/block/xvdb/queue/io_timeout"
stop
write_all /tmp/done
wait_until 20 in_flight || fail "no request is under way"
nap 10
guest_must a "dd if=/dev/urandom of=/dev/xvda bs=64k count=32 oflag=direct 2>/dev/null && dd if=/dev/xvda of=/dev/null bs=64k count=32 iflag=direct 2>/dev/null"
assert in_flight
assert_fails guest_run a "test -e /tmp/done"
go_on
wait_until 40 guest_run a "test -e /tmp/done" || fail "the guest's I/O does not end"
assert_equal "$(guest_run a 'cat /tmp/done')" 0 "fio ($(guest_run a 'tail -n 2 /tmp/fio'))"
log=$(guest_run a dmesg)
[[ $log && $log != *"I/O error"* ]] || fail "the guest had an error: ${log##*I/O error}"

stop
write_all /tmp/never
wait_until 20 in_flight || fail "no request is under way"
xl destroy a || true	# it waits 10 s for the backend, which can do nothing yet
nap 1
go_on
wait_until 20 guest_gone a || fail "a guest whose storage was slow stays"
wait_until 20 dmsetup remove slow || fail "somebody holds the slow disk"
losetup -D

# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A disk under load is paused, its guest's suspend is cancelled, and it is saved and restored, each time to a backend that
# offers something else: fewer and more rings, shorter requests, other grants. No error, and every block as it was written.
# timeout: 360

vcpus=${vcpus:-2}
disk=$(mkdisk one 64)

# fio in the guest leaves its exit code behind when it is done
load_start() {
	guest_must a "rm -f /run/fio.done; (fio --output-format=terse --name=load --filename=/dev/xvda --size=48m --ioengine=libaio \
		--direct=1 --rw=randwrite --bsrange=4k-1m --iodepth=16 --loops=$1 --verify=crc32c \
		--verify_fatal=1 --do_verify=1 --fsync=64 >/run/fio.out 2>&1; echo \$? >/run/fio.done) </dev/null >/dev/null 2>&1 &"
}
load_runs() { ! guest_run a "test -e /run/fio.done"; }
load_end() {
	wait_until 150 guest_run a "test -e /run/fio.done" || fail "fio does not end"
	assert_equal "$(guest_run a 'cat /run/fio.done')" 0 "fio's exit code ($(guest_run a 'tail -n 2 /run/fio.out'))"
}
in_flight() { guest_run a "awk '{ print \$1 + \$2 }' /sys/block/xvda/inflight"; }
# sectors read and written: fio reads for a long time when it verifies
moved() { guest_run a "awk '{ print \$3 + \$7 }' /sys/block/xvda/stat"; }
gets_on() { (($(moved) > before)); }
# what a guest says whose load does not get on
stuck() { guest_run a "echo \"in flight: \$(cat /sys/block/xvda/inflight), stat: \$(cat /sys/block/xvda/stat)\"; tail -n 3 /run/fio.*; dmesg | tail -n 20"; }

disk_offer 1 256 1
guest_create a --vcpus "$vcpus" --disk "$disk"
load_start 4

# ---- paused: a long wait is no error
xl pause a
nap 3
xl unpause a
before=$(moved)
wait_until 20 gets_on || { stuck; fail "no I/O after unpause"; }

# ---- a suspend that is cancelled: the rings are the same
assert xl save -c a "$WORK/image"
rm -f "$WORK/image"
before=$(moved)
wait_until 20 gets_on || { stuck; fail "no I/O after a cancelled suspend"; }
load_runs || fail "fio ended before the restore: $(guest_run a 'tail -n 2 /run/fio.out')"

# ---- restored, to other backends
for change in "2 32 0" "1 0 1" "4 256 1"; do
	read -r queues segments keeps <<<"$change"
	load_runs || { load_end; load_start 2; }
	assert xl save a "$WORK/image"
	wait_until 20 guest_gone a || fail "the guest stays after save"
	disk_offer "$queues" "$segments" "$keeps"
	assert xl restore "$WORK/image"
	rm -f "$WORK/image"
	wait_until 30 guest_run a true || fail "the guest does not answer after restore"
	echo "restored with $change: $(guest_run a "echo \$(ls /sys/block/xvda/mq | wc -l) hardware queues, \$(cat /sys/block/xvda/queue/max_segments) segments")"
	[[ $back != stock ]] || segments=256
	((segments > 11)) || segments=11
	assert_equal "$(guest_run a 'cat /sys/block/xvda/queue/max_segments')" "$segments" "segments after restore"
	# with more rings than before come more queues, and they stay
	[[ $front != ours ]] || wait_until 20 guest_run a "test -d /sys/block/xvda/mq/1" || fail "one hardware queue after restore"
	before=$(moved)
	load_runs || load_start 2
	wait_until 30 gets_on || { stuck; fail "no I/O after restore"; }
done
load_end
assert_equal "$(in_flight)" 0 "requests in flight at the end"
guest_must a "mkfs.ext4 -q /dev/xvda && mount -t ext4 /dev/xvda /mnt && echo after >/mnt/word && umount /mnt"
guest_shutdown a

# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What our frontend makes of backends that can less than ours, or more: the disk's limits are what was offered, and no request
# is sent that was not. The backend (tests/hostile) fails each one that it did not ask for.
# timeout: 150

[[ $front == ours ]] || skip "a test of our frontend"
[[ -x $BAD_BACKEND ]] || skip "no $BAD_BACKEND in the overlay"
backend_use none
disk=$(mkdisk empty 4)
guest_create a

limit() { guest_run a "cat /sys/block/xvdb/$1"; }
write="fio --name=w --filename=/dev/xvdb --size=64k --bs=4k --rw=write --direct=1 --ioengine=psync --output-format=terse"
writes() { guest_run a "$write $* >/dev/null 2>&1"; }
discards() { guest_run a "blkdiscard $* /dev/xvdb 2>/dev/null"; }

# a barrier with data is what a forced unit access becomes, and one without data a flush
bad_attach_there barrier
assert_equal "$(limit queue/write_cache)" "write back" "mode $mode: cache"
assert_equal "$(limit queue/fua)" 1 "mode $mode: FUA"
assert_equal "$(limit queue/max_segments)" 11 "mode $mode: segments, of 8 indirect ones offered"
assert_fails writes
assert writes --sync=dsync
assert_fails discards
bad_detach

bad_attach_there no-cache
assert_equal "$(limit queue/write_cache)" "write through" "mode $mode: cache"
assert writes --sync=dsync --end_fsync=1
bad_detach

# a flush that the backend cannot do after all: there is nothing to flush, and it is not asked again
bad_attach_there refuse
assert_equal "$(limit queue/fua)" 0 "mode $mode: FUA"
assert writes --sync=dsync --end_fsync=1
assert_equal "$(guest_run a "dmesg | grep -c 'refuses to flush'")" 1 "mode $mode: lines in the log"
bad_detach

bad_attach_there secure
for wanted in removable=1 queue/discard_granularity=8192 queue/physical_block_size=4096 \
	queue/logical_block_size=512; do
	assert_equal "$(limit "${wanted%=*}")" "${wanted#*=}" "mode $mode: ${wanted%=*}"
done
assert discards --secure
assert_fails discards
bad_detach
guest_shutdown a

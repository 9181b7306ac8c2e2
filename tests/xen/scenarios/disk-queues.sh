# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A disk with each of the frontend's features, as module parameters ask for them: rings, grants, length of requests, polling.
# Parameters: vcpus (4) queues (16, stock 4) indirect (256, stock 32) order (0) persistent (Y) trusted (Y) poll (0, ours only).
# What the guest shows must be what both ends can, and data must come through in every way of I/O. A disk of ours costs the
# guest hardly more memory with many rings than with one.
# timeout: 300

case $front in
ours) module=xpv_blkfront words="xpv_blkfront.poll_queues=${poll:=0}" longest=256 most=16 ;;
# With 256 segments it sets 32 MiB a queue aside, which leaves fio nothing of this guest's memory.
stock) module=xen_blkfront words='' poll=0 longest=32 most=4 ;;
esac
# what ours does unasked; it is asked for the rest alone, the stock one for everything
usual() { : "${queues:=$most}" "${indirect:=$longest}" "${order:=0}" "${persistent:=Y}" "${trusted:=Y}"; }
[[ $front = ours ]] || usual
for wish in queues:max_queues indirect:max_indirect_segments order:max_ring_page_order \
	persistent:feature_persistent trusted:trusted; do
	name=${wish%:*}
	[[ ! -v $name ]] || words+=" $module.${wish#*:}=${!name}"
done
usual
vcpus=${vcpus:-4} size=64

# The emulated dom0 has one processor, for which the stock backend would offer one ring.
disk=$(mkdisk one $size)
offered=$((queues + poll > 16 ? 16 : queues + poll))
disk_offer "$offered" $((indirect > 256 ? indirect : 256)) 1

# memory for the buffers of all writers below
guest_create a --vcpus "$vcpus" --mem 384 --disk "$disk" --append "$words"

# ---- what was agreed

front_dir=/local/domain/$(guest_id a)/device/vbd/51712
back_dir=$(xenstore-read "$front_dir/backend")
key() { xenstore-read "$1" 2>/dev/null || echo 0; }	# absent is 0
smaller() { echo $(($1 < $2 ? $1 : $2)); }

rings=$(($(smaller "$vcpus" $((offered - poll))) + poll))
rings=$(smaller "$rings" "$(key "$back_dir/multi-queue-max-queues")")
((rings == 1)) || assert_equal "$(key "$front_dir/multi-queue-num-queues")" "$rings" "rings"
segments=$(smaller "$indirect" "$(key "$back_dir/feature-max-indirect-segments")")
((segments > 11)) || segments=11
agreed=$(smaller "$order" "$(key "$back_dir/max-ring-page-order")")
assert_equal "$(key "$front_dir/ring-page-order")" "$agreed" "ring order"
wanted=0
[[ $persistent == N ]] || wanted=1
assert_equal "$(key "$front_dir/feature-persistent")" "$wanted" "feature-persistent of the frontend"

# the queue's limits, and a number for each hardware queue
read -r ways kb chunk < <(guest_run a "cd /sys/block/xvda && cat queue/max_hw_sectors_kb queue/max_segments | xargs echo \$(ls mq | wc -l)")
assert_equal "$ways" "$rings" "hardware queues"
assert_equal "$chunk" "$segments" "segments of a request"
assert_equal "$kb" $((segments * 4)) "KiB of a request"

# ---- data, in every way of I/O

# fio_verify WORDS: each block carries its checksum
fio_verify() {
	guest_run a "fio --output-format=terse --name=verify --filename=/dev/xvda --size=${size}m --verify=crc32c --verify_fatal=1 \
		--do_verify=1 $*" 150 >"$WORK/fio" && return
	tail -n 5 "$WORK/fio"
	fail "fio $* ($(guest_run a "echo in flight: \$(cat /sys/block/xvda/inflight), stat: \$(cat /sys/block/xvda/stat)"))"
}
interrupts() {
	guest_run a "awk '/xvda-[0-9]+\$|blkif/ { for (i = 2; i <= $vcpus + 1; i++) n += \$i } END { print n + 0 }' /proc/interrupts"
}
each=$((size / vcpus))
fio_verify --ioengine=libaio --direct=1 --rw=randwrite --bs=4k --iodepth=64 --numjobs="$vcpus" --size=${each}m \
	--offset_increment=${each}m --io_size=1m
before=$(interrupts)
fio_verify --ioengine=libaio --direct=1 --rw=write --bs=2m --iodepth=4 --io_size=32m
echo "32 MiB written and read in pieces of 2 MiB: $(($(interrupts) - before)) interrupts"
fio_verify --ioengine=libaio --direct=1 --rw=randwrite --bsrange=512-300k --iodepth=16 --io_size=12m
fio_verify --ioengine=psync --rw=randwrite --bs=8k --fsync=32 --end_fsync=1 --io_size=3m
if [[ $(key "$back_dir/feature-discard") == 1 ]]; then
	fio_verify --ioengine=psync --direct=1 --rw=trimwrite --bs=64k --io_size=4m
	guest_must a "blkdiscard /dev/xvda"
fi

# polled: hundreds of requests and hardly an interrupt
if ((poll && rings > 1)); then
	before=$(interrupts)
	fio_verify --ioengine=io_uring --hipri --direct=1 --rw=randwrite --bs=4k --iodepth=4 --io_size=2m
	after=$(interrupts)
	((before > 100)) || fail "no interrupts counted: $before"
	((after - before < 200)) || fail "1024 polled requests raised $((after - before)) interrupts"
fi

# what the frontend says of itself
if [[ $front == ours ]]; then
	kept="per request"
	[[ $(key "$front_dir/feature-persistent")$(key "$back_dir/feature-persistent") != 11 ]] || kept=persistent
	said=$(guest_run a 'dmesg | grep xvda:')
	echo "$said"
	assert_match "$said" "grants: $kept" "how pages are granted"
fi
# ---- the memory of a disk

# A ring is a page and a bit, a request of the longest kind is set aside once a disk; blk-mq has 20 KiB a ring.
# What requests have taken stays, at most 16 MiB a disk.
available() { guest_run a "echo 3 >/proc/sys/vm/drop_caches; awk '/^MemAvailable/ { print \$2 }' /proc/meminfo"; }
if [[ $front == ours ]]; then
	free=$(available)
	assert xl block-attach a "$(disk_spec "$(mkdisk two 64),xvdb")"
	wait_until 20 guest_run a "test -b /dev/xvdb" || fail "no xvdb"
	attached=$((free - $(available)))
	guest_must a "fio --output-format=terse --name=fill --filename=/dev/xvdb --ioengine=libaio --direct=1 --rw=write --bs=1m \
		--iodepth=4 --numjobs=$vcpus --size=${each}m --offset_increment=${each}m --io_size=8m >/dev/null" 150
	used=$((free - $(available)))
	echo "memory of a second disk, $rings rings: $attached KiB attached, $used KiB after $vcpus writers of 1 MiB, 4 at a time"
	# the processors' lists of free pages are not counted as free, which makes it a rough measure
	((attached < 4096 + rings * 96)) || fail "an idle disk of $rings rings takes $attached KiB"
	((used < 16384 + 4096)) || fail "a disk of $rings rings has taken $used KiB"
fi
guest_shutdown a

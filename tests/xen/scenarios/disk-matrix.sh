# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# One disk, attached anew to a driver loaded anew for every shape of the ring: {1, 4 queues} x {copy, persistent grants} x {direct,
# indirect requests}. Each is proved to be what both ends agreed on, and fio writes and verifies through it.
# Parameters: queues, persistent, indirect: one value each instead of two.
# timeout: 240

# dom0 has one CPU, for which the stock backend would offer one queue
disk_offer 4 256 1
disk=$(mkdisk matrix 32)
guest_create a --vcpus 4 --disk "$disk"
id=$(guest_id a)
fe=/local/domain/$id/device/vbd/51712
be=$(xenstore-read "$fe/backend")
[[ $front = ours ]] && module=xpv-blkfront || module=xen-blkfront

# store PATH DEFAULT
store() { xenstore-read "$1" 2>/dev/null || echo "$2"; }
is_in() { [[ $(store "$1/state" gone) = "$2" ]]; }
sysfs() { guest_run a "cd /sys/block/xvda && $1"; }

# The stock frontend connects a device once only, so each round attaches a new one.
load() { # MODULE-PARAMETERS
	assert xl block-detach a xvda
	wait_until 20 guest_run a "rmmod $module" || fail "rmmod $module: $(guest_run a "rmmod $module")"
	guest_must a "modprobe $module $1"
	assert xl block-attach a "$(disk_spec "$disk")"
	wait_until 20 is_in "$be" 4 || fail "backend does not connect with $1"
	wait_until 20 guest_run a "test -b /dev/xvda" || fail "no xvda with $1"
}

# what QEMU's backend cannot do is the same in every round
limit() { if [[ $back = qdisk ]]; then echo "$2"; else echo "$1"; fi; }

all_queues=${queues:-1 4} all_persistent=${persistent:-0 1} all_indirect=${indirect:-0 32}
for queues in $all_queues; do
	for persistent in $all_persistent; do
		for indirect in $all_indirect; do
			began=$(uptime_ms)
			load "max_queues=$queues feature_persistent=$persistent max_indirect_segments=$indirect"
			attached=$(seconds_since "$began")
			assert_equal "$(sysfs 'ls mq | wc -l')" "$(limit "$queues" 1)" "queues in the guest"
			assert_equal "$(store "$fe/multi-queue-num-queues" 1)" "$(limit "$queues" 1)" "queues in the store"
			both=$(($(store "$fe/feature-persistent" 0) & $(store "$be/feature-persistent" 0)))
			assert_equal "$both" "$(limit "$persistent" 0)" "persistent grants"
			segments=$(sysfs 'cat queue/max_segments')
			assert_equal "$((segments > 11))" "$(limit $((indirect > 0)) 0)" "indirect requests, with $segments segments"
			guest_must a "fio --output-format=terse --name=$queues$persistent$indirect --filename=/dev/xvda --thread \
				--numjobs=$queues --offset_increment=8m --size=$((4 / queues + 1))m --ioengine=libaio --direct=1 --iodepth=8 \
				--rw=randwrite --bssplit=4k/50:20k/20:128k/30 --verify=crc32c --verify_fatal=1" 60 >/dev/null
			echo "$queues queues, persistent $both, $segments segments: attached after $attached s, verified after $(seconds_since "$began")"
		done
	done
done
sum=$(guest_run a "echo 3 >/proc/sys/vm/drop_caches; sha256sum </dev/xvda")
guest_shutdown a
assert_equal "$(sha256sum <"$disk")" "$sum" "the disk in dom0"

# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What users of xen-blkfront find in sysfs they find with xpv-blkfront too: in one guest, on one disk and one backend, first
# the one module, then the other. The same attributes of the disk, its queue and its device, with the same values but for
# those named below; the same parameters, as writable as there; and I/O is counted to the sector.
# timeout: 150

[[ $front = ours ]] || skip "it takes both modules itself"
disk=$(mkdisk one 16)
guest_create a --vcpus 2 --blk stock --disk "$disk"

# our requests are longer, and that is told; how long a queue is and what it did are no promises
NOT_EQUAL='queue/(max_segments|max_sectors_kb|max_hw_sectors_kb|nr_requests)$'
MOVES='^\./(stat|inflight|uevent|dev|diskseq|power/|bdi/|queue/iosched/|holders|trace|mq/)|/(uevent|power/.*)$'

# each readable attribute below DIR: its name and value
attributes() { # DIR
	guest_must a "cd $1 && find . -type f ! -path './power/*' -perm /444 | LC_ALL=C sort | while read -r f; do
		echo \"\$f \$(head -n 1 \$f 2>/dev/null | tr '\\0' ' ')\"; done"
}
parameters() { guest_must a "cd /sys/module/$1/parameters && stat -c '%n %a' *"; }

note() { # MODULE
	attributes /sys/block/xvda/ >"$WORK/$1.disk"
	attributes /sys/bus/xen/devices/vbd-51712/ | grep -v '^\./block/' >"$WORK/$1.device"
	parameters "$1" >"$WORK/$1.parameters"
}

note xen_blkfront
assert xl block-detach a xvda
wait_until 20 guest_run a "rmmod xen-blkfront" || fail "rmmod xen-blkfront: $(guest_run a "rmmod xen-blkfront")"
guest_must a "modprobe xpv-blkfront"
assert xl block-attach a "$(disk_spec "$disk")"
wait_until 20 guest_run a "test -b /dev/xvda" || fail "no xvda with xpv-blkfront"
note xpv_blkfront

differ=''
for of in disk device parameters; do
	[[ -s $WORK/xen_blkfront.$of ]] || fail "nothing is known of the stock $of"
	while read -r name value; do
		line=$(awk -v n="$name" '$1 == n' "$WORK/xpv_blkfront.$of")
		[[ $line ]] || fail "$of: no $name"
		read -r _ now <<<"$line"
		[[ $name =~ $NOT_EQUAL || $name =~ $MOVES || $now = "$value" ]] || differ+=" $name: '$value' was, '$now' is;"
	done <"$WORK/xen_blkfront.$of"
	echo "$of: $(wc -l <"$WORK/xen_blkfront.$of") as with xen-blkfront, $(wc -l <"$WORK/xpv_blkfront.$of") in all"
done

[[ ! $differ ]] || fail "other values:$differ"

# reads, sectors, writes, sectors and flushes: fields 1, 3, 5, 7 and 16; Linux counts a flush among the writes, too
counted() { guest_run a "awk '{ print \$1, \$3, \$5, \$7, \$16 }' /sys/block/xvda/stat"; }
read -r reads read writes written flushes < <(counted)
guest_must a "dd if=/dev/xvda of=/dev/null bs=64k count=16 iflag=direct 2>/dev/null; dd if=/dev/zero of=/dev/xvda bs=32k count=8 oflag=direct conv=fsync 2>/dev/null"
assert_equal "$(counted)" "$((reads + 16)) $((read + 2048)) $((writes + 9)) $((written + 512)) $((flushes + 1))" "what was counted"
guest_shutdown a

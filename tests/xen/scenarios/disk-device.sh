# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Disks on block devices that have properties: sizes of sectors, granules of discard, a sector that cannot be read. A guest
# sees them as dom0's kernel does. (scsi_debug plays a device of 512/4096, with granules of 8 KiB of which the first begins
# at 4 KiB, in memory; a loop device one of 4096/4096.)
# timeout: 200

[[ $back != qdisk ]] || skip "about devices' limits"
modprobe -a scsi_mod sd_mod
modprobe scsi_debug dev_size_mb=16 physblk_exp=3 lbpu=1 unmap_granularity=16 unmap_alignment=8 num_parts=1 opts=2
scsi() { ls /sys/bus/pseudo/drivers/scsi_debug/adapter0/host*/target*/*/block 2>/dev/null; }
wait_until 20 scsi >/dev/null || fail "scsi_debug has no disk"
name=$(scsi)
part=${name}1
wait_until 10 test -b "/dev/$part" || fail "no /dev/$part"
loop=$(losetup -b 4096 -f --show "$(mkdisk below 16)")
disks=(--disk "/dev/$part,xvda" --disk "$loop,xvdb")
if [[ $back = xpv ]]; then
	small=$(losetup -b 4096 -f --show "$(mkdisk small 8)")
	disks+=(--disk "format=raw,vdev=xvdc,access=rw,script=block-xpv,target=file:$small?sector-size=512")
fi
guest_create a "${disks[@]}"

limits() { # RUNNER NAME
	$1 "cd /sys/block/$2/queue && cat logical_block_size physical_block_size discard_granularity" | tr '\n' ' '
}
in_guest() { guest_run a "$1"; }
in_dom0() { bash -c "$1"; }
assert_equal "$(limits in_dom0 "$name")" "512 4096 8192 " "what dom0's kernel says of $name"
assert_equal "$(limits in_guest xvda)" "$(limits in_dom0 "$name")" "limits of xvda"
assert_equal "$(limits in_guest xvdb)" "$(limits in_dom0 "${loop##*/}")" "limits of xvdb"
# of a whole disk, xvda for one, Linux 6.1 says something else in that file
assert_equal "$(xenstore-read "/local/domain/0/backend/vbd/$(guest_id a)/51712/discard-alignment")" \
	"$(<"/sys/block/$name/$part/discard_alignment")" "alignment of discards"
assert_equal "$(<"/sys/block/$name/$part/discard_alignment")" 4096 "what dom0's kernel says of it"
assert_equal "$(guest_run a 'cat /sys/block/xvdb/queue/logical_block_size')" 4096 "sectors of xvdb"

verify="fio --output-format=terse --ioengine=libaio --direct=1 --verify=crc32c --verify_fatal=1 --do_verify=1 --iodepth=8 --rw=randwrite"
guest_must a "$verify --name=a --filename=/dev/xvda --offset=8m --size=2m --bsrange=512-64k >/dev/null"
guest_must a "$verify --name=b --filename=/dev/xvdb --size=2m --bsrange=4k-64k --blockalign=4k >/dev/null"
# busybox's dd would go through the page cache when the kernel refuses it
assert_fails guest_run a "fio --name=b --filename=/dev/xvdb --direct=1 --ioengine=libaio --rw=read --bs=512 --size=512 >/dev/null 2>&1"

# smaller sectors than the device has are had through the page cache alone, and then whatever is written is whole
if [[ $back = xpv ]]; then
	assert_equal "$(guest_run a 'cat /sys/block/xvdc/queue/logical_block_size /sys/block/xvdc/queue/physical_block_size')" \
		$'512\n4096' "sectors of xvdc"
	assert_match "$(</var/log/xpvd.log)" "${small#/dev/}.*cache=writethrough" "the log"
	guest_must a "$verify --name=c --filename=/dev/xvdc --size=2m --bsrange=512-64k >/dev/null"
fi

# what was discarded reads as zeroes, what lies beside it as before
guest_must a "dd if=/dev/urandom of=/dev/xvda bs=64k count=4 seek=64 conv=fsync 2>/dev/null"
sums() { guest_run a "echo 3 >/proc/sys/vm/drop_caches; dd if=/dev/xvda bs=4k count=$2 skip=$1 2>/dev/null | sha256sum"; }
before=$(sums 1024 1) after=$(sums 1043 45)
guest_must a "blkdiscard -o $((1025 * 4096)) -l $((18 * 4096)) /dev/xvda"
assert_equal "$(sums 1024 1)$(sums 1043 45)" "$before$after" "what lies beside the discarded"
assert_equal "$(sums 1025 18)" "$(head -c $((18 * 4096)) /dev/zero | sha256sum)" "the discarded"

# ten sectors from 4660 on fail: these reads and no others, and nothing is wrong with the rest later
bad=$(((4660 - $(<"/sys/block/$name/$part/start")) / 8)) # of 4 KiB
assert_fails guest_run a "dd if=/dev/xvda of=/dev/null bs=4k skip=$bad count=1 iflag=direct 2>/dev/null"
for good in $((bad - 1)) $((bad + 2)); do
	guest_must a "dd if=/dev/xvda of=/dev/null bs=4k skip=$good count=1 iflag=direct 2>/dev/null"
done
guest_must a "dd if=/dev/urandom of=/dev/xvda bs=4k count=4 conv=fsync 2>/dev/null"
guest_shutdown a
losetup -D
rmmod scsi_debug

# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Space that a guest frees is free in dom0: fstrim and blkdiscard, on a file and on a block device; discard=off.
# timeout: 150

mkdisk host 96 >/dev/null
mkfs.ext4 -q "$WORK/host"
mkdir -p "$WORK/fs"
mount -o loop "$WORK/host" "$WORK/fs"
truncate -s 64M "$WORK/fs/disk"
truncate -s 16M "$WORK/fs/kept"
mkdisk below 32 >/dev/null
loop=$(losetup -f --show "$WORK/below")
used() { du -k "$1" | cut -f1; }

spec="format=raw,access=rw,script=block-xpv"
guest_create a --disk "$spec,vdev=xvda,target=$WORK/fs/disk" --disk "$spec,vdev=xvdb,target=$loop" \
	--disk "$spec,vdev=xvdc,target=file:$WORK/fs/kept?discard=off"
assert_match "$(xpv check disk "$WORK/fs/disk")" 'cache=direct.*discard=on' "xpv check disk"

guest_must a "mkfs.ext4 -q /dev/xvda && mount -t ext4 /dev/xvda /mnt"
guest_must a "dd if=/dev/urandom of=/mnt/big bs=1M count=32 2>/dev/null && echo kept >/mnt/small && sync"
full=$(used "$WORK/fs/disk")
((full > 32000)) || fail "32 MB written, $full KiB used"
guest_must a "rm /mnt/big && sync && fstrim /mnt"
left=$(used "$WORK/fs/disk")
((left < full - 30000)) || fail "fstrim: $full KiB used before, $left after"
guest_must a "umount /mnt && e2fsck -fn /dev/xvda >/dev/null && mount -t ext4 /dev/xvda /mnt && grep -q kept /mnt/small && umount /mnt"

# a block device passes it on: this one to the file below it
guest_must a "dd if=/dev/urandom of=/dev/xvdb bs=1M count=32 conv=fsync 2>/dev/null"
(($(used "$WORK/below") > 30000)) || fail "$(used "$WORK/below") KiB below the loop device"
guest_must a "blkdiscard -o 4194304 -l 25165824 /dev/xvdb"
left=$(used "$WORK/below")
((left < 9000)) || fail "blkdiscard of 24 MB left $left KiB"

assert_fails guest_run a "blkdiscard /dev/xvdc 2>/dev/null"
guest_shutdown a
losetup -d "$loop"
umount "$WORK/fs"

# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What a guest wrote to its disk is what dom0 finds there: a tree of files on ext4, compared by checksum and by fsck.
# timeout: 150

disk=$(mkdisk data 128)
guest_create a --disk "$disk"
guest_must a "mkfs.ext4 -q /dev/xvda && mount -t ext4 /dev/xvda /mnt"
guest_must a "mkdir -p /mnt/a/b/c && cd /mnt/a &&
	for i in 1 2 3 4 5 6; do head -c \$((i * i * 77777)) /dev/urandom >b/\$i; done &&
	for i in \$(seq 60); do echo line \$i >b/c/small-\$i; done && cp b/6 top && rm b/5"
guest_run a "cd /mnt && $TREE_SUMS" >"$WORK/guest.sums"
# read again from the disk, not from memory
guest_must a "umount /mnt && echo 3 >/proc/sys/vm/drop_caches && mount -t ext4 /dev/xvda /mnt"
guest_run a "cd /mnt && $TREE_SUMS" >"$WORK/again.sums"
assert cmp "$WORK/guest.sums" "$WORK/again.sums"
guest_shutdown a

disk_mount "$disk" "$WORK/mnt"
(cd "$WORK/mnt" && eval "$TREE_SUMS") >"$WORK/dom0.sums"
umount "$WORK/mnt"
assert_equal "$(wc -l <"$WORK/guest.sums")" 66 "number of files"
assert cmp "$WORK/guest.sums" "$WORK/dom0.sums"
assert e2fsck -fn "$disk"

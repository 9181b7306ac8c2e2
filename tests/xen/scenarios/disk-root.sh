# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A guest whose root file system is xvda. It makes it itself, out of its initramfs, then reboots into it.
# timeout: 240

disk=$(mkdisk root 96)
guest_create a --disk "$disk" --append xpv.root=xvda
assert_match "$(guest_run a 'cat /proc/mounts')" 'rootfs / ' "mounts of the first boot"
guest_must a "mkfs.ext4 -q /dev/xvda && mount -t ext4 /dev/xvda /mnt && cd / &&
	cp -a init bin sbin lib lib64 etc usr /mnt && cd /mnt && mkdir dev proc sys tmp run root mnt && cd / && umount /mnt" 100

assert xl reboot a
guest_wait a 2
assert_match "$(guest_run a 'cat /proc/mounts')" '/dev/xvda / ext4 rw' "mounts of the second boot"
guest_must a "echo first >/root/word && sync"
assert xl reboot a
guest_wait a 3
assert_equal "$(guest_run a 'cat /root/word')" first "what the root file system kept"
guest_must a "head -c 8000000 /dev/urandom >/root/bulk"
sum=$(guest_run a 'sha256sum </root/bulk')
guest_shutdown a

assert e2fsck -fn "$disk"
disk_mount "$disk" "$WORK/mnt"
assert_equal "$(sha256sum <"$WORK/mnt/root/bulk")" "$sum" "a file of the root file system"
umount "$WORK/mnt"

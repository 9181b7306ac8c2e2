# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A disk is taken away from under a mounted file system, asked first and by force, in the midst of writing. The guest gets
# errors and lives on, nothing stays behind, what it had flushed is there, and the disk comes back under its old name.
# timeout: 200

disk=$(mkdisk data 48)
guest_create a --disk "$(mkdisk root 16)"
id=$(guest_id a)
no_loop() { [[ -z $(losetup -j "$disk") ]]; }
detached() { ! xenstore-exists "/local/domain/0/backend/vbd/$id/51728"; }

for how in '' --force; do
	xl block-attach a "$(disk_spec "$disk,xvdb")"
	wait_until 10 guest_run a "test -b /dev/xvdb" || fail "no xvdb in the guest"
	[[ $how ]] || guest_must a "mkfs.ext4 -q /dev/xvdb"
	guest_must a "mount -t ext4 /dev/xvdb /mnt && echo kept$how >>/mnt/kept && sync &&
		(cd /mnt; while dd if=/dev/zero of=more bs=64k count=64 conv=fsync; do :; done >/dev/null 2>&1) & sleep 1"
	# shellcheck disable=SC2086
	assert timeout 30 xl block-detach $how a xvdb
	wait_until 20 detached || fail "the backend's nodes stay after block-detach $how"
	wait_until 10 no_loop || fail "a loop device holds the disk after block-detach $how"
	# the stock frontend waits for ever for the answers of a backend that vanished
	[[ $how && $front = stock ]] && break
	wait_until 20 guest_run a "! pidof dd" || fail "the writer hangs after block-detach $how"
	guest_run a "umount /mnt" 30 || true
	assert_fails guest_run a "grep -q xvdb /proc/mounts"
	wait_until 20 guest_run a "! test -b /dev/xvdb" || fail "xvdb stays in the guest after block-detach $how"
done
assert_equal "$(guest_run a 'echo alive')" alive "guest a"
if [[ $front = stock ]]; then guest_destroy a; else guest_shutdown a; fi

code=0
e2fsck -fp "$disk" >/dev/null || code=$?
((code <= 1)) || fail "e2fsck gives $code"
disk_mount "$disk" "$WORK/mnt"
assert_equal "$(<"$WORK/mnt/kept")" $'kept\nkept--force' "what was flushed"
umount "$WORK/mnt"

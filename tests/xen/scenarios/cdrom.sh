# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A CD-ROM of a PV or PVH guest is a read-only, removable disk. libxl changes discs for HVM guests alone, and says so.
# timeout: 90

iso=$(mkdisk disc.iso 4)
head -c 1M /dev/urandom >"$WORK/content"
dd if="$WORK/content" of="$iso" conv=notrunc 2>/dev/null
guest_create a --disk "format=raw,vdev=xvdb,access=ro,devtype=cdrom,script=block-xpv,target=$iso"
back=/local/domain/0/backend/vbd/$(guest_id a)/51728

assert_equal "$(xenstore-read "$back/device-type")" cdrom "what libxl writes"
assert_equal "$(xenstore-read "$back/info")" $((1 | 4 | 2 * $(xenstore-read "$back/removable"))) "info"
assert_equal "$(guest_run a 'blockdev --getro /dev/xvdb')" 1 "read-only flag in the guest"
assert_equal "$(guest_run a 'head -c 1M /dev/xvdb | sha256sum')" "$(sha256sum <"$WORK/content")" "its content"
assert_fails guest_run a "dd if=/dev/zero of=/dev/xvdb bs=4k count=1 oflag=direct 2>/dev/null"

said=$(xl cd-eject a xvdb 2>&1) && fail "xl ejects the disc of a $type guest"
echo "xl cd-eject: $said"
assert_equal "$(guest_run a 'head -c 1M /dev/xvdb | sha256sum')" "$(sha256sum <"$WORK/content")" "its content"

# an empty drive: libxl has no backend of ours for it
said=$(xl block-attach a 'format=empty,vdev=xvdc,access=ro,devtype=cdrom,script=block-xpv,target=' 2>&1) &&
	fail "xl attaches an empty drive"
echo "xl block-attach of an empty drive: $said"
guest_shutdown a

# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What a target may say, and what happens when it says nonsense; a disk that is taken away while it is mounted.
# timeout: 150

spec="format=raw,access=rw,script=block-xpv"
root=$(mkdisk root 8)
mkdisk extra 32 >/dev/null
guest_create a --disk "$root"
backend() { echo "/local/domain/0/backend/vbd/$(guest_id a)/51728"; }

bad() { # QUERY WHAT-XL-SAYS
	local said
	said=$(xl block-attach a "$spec,vdev=xvdb,target=file:$WORK/extra?$1" 2>&1) && fail "xl takes $1"
	assert_match "$said" "$2" "what xl says of $1"
	xl block-detach a xvdb
}
bad 'cache=none' 'cache = "none": expected direct, writethrough'
bad 'colour=red' 'unknown key "colour"'

# sectors of 4096 bytes, every write durable, limits of its own
xl block-attach a "$spec,vdev=xvdb,target=file:$WORK/extra?sector-size=4096&cache=writethrough&indirect=32&queues=1"
wait_until 10 guest_run a "test -b /dev/xvdb" || fail "no xvdb in the guest"
assert_equal "$(guest_run a 'blockdev --getss /dev/xvdb')" 4096 "sector size in the guest"
assert_equal "$(guest_run a 'cat /sys/block/xvdb/queue/dma_alignment')" 4095 "alignment of buffers"
assert_equal "$(guest_run a 'blockdev --getsize64 /dev/xvdb')" $((32 << 20)) "size in the guest"
assert_equal "$(xenstore-read "$(backend)/feature-max-indirect-segments")" 32 "segments offered"
assert_equal "$(xenstore-read "$(backend)/multi-queue-max-queues")" 1 "queues offered"
assert_match "$(cat /var/log/xpvd.log)" "extra.*cache=writethrough" "the log"
guest_must a "mkfs.ext4 -q /dev/xvdb && mount -t ext4 /dev/xvdb /mnt"
guest_must a "head -c 8M /dev/urandom >/mnt/data && sync && sha256sum </mnt/data" >"$WORK/sum"

# in use: it goes all the same, without --force, as with the stock frontend of 6.1 and 6.12 (disk-detach has more)
assert timeout 60 xl block-detach a xvdb
node_gone() { ! xenstore-exists "$(backend)"; }
wait_until 20 node_gone || fail "its nodes stay"
guest_must a "dd if=/dev/xvda of=/dev/null bs=1M count=4 iflag=direct 2>/dev/null"

guest_destroy a
disk_mount "$WORK/extra" "$WORK/mnt"
sha256sum <"$WORK/mnt/data" | cmp - "$WORK/sum" || fail "what was synced is not there"
umount "$WORK/mnt"

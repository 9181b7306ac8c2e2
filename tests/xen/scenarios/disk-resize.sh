# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A disk that grows under a guest is larger there at once: a file by itself and by `xpv resize`, a block device by the
# kernel's word. One that shrinks says so and gives errors where it ends.
# timeout: 150

bytes_in_guest() { guest_run a "blockdev --getsize64 /dev/$1"; }
has_bytes() { [[ $(bytes_in_guest "$1") = "$2" ]]; }
backend() { echo "/local/domain/0/backend/vbd/$(guest_id a)/$1"; }

mkdisk file 16 >/dev/null
mkdisk loop 16 >/dev/null
loop=$(losetup -f --show "$WORK/loop")
guest_create a --disk "format=raw,vdev=xvda,access=rw,script=block-xpv,target=$WORK/file" \
	--disk "format=raw,vdev=xvdb,access=rw,script=block-xpv,target=$loop"
guest_must a "for d in xvda xvdb; do dd if=/dev/urandom of=/dev/\$d bs=1M count=16 conv=fsync 2>/dev/null; done"
sums=$(guest_run a "sha256sum </dev/xvda")

truncate -s 24M "$WORK/file"
wait_until 15 has_bytes xvda $((24 << 20)) || fail "the file grew, xvda has $(bytes_in_guest xvda) bytes"
assert_equal "$(guest_run a 'head -c 16M /dev/xvda | sha256sum')" "$sums" "what was there"
guest_must a "dd if=/dev/urandom of=/dev/xvda bs=1M count=1 seek=23 conv=fsync 2>/dev/null"

truncate -s 40M "$WORK/loop"
losetup -c "$loop"
wait_until 15 has_bytes xvdb $((40 << 20)) || fail "the loop device grew, xvdb has $(bytes_in_guest xvdb) bytes"

said=$(xpv resize a xvda) || fail "xpv resize: $?"
assert_match "$said" "$((24 << 20)) bytes, as before" "what xpv resize says"
truncate -s 32M "$WORK/file"
xpv resize a xvda >/dev/null
wait_until 15 has_bytes xvda $((32 << 20)) || fail "xvda has $(bytes_in_guest xvda) bytes"

# under the data of a guest: refused, and told
truncate -s 8M "$WORK/file"
said=$(xpv resize a xvda 2>&1) && fail "xpv resize takes a disk that shrank"
assert_match "$said" "shrank from $((32 << 20)) to $((8 << 20)) bytes" "what xpv resize says"
assert_match "$(xpv list)" "shrank from" "xpv list"
has_bytes xvda $((32 << 20)) || fail "the guest sees another size"
assert_fails guest_run a "dd if=/dev/xvda of=/dev/null bs=4k skip=5000 count=1 iflag=direct 2>/dev/null"
assert_fails guest_run a "dd if=/dev/zero of=/dev/xvda bs=4k seek=5000 count=1 oflag=direct 2>/dev/null"
guest_must a "dd if=/dev/xvda of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null"
assert_equal "$(stat -c %s "$WORK/file")" $((8 << 20)) "size of the file after a write behind its end"
truncate -s 32M "$WORK/file"
well() { ! xenstore-read "$(backend 51712)/condition" 2>/dev/null; }
wait_until 10 well || fail "still: $(xpv list)"

guest_shutdown a
losetup -d "$loop"

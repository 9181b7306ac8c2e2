# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Persistent grants: the pages of a guest stay mapped while they are used, go when nobody uses them for a minute, and are
# all gone with the disk. One disk is a file, the other a block device which the guest's own pages are handed to.
# timeout: 240

[[ $back = xpv ]] || skip "about xpv-worker"

# mapped pages of the guest; rings, the disk's and others, are among them
mapped() {
	local range sum=0
	while read -r range; do
		sum=$((sum + (0x${range#*-} - 0x${range%-*}) / 4096))
	done < <(awk '/gntdev/ { print $1 }' "/proc/$worker/maps")
	echo "$sum"
}
few_mapped() { (($(mapped) <= rings)); }

file=$(mkdisk file 32)
device=$(mkdisk device 32)
loop=$(losetup -f --show "$device")
guest_create a --vcpus 2 --disk "format=raw,vdev=xvda,access=rw,script=block-xpv,target=$file" \
	--disk "format=raw,vdev=xvdb,access=rw,direct-io-safe,target=$loop"
id=$(guest_id a)
for dev in 51712 51728; do
	assert_equal "$(xenstore-read "/local/domain/0/backend/vbd/$id/$dev/feature-persistent")" 1 "our offer"
	wanted=$(xenstore-read "/local/domain/$id/device/vbd/$dev/feature-persistent") || skip "this frontend wants none"
	[[ $wanted = 1 ]] || skip "this frontend wants none"
done
worker=$(pidof xpv-worker)
assert_match "$worker" "^[0-9]+$" "the worker"
rings=$(mapped)

# twice: what was mapped the first time is used the second time
for round in 1 2; do
	for dev in xvda xvdb; do
		guest_must a "head -c 8m /dev/urandom >/$dev && dd if=/$dev of=/dev/$dev bs=256k oflag=direct 2>/dev/null &&
			dd if=/dev/$dev bs=64k count=128 iflag=direct 2>/dev/null | cmp - /$dev"
	done
	kept=$(mapped)
	echo "round $round: $kept pages mapped, $rings of them before"
	((kept > rings + 32)) || fail "only $kept pages stay mapped after round $round"
	((kept <= rings + 4 * 1056)) || fail "$kept pages are mapped after round $round"
done
for dev in xvda xvdb; do guest_run a "sha256sum </$dev"; done >"$WORK/guest.sums"
for disk in "$file" "$device"; do head -c 8M "$disk" | sha256sum; done >"$WORK/dom0.sums"
assert cmp "$WORK/guest.sums" "$WORK/dom0.sums"

# an idle guest keeps nothing of us busy
wait_until 100 few_mapped || fail "$(mapped) pages are still mapped after a minute of rest, $rings are rings"

guest_must a "dd if=/dev/xvdb of=/dev/null bs=64k count=64 iflag=direct 2>/dev/null"
((kept = $(mapped), kept > rings)) || fail "nothing was mapped again"
xl block-detach a xvdb
((rings = rings - 1))
xl block-detach a xvda
wait_until 10 few_mapped || fail "$(mapped) pages are mapped without a disk"
guest_shutdown a
losetup -d "$loop"

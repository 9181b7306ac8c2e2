# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Thirty disks in one guest: beyond xvdp their numbers are of the extended kind, 1 << 28 and more. One has partitions, two are partitions.
# Parameters: vcpus (1; with 8, a ring each would be more nodes in the store than a guest may have: our frontend makes do with fewer)
# timeout: 300

disks=()
add() { # VDEV MB
	mkdisk "$1" "$2" >/dev/null
	disks+=(--disk "format=raw,vdev=$1,access=w,script=/lab/dom0/block-quick,target=$(losetup -f --show "$WORK/$1")")
}

names=(xvd{a..z} xvda{a,b})
for name in "${names[@]}"; do add "$name" 1; done
add xvdac1 1
add xvdac2 2
# a table of two partitions, 256 sectors at 64 and 512 at 512
entry() { printf '\x00\x00\x00\x00\x83\x00\x00\x00%b%b' "$1" "$2" | dd of="$WORK/xvdb" bs=1 seek="$3" conv=notrunc 2>/dev/null; }
entry '\x40\x00\x00\x00' '\x00\x01\x00\x00' 446
entry '\x00\x02\x00\x00' '\x00\x02\x00\x00' 462
printf '\x55\xaa' | dd of="$WORK/xvdb" bs=1 seek=510 conv=notrunc 2>/dev/null

vcpus=${vcpus:-1}
guest_create a --mem 384 --vcpus "$vcpus" "${disks[@]}"
all_there() { [[ $(guest_run a 'grep -c xvd /proc/partitions') = 32 ]]; }
wait_until 60 all_there || fail "the guest has $(guest_run a 'grep xvd /proc/partitions')"
if ((vcpus > 1)); then
	few=$(guest_run a 'dmesg | grep -c "do not go into the store"')
	((few)) || fail "32 disks with $vcpus rings each have found room in the store: this shows nothing"
fi
assert_equal "$(xenstore-list "/local/domain/$(guest_id a)/device/vbd" | awk '$1 >= 268435456' | wc -l)" 14 \
	"disks with extended numbers"
assert_equal "$(guest_run a 'blockdev --getsz /dev/xvdb1; blockdev --getsz /dev/xvdb2')" $'256\n512' "sectors of the partitions"
assert_equal "$(guest_run a 'blockdev --getsz /dev/xvdac2')" 4096 "sectors of xvdac2"
writable="${names[*]/#xvdb/} xvdb1 xvdb2 xvdac1 xvdac2"
guest_must a "cd /dev; for d in $writable; do echo this is \$d | dd of=\$d bs=512 conv=sync,fsync 2>/dev/null || exit 1; done"
guest_shutdown a

holds() { # FILE SECTOR TEXT
	assert_equal "$(dd if="$WORK/$1" bs=512 skip="$2" count=1 2>/dev/null | tr -d '\0')" "this is $3" "sector $2 of $1"
}
for name in "${names[@]}" xvdac1 xvdac2; do [[ $name = xvdb ]] || holds "$name" 0 "$name"; done
holds xvdb 64 xvdb1
holds xvdb 512 xvdb2

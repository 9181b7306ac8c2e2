# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The power fails under ext4: what a guest made durable is there after a cut before any flush of its disk (powercut.c says
# how), in each cache mode that flushes. With cache=unsafe it is not: else nothing here could be seen.
# Parameters: states (12), flushes of a disk before which the power is cut, each without any unflushed write and with some (at
# least as many as there are: all of them); steps (45) of the guest; keep (1: each disk, what it was before and its log stay
# among the results, for `build/guest/usr/sbin/powercut check MODE.base MODE.log MODE IMAGE STATES` outside, which is faster).
# timeout: 900

[[ $back = xpv ]] || skip "cache modes are xpv's"
modes=(direct writethrough writeback unsafe)
export DM_DISABLE_UDEV=1
modprobe dm-log-writes

disks=()
for i in 0 1 2 3; do
	mode=${modes[i]}
	mkdisk "$mode" 8 >/dev/null
	mkfs.ext4 -q -E nodiscard,lazy_itable_init=0,lazy_journal_init=0 "$WORK/$mode"
	cp "$WORK/$mode" "$WORK/$mode.base"
	mkdisk "$mode.log" 64 >/dev/null
	dmsetup create "$mode" --table \
		"0 16384 log-writes $(losetup -f --show "$WORK/$mode") $(losetup -f --show "$WORK/$mode.log")"
	disks+=(--disk "format=raw,vdev=xvd$(printf %x $((10 + i))),access=rw,script=block-xpv,target=file:/dev/mapper/$mode?cache=$mode")
done
guest_create a "${disks[@]}"
for disk in xvd{a..d}; do
	guest_must a "mkdir /mnt/$disk && mount -t ext4 /dev/$disk /mnt/$disk && powercut work /mnt/$disk ${steps:-45}" 100
done
guest_must a "umount /mnt/xvd?"
guest_shutdown a

for mode in "${modes[@]}"; do
	wait_until 20 dmsetup remove "$mode"
	sync
	if [[ ${keep:-} ]]; then
		cp "$WORK/$mode"{,.base} "$DIR/"
		# what it has of its 64 MB
		head -c "$(($(du -k "$WORK/$mode.log" | cut -f1) << 10))" "$WORK/$mode.log" >"$DIR/$mode.log"
	fi
	bad=0 tries=${states:-12}
	# of this one, enough to see that harm is seen
	[[ $mode != unsafe || $tries -lt 12 ]] || tries=12
	said=$(powercut check "$WORK"/"$mode"{.base,.log,,.cut} "$tries") || bad=1
	echo "$mode: $said"
	case $mode$bad in
	unsafe*) [[ $bad,$said =~ ^1,.*\ [1-9][0-9]*\ bad ]] || fail "no cut does harm to a disk that is never flushed: $said" ;;
	*0) ;;
	*) cat "$WORK/$mode.cut.fsck"; fail "$mode: $said" ;;
	esac
done
losetup -D

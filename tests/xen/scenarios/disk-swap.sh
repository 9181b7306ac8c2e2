# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Swap on a disk: the guest writes out its memory through it, when there is no memory to do so with. What does not fit
# goes there and comes back, by several rings at once, while another disk is written to; nothing gets stuck.
# Parameters: vcpus (4) mem (MiB of the guest, 192) more (MiB beyond its memory, 48)
# timeout: 300

mem=${mem:-192} more=${more:-48} vcpus=${vcpus:-4}

[[ $back != xpv ]] || disk_offer 16 256 1
guest_create a --vcpus "$vcpus" --mem "$mem" --disk "$(mkdisk swap 384)" --disk "$(mkdisk other 64),xvdb"
guest_must a "mkswap /dev/xvda >/dev/null && swapon /dev/xvda && mkdir -p /mnt && mount -t tmpfs -o size=$((mem + more))m none /mnt"
total=$(guest_run a "awk '/^MemTotal/ { print int(\$2 / 1024) }' /proc/meminfo")
each=$(((total + more) / 4))
guest_must a "dd if=/dev/zero of=/dev/xvdb bs=1M count=64 oflag=direct 2>/dev/null & other=\$!
	fio --output-format=terse --name=swap --directory=/mnt --numjobs=4 --ioengine=psync --rw=write --bs=64k --size=${each}m \
		--fallocate=none --verify=crc32c --verify_fatal=1 --do_verify=1 >/dev/null && wait \$other" 250
read -r in out < <(guest_run a "awk '/^pswp(in|out)/ { print \$2 }' /proc/vmstat | xargs echo")
echo "$total MiB of memory, $((4 * each)) MiB written and read: $((in / 256)) MiB came from swap, $((out / 256)) MiB went there"
((out > more * 128 && in > more * 128)) || fail "only $out pages were swapped out and $in in: nothing was shown"
guest_must a "rm -r /mnt/* && swapoff /dev/xvda" 100
guest_shutdown a

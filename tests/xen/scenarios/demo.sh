# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The main job, as `make demo` shows it: a PV and a PVH guest at once, each with two disks and a NIC of ours. Facts
# for the report go to a file, one key=value a line.
# timeout: 240

fact() { echo "$1=$2" >>"$DIR/facts"; }
: >"$DIR/facts"
# dom0 has busybox's ps and no pgrep
# shellcheck disable=SC2009
workers() { ps | grep -c '[x]pv-worker'; }
no_workers() { [[ $(workers) = 0 ]]; }
MB=12	# written to each guest's disk
NET=16	# sent over TCP each way

make_bridge xenbr0 192.168.77.1/24
for name in pv pvh; do
	guest_create $name --no-wait --type $name --mem 256 --vif xenbr0 \
		--disk "$(mkdisk $name-root 64)" \
		--disk "format=raw,vdev=xvdb,access=w,script=block-xpv,target=$(mkdisk $name-data 64)"
done
guest_wait pv
guest_wait pvh
fact xen "$(xl info xen_version)"
fact dom0_kernel "$(uname -r)"
for name in pv pvh; do
	fact "${name}_kernel" "$(guest_run $name 'uname -r')"
	fact "${name}_modules" "$(guest_run $name 'cd /sys/module && echo xpv_*front' | tr ' ' ',')"
	fact "${name}_disks" "$(guest_run $name 'cd /sys/block && echo xvd*' | tr ' ' ',')"
	fact "${name}_nics" "$(guest_run $name 'cd /sys/class/net && echo eth*' | tr ' ' ',')"
done
fact workers "$(workers)"

# disks: an ext4 tree in each guest, summed there and again here once the guest is gone
for name in pv pvh; do
	guest_must $name "mkfs.ext4 -q /dev/xvda && mount /dev/xvda /mnt && mkdir /mnt/tree && cd /mnt/tree &&
		for i in \$(seq $((MB / 2))); do head -c 2M /dev/urandom >file-\$i; done && sync"
	guest_run $name "cd /mnt/tree && $TREE_SUMS" >"$WORK/$name.sums"
	guest_must $name "umount /mnt && dd if=/dev/urandom of=/dev/xvdb bs=1M count=4 conv=fsync 2>/dev/null"
	guest_run $name "head -c 4M /dev/xvdb | sha256sum" >"$WORK/$name-data.sum"
done

# the network: ping, TCP both ways with checksums, guest to guest
guest_address pv eth0 192.168.77.2/24
guest_address pvh eth0 192.168.77.3/24
for address in 192.168.77.2 192.168.77.3; do assert ping -c 3 -i 0.2 -W 5 $address; done
guest_ping pv 192.168.77.3
tcp_to_guest pv 192.168.77.2 $NET
tcp_from_guest pv 192.168.77.1 $NET
fact pv_tcp_mb_verified $((2 * NET))
for way in to from; do
	[[ $way = from ]] && flag=-R || flag=
	guest_run pv "iperf3 -s -1 -D" >/dev/null
	wait_until 10 guest_run pv "netstat -ltn | grep -q :5201"
	# shellcheck disable=SC2086
	fact "pv_tcp_${way}_guest_mbit_per_s" "$(iperf3 -c 192.168.77.2 -t 2 -f m $flag | awk '/receiver/ { print $(NF - 2) }')"
done

guest_shutdown pv
guest_shutdown pvh
for name in pv pvh; do
	disk_mount "$WORK/$name-root" "$WORK/mnt"
	(cd "$WORK/mnt/tree" && eval "$TREE_SUMS") >"$WORK/$name.dom0.sums"
	umount "$WORK/mnt"
	assert cmp "$WORK/$name.sums" "$WORK/$name.dom0.sums"
	assert_equal "$(wc -l <"$WORK/$name.sums")" $((MB / 2)) "files of guest $name"
	assert e2fsck -fn "$WORK/$name-root"
	assert_equal "$(head -c 4M "$WORK/$name-data" | sha256sum)" "$(cat "$WORK/$name-data.sum")" "second disk of $name"
done
fact disk_mb_verified $((2 * (MB + 4)))
wait_until 10 no_vifs || fail "vifs left: $(vifs)"
wait_until 10 no_workers || fail "workers left: $(workers)"

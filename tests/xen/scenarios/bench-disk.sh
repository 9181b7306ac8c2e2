# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the settings of a disk cost over the real hypervisor: each row beside the first of its load, in turns. The counts
# are what to believe here; how fast an emulated host is says little, and so the ratios are no claims.
# Parameters: rounds (3) requests (4096 of 4 KiB; a 32nd part of 1 MiB) vcpus (2)
# timeout: 1200

[[ $front = ours && $back = xpv ]] || skip "about our pair"
rounds=${rounds:-3} requests=${requests:-4096} vcpus=${vcpus:-2}

# the backend's offer decides
guest_create a --vcpus "$vcpus" --mem 384 --disk "$(mkdisk one 64)" \
	--append "xpv_blkfront.max_ring_page_order=4 xpv_blkfront.max_indirect_segments=512"
disk=$(mkdisk two 64)
dd if=/dev/zero of="$disk" bs=1M count=64 2>/dev/null

interrupts() { guest_run a "awk '/xvdb-[0-9]+\$/ { for (i = 2; i <= $vcpus + 1; i++) n += \$i } END { print n + 0 }' /proc/interrupts"; }

# fio's requests a second of $n requests
load() {
	guest_run a "fio --output-format=terse --name=load --filename=/dev/xvdb --ioengine=libaio --direct=1 --size=64m --numjobs=1 \
		--rw=randread --bs=$bs --iodepth=$depth --io_size=$((n * bs))" 150 | awk -F ';' '{ print $8 }'
}

# measure OPTIONS: the rate, interrupts a request; of a second run system calls of the worker a request, and ioctls of them
measure() {
	local rate before after tracer
	xl block-attach a "format=raw,vdev=xvdb,access=rw,script=block-xpv,target=file:$disk?$1" || fail "no disk with $1"
	wait_until 20 guest_run a "test -b /dev/xvdb" || fail "no xvdb with $1"
	load >/dev/null	# maps what stays mapped
	before=$(interrupts)
	rate=$(load)
	after=$(interrupts)
	strace -f -c -o "$WORK/calls" -p "$(pidof xpv-worker)" 2>/dev/null &
	tracer=$!
	nap 2
	load >/dev/null
	kill -INT "$tracer"
	wait "$tracer" || true
	awk -v n="$n" -v rate="$rate" -v irqs=$((after - before)) '
		$NF == "ioctl" { ioctls = $4 }
		$4 ~ /^[0-9]+$/ && $NF != "total" { calls += $4 }
		END { printf "%d %.3f %.3f %.3f\n", rate, irqs / n, calls / n, ioctls / n }' "$WORK/calls"
	xl block-detach a xvdb || fail "xvdb with $1 stays"
	wait_until 20 guest_run a "! test -b /dev/xvdb" || fail "xvdb with $1 stays in the guest"
}

# rows DEFAULT SETTING...: in turns; the rate as the median of the rounds' ratios, least and most; counts of the last round
rows() {
	local round setting base
	for ((round = 0; round < rounds; round++)); do
		for setting; do
			read -r rate counts < <(measure "$setting")
			[[ $setting != "$1" ]] || base=$rate
			echo "$setting $base $rate $counts" >>"$WORK/rows.$1"
		done
	done
	printf '%-40s %18s %11s %11s %8s\n' "$((bs / 1024)) KiB, depth $depth, a request:" "rate" interrupts "system calls" ioctls
	for setting; do
		grep -F "$setting " "$WORK/rows.$1" | awk '{ print $3 / $2, $4, $5, $6 }' | sort -g | awk -v name="$setting" '
			{ r[NR] = $1; i += $2; c += $3; o += $4 }
			END { printf "%-40s %.2f (%.2f-%.2f) %11.3f %11.3f %8.3f\n", name, r[int((NR + 1) / 2)], r[1], r[NR], i / NR, c / NR, o / NR }'
	done
}

usual='persistent=on&ring-order=0&queues=16&indirect=256'
bs=4096 depth=32 n=$requests
rows "$usual" 'persistent=off&ring-order=0&queues=16&indirect=256' 'persistent=on&ring-order=0&queues=1&indirect=256' \
	'persistent=on&ring-order=0&queues=16&indirect=256&cache=writethrough'
rm "$WORK"/rows.*
depth=128
rows "$usual" 'persistent=on&ring-order=1&queues=16&indirect=256' 'persistent=on&ring-order=3&queues=16&indirect=256'
rm "$WORK"/rows.*
bs=1048576 depth=4 n=$((requests / 32))
rows "$usual" 'persistent=off&ring-order=0&queues=16&indirect=256' 'persistent=on&ring-order=0&queues=16&indirect=32' \
	'persistent=on&ring-order=0&queues=16&indirect=512'
guest_shutdown a

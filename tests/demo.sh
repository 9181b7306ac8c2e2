#!/bin/bash
# SPDX-License-Identifier: MIT
# `make demo`: boots the lab, lets two guests work on our disks and NICs, runs the ring benchmark, and tells what
# happened: a short report here, the same facts in build/demo.json. Ends with 0 only when all of it was verified.

cd "$(dirname "$0")/.." || exit 1
export XPV_GUEST_KERNELS=${XPV_GUEST_KERNELS:-$(tests/kernels.sh)}
FACTS=build/lab/out/demo/facts
BENCH=build/bench.json
JSON=build/demo.json
rm -f "$JSON"

echo "Booting Xen, dom0 and two guests in software emulation; this takes a minute or two."
tests/xen/lab run --overlay build/dom0 --guest-overlay build/guest demo || {
	echo "make demo: FAILED; logs in build/lab/out" >&2
	exit 1
}
make --no-print-directory -s -j"$(nproc)" build/bench build/xpv-worker || exit 1
timeout 900 build/bench --quick --json "$BENCH" >build/bench.log 2>&1 || {
	cat build/bench.log >&2
	echo "make demo: FAILED in the ring benchmark" >&2
	exit 1
}

declare -A fact
while IFS='=' read -r key value; do fact[$key]=$value; done <"$FACTS"
# row NAME: value of a row of the benchmark
row() { jq -er --arg name "$1" 'map(select(.name == $name))[0].ours.value | floor' "$BENCH"; }
fact[ring_batch32_requests_per_s]=$(row "ring batch 32") || exit 1
fact[null_disk_qd32_requests_per_s]=$(row "disk null read qd32") || exit 1

cat <<END

xpv: a Xen host with two guests on our rings
  host       Xen ${fact[xen]}, dom0 Linux ${fact[dom0_kernel]}, xpvd with ${fact[workers]} workers, one a guest
  PV guest   Linux ${fact[pv_kernel]}: disks ${fact[pv_disks]}, NICs ${fact[pv_nics]}, modules ${fact[pv_modules]}
  PVH guest  Linux ${fact[pvh_kernel]}: disks ${fact[pvh_disks]}, NICs ${fact[pvh_nics]}, modules ${fact[pvh_modules]}
  disk       ${fact[disk_mb_verified]} MB written by the guests, read again from dom0 with the same checksums, e2fsck clean
  network    both guests ping; PV guest: ${fact[pv_tcp_mb_verified]} MB over TCP with the same checksums,
             to it ${fact[pv_tcp_to_guest_mbit_per_s]} Mbit/s, from it ${fact[pv_tcp_from_guest_mbit_per_s]} Mbit/s (emulated CPU)
  ring       this machine, no emulation: ${fact[ring_batch32_requests_per_s]} requests/s bare, in batches of 32;
             ${fact[null_disk_qd32_requests_per_s]}/s through a worker: 4 KiB reads of a disk without a medium, 32 under way
END

{
	echo '{'
	for key in $(printf '%s\n' "${!fact[@]}" | sort); do
		[[ ${fact[$key]} =~ ^[0-9]+(\.[0-9]+)?$ ]] && value=${fact[$key]} || value="\"${fact[$key]}\""
		printf '  "%s": %s,\n' "$key" "$value"
	done
	echo '  "verdict": "ok"'
	echo '}'
} >"$JSON"
echo "make demo: ok; the same facts are in $JSON"

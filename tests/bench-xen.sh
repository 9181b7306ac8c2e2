#!/bin/bash
# SPDX-License-Identifier: MIT
# `make bench-xen`: boots the lab and counts there what disks and NICs cost each pairing of frontend and backend, over a
# real hypervisor; the tables here, the same rows in build/bench-xen.json.

cd "$(dirname "$0")/.." || exit 1
export XPV_GUEST_KERNELS=${XPV_GUEST_KERNELS:-$(tests/kernels.sh)}
OUT=build/lab/out
JSON=build/bench-xen.json
rm -f "$JSON"

tests/xen/lab run --overlay build/dom0 --guest-overlay build/guest :bench || {
	echo "make bench-xen: FAILED; logs in $OUT" >&2
	exit 1
}
cat "$OUT"/bench-*/table
jq -s . "$OUT"/bench-*/json >"$JSON" || exit 1
echo
echo "make bench-xen: the same in $JSON"

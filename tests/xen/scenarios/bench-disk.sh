# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What a read costs each pairing of frontend and backend: fio in a PV guest, on one RAM disk of dom0, in one boot. The
# counts are what to believe here: how fast an emulated host is says little, and the requests a second are no claims.
# Parameters: requests (256 of 4 KiB, one by one; the other loads are made of it).
# timeout: 900

modprobe brd rd_nr=1 rd_size=65536
dd if=/dev/zero of=/dev/ram0 bs=1M count=64 2>/dev/null
requests=${requests:-256}

load() { # REQUESTS: its output is fio's, of which field 8 is what it read a second
	guest_must a "fio --output-format=terse --name=load --filename=/dev/xvda --ioengine=libaio --direct=1 --size=64m \
		--rw=randread --norandommap --bs=${kib}k --iodepth=$depth --io_size=$(($1 * kib))k" 100 >"$WORK/fio"
}

# row KIB DEPTH REQUESTS
row() {
	local kib=$1 depth=$2
	echo "$front, $back${options:+ $options}: reads of $1 KiB, depth $2"
	load "$3"	# maps what stays mapped
	load $((3 * $3))
	per_unit a "$3" load
	bench_row "disk-${kib}k-$depth" "$(awk -F ';' '/^3;/ { print $8 }' "$WORK/fio")" "$back${options:+ $options}" kib="$kib" depth="$depth"
}

# pair FRONT BACK [OPTIONS-OF-XPV]: all loads
pair() {
	local options=${3:-} spec=format=raw,access=rw,vdev=xvda
	front=$1 back=$2
	backend_use "$back"
	[[ $back != qdisk ]] || spec+=,backendtype=qdisk
	[[ ! $options ]] || spec+=,script=block-xpv
	guest_create a --mem 384 --disk "$spec,target=${options:+file:}/dev/ram0${options:+?$options}"
	row 4 1 "$requests"
	row 4 32 $((2 * requests))
	row 64 8 $((requests / 4))
	row 128 8 $((requests / 4))
	guest_shutdown a
}

pair ours xpv
pair ours xpv persistent=off
pair stock stock
pair ours stock
pair stock xpv
pair ours qdisk
pair stock qdisk
for kib_depth in 4k-1 4k-32 64k-8 128k-8; do
	bench_table "disk-$kib_depth" "a read of ${kib_depth%k*} KiB, depth ${kib_depth#*-}" "reads/s"
done | tee "$DIR/table"

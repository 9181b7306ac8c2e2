# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Disks: files in memory, handed to guests and looked into again from dom0.

mkdisk() { # NAME MB -> its path
	truncate -s "$2M" "$WORK/$1"
	echo "$WORK/$1"
}

# FILE[,vdev][,r] -> an xl disk line; a full one passes as it is
disk_spec() {
	local file vdev mode how=''
	[[ $1 == *=* ]] && { echo "$1"; return; }
	IFS=, read -r file vdev mode <<<"$1"
	# shellcheck disable=SC2154
	[[ $back != qdisk ]] || how=backendtype=qdisk,
	echo "format=raw,vdev=${vdev:-xvda},access=${mode:-w},$how${script:+script=$script,}target=$file"
}

# mount a disk's file system read-only, without replaying its journal: what is there is what the guest flushed
disk_mount() { # FILE DIR
	mkdir -p "$2"
	mount -t ext4 -o loop,ro,noload "$1" "$2"
}

# sums of every file below a folder, in an order that both sides agree on; runs in dom0 and in guests
TREE_SUMS='find . -type f | LC_ALL=C sort | xargs sha256sum'

# a device-mapper device that somebody has open stays, without its target
no_mappings() { [[ ! -e /dev/mapper/control ]] || DM_DISABLE_UDEV=1 dmsetup remove_all --force; }
no_loops() { [[ -z $(losetup -a) ]]; }

# disk_offer QUEUES SEGMENTS PERSISTENT(0|1): what the backend offers from the next connect on, in place of its defaults
disk_offer() {
	local at=/sys/module/xen_blkback/parameters
	case $back in
	stock)
		# it always takes 256 segments
		echo "$1" >$at/max_queues
		echo "$3" >$at/feature_persistent
		;;
	xpv)
		mkdir -p /etc/xpv
		printf '[disk]\nqueues = %s\nindirect = %s\npersistent = %s\n' "$1" "$2" "$( (($3)) && echo on || echo off)" >/etc/xpv/xpvd.conf
		backend_stop_xpv
		backend_start_xpv
		;;
	esac
	touch /run/disk-offer
}

# the defaults again, in a backend that starts anew
disk_offer_end() {
	[[ -e /run/disk-offer ]] || return 0
	"backend_stop_$(</run/backend)"
	echo none >/run/backend
	rm -f /run/disk-offer /etc/xpv/xpvd.conf
}

# A disk of guest a whose backend is tests/hostile's, in one of its modes: xvdb, until it is detached.
BAD_BACKEND=/usr/libexec/xpv/bad-backend
bad_attach() { # MODE
	mode=$1
	$BAD_BACKEND "$1" "$(guest_id a)" 51728 &
	peer=$!
	assert xl block-attach a "$(disk_spec "$disk,xvdb")"
}
bad_attach_there() { # MODE
	bad_attach "$1"
	wait_until 20 guest_run a "test -b /dev/xvdb" || fail "mode $mode: no xvdb"
}
bad_detach() {
	assert xl block-detach a xvdb
	wait "$peer" || fail "mode $mode: the frontend did not close"
	wait_until 10 guest_run a "! test -b /dev/xvdb" || fail "mode $mode: xvdb stays in the guest"
}

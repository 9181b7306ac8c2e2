#!/bin/bash
# SPDX-License-Identifier: MIT
# What the packages of `make deb` do to a Debian: installed, upgraded, removed and purged in one of its own, which is made
# once and kept in XPV_CACHE (minutes; 1.5 GB). Its kernel has headers, so DKMS builds and the initramfs is made anew.
# One verdict a line. Root.

cd "$(dirname "$0")/.." || exit 1
BASE=${XPV_CACHE:-/var/cache/xpv}/debian
WORK=build/debian
R=$PWD/$WORK/root		# the Debian that is tried on: BASE below, what changes above
INCLUDE=initramfs-tools,kmod,linux-image-amd64,linux-headers-amd64,dkms,systemd-sysv,xen-utils-common
INCLUDE+=,liburing2,libsystemd0,libjansson4,libseccomp2,libinih1,libxenstore4,libxenevtchn1,libxengnttab1
failed=0

die() { echo "not ok deb: $*"; exit 1; }
inside() { chroot "$R" env PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"; }

# claim NAME COMMAND...
claim() {
	local name=$1
	shift
	if "$@" >"$WORK/claim" 2>&1; then echo "ok deb $name"; else
		cat "$WORK/claim" >&2
		echo "not ok deb $name: $*"
		failed=1
	fi
}
no() { ! "$@"; }

unmount() { mountpoint -q "$R" && umount -R "$R"; }

prepare() {
	if [[ ! -e $BASE/done ]]; then
		echo "making a Debian in $BASE" >&2
		rm -rf "$BASE"
		debootstrap --variant=minbase --include="$INCLUDE" bookworm "$BASE/root" >"$WORK.log" 2>&1 || die "debootstrap: see $WORK.log"
		: >"$BASE/done"
	fi
	rm -rf "$WORK"
	mkdir -p "$WORK"/{upper,work,root}
	mount -t overlay overlay -o "lowerdir=$BASE/root,upperdir=$PWD/$WORK/upper,workdir=$PWD/$WORK/work" "$R" || die "no overlay"
	trap unmount EXIT
	mount -t proc proc "$R/proc"
	cp build/xpv_*.deb build/xpv-frontend-dkms_*.deb "$R/root/"
	kernel=$(basename "$(dirname "$R"/lib/modules/*/build)")
}

# dpkg's log stays: build/debian/dpkg.log
packages() { inside dpkg "$@" >>"$WORK/dpkg.log" 2>&1; }
install_both() { packages -i "/root/$(basename build/xpv_*.deb)" "/root/$(basename build/xpv-frontend-dkms_*.deb)"; }

in_initramfs() { inside lsinitramfs "/boot/initrd.img-$kernel" | grep -q "$1"; }
# what modprobe would do at the alias of a Xen disk
for_a_disk() { inside modprobe -S "$kernel" --show-depends xen:vbd | grep -q "$1"; }

# A systemd that only writes down what it is asked.
pretend_systemd() {
	mkdir -p "$R/run/systemd/system"
	# shellcheck disable=SC2016
	printf '#!/bin/sh\necho "$*" >>/systemctl.log\n' >"$R/usr/local/bin/systemctl"
	chmod +x "$R/usr/local/bin/systemctl"
	mv "$R/usr/local/bin/systemctl" "$R/bin/systemctl"
}
asked() { grep -qE "$1" "$R/systemctl.log"; }

((EUID == 0)) || { echo "skip deb: needs root"; exit 0; }
make --no-print-directory -s deb >/dev/null || die "make deb"
prepare
link=$R/etc/systemd/system/multi-user.target.wants/xpvd.service

claim install install_both
claim enabled test -L "$link"
claim tool inside xpv --version
claim built test -e "$R/lib/modules/$kernel/updates/dkms/xpv-blkfront.ko"
for module in xpv-blkfront xpv-netfront xen-blkfront xen-netfront; do claim "initramfs-$module" in_initramfs "/$module.ko"; done
claim initramfs-conf in_initramfs lib/modprobe.d/xpv-frontend.conf
claim ours-first for_a_disk '^install /sbin/modprobe.* xpv-blkfront'

# DKMS could not build it: the stock module is still there, and modprobe comes to it
inside dkms remove -m xpv -v 0.1.0 -k "$kernel" >>"$WORK/dpkg.log" 2>&1
inside update-initramfs -u -k "$kernel" >>"$WORK/dpkg.log" 2>&1
claim without-ours no in_initramfs xpv-blkfront.ko
claim stock-then in_initramfs /xen-blkfront.ko

pretend_systemd
claim upgrade install_both
claim reloaded asked 'reload xpvd'
claim not-stopped no asked '(stop|disable) xpvd'
claim built-again test -e "$R/lib/modules/$kernel/updates/dkms/xpv-netfront.ko"

claim remove packages -r xpv xpv-frontend-dkms
claim no-modprobe no ls "$R"/{etc,usr/lib}/modprobe.d/*xpv*
claim no-modules no test -e "$R/lib/modules/$kernel/updates/dkms/xpv-blkfront.ko"
claim stock-again no in_initramfs xpv
claim purge packages -P xpv xpv-frontend-dkms
claim nothing-left test -z "$(find "$R"/{etc,usr,lib/modules,var/lib/dkms,var/lib/systemd} -name '*xpv*' | tee "$WORK/left")"
exit $failed

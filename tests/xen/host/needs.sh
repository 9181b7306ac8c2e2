# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the build machine itself must have: apt is all that may be taken for granted.

# program=package; the program tells whether the package is there
NEEDS=(
	qemu-system-x86_64=qemu-system-x86
	cpio=cpio
	depmod=kmod
	gcc=gcc
	readelf=binutils
	strings=binutils
	xz=xz-utils
	zstd=zstd
)

install_needs() {
	local need missing=()
	for need in "${NEEDS[@]}"; do
		PATH=$PATH:/sbin:/usr/sbin type -P "${need%%=*}" >/dev/null || missing+=("${need#*=}")
	done
	apt-cache show xen-hypervisor-4.17-amd64 >/dev/null 2>&1 || apt_get update || true
	((${#missing[@]})) || return 0
	say "installing ${missing[*]}"
	apt_get install -y --no-install-recommends "${missing[@]}"
}

apt_get() {
	local sudo=
	((EUID == 0)) || sudo=sudo
	DEBIAN_FRONTEND=noninteractive $sudo apt-get -q "$@" >&2
}

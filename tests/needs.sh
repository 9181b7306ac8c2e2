#!/bin/bash
# SPDX-License-Identifier: MIT
# Installs what building and testing need, from Debian's packages: `needs.sh` for building and the demo,
# `needs.sh check` for the tests as well. Nothing but apt is taken for granted; a second run does nothing.

set -euo pipefail

BUILD=(gcc libc6-dev make pkg-config liburing-dev libsystemd-dev libjansson-dev libseccomp-dev libinih-dev uthash-dev libxen-dev scdoc linux-headers-amd64)
LAB=(qemu-system-x86 qemu-system-common cpio kmod binutils xz-utils zstd iproute2 jq)
TEST=(check spin libsubunit-dev clang libclang-rt-14-dev clang-format shellcheck sparse perl debootstrap
	linux-headers-6.12-amd64 e2fsprogs procps systemd universal-ctags patch valgrind gnuplot-nox)

wanted=("${BUILD[@]}" "${LAB[@]}")
[[ ${1:-} = check ]] && wanted+=("${TEST[@]}")

missing=()
for package in "${wanted[@]}"; do
	[[ $(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null) = ii* ]] || missing+=("$package")
done
((${#missing[@]})) || exit 0

((EUID == 0)) || { echo "needs.sh: packages are missing; as root: apt install ${missing[*]}" >&2; exit 1; }
echo "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { apt-get -q update && apt-get -q install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
	tail -n 20 "$log" >&2
	echo "needs.sh: apt-get could not install them" >&2
	exit 1
fi

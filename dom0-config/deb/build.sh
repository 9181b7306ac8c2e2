#!/bin/bash
# SPDX-License-Identifier: MIT
# `make deb`: two packages in build/. xpv is for Dom0; xpv-frontend-dkms is for guests and builds the modules for
# whatever kernel the guest has. Usage: build.sh VERSION

set -euo pipefail
cd "$(dirname "$0")/../.."
version=$1
here=dom0-config/deb

# package NAME ARCH ROOT: control file filled in, everything under /etc a conffile
package() {
	local name=$1 arch=$2 root=$3
	mkdir -p "$root/DEBIAN"
	sed "/^#/d; s/@VERSION@/$version/; s/@SIZE@/$(du -sk "$root" | cut -f1)/" "$here/$name.control" >"$root/DEBIAN/control"
	(cd "$root" && find etc -type f -printf '/%p\n' 2>/dev/null) >"$root/DEBIAN/conffiles" || true
	for script in postinst prerm postrm; do
		[[ -e $here/$name.$script ]] || continue
		sed "s/@VERSION@/$version/" "$here/$name.$script" >"$root/DEBIAN/$script"
		chmod 755 "$root/DEBIAN/$script"
	done
	install -d "$root/usr/share/doc/$name"
	gzip -9n <"$here/changelog" >"$root/usr/share/doc/$name/changelog.gz"
	install -D -m644 COPYING "$root/usr/share/doc/$name/copyright"
	dpkg-deb --root-owner-group --build "$root" "build/${name}_${version}_$arch.deb"
}

grep -q "^xpv ($version) " "$here/changelog" || { echo "$here/changelog knows no version $version" >&2; exit 1; }
rm -rf build/deb
make --no-print-directory install DESTDIR="$PWD/build/deb/xpv" >/dev/null
strip build/deb/xpv/usr/sbin/* build/deb/xpv/usr/libexec/xpv/*
gzip -9nr build/deb/xpv/usr/share/man
package xpv amd64 build/deb/xpv

make --no-print-directory -C frontend install-source DESTDIR="$PWD/build/deb/dkms" >/dev/null
install -D -m644 dom0-config/modprobe.d/xpv-frontend.conf build/deb/dkms/usr/lib/modprobe.d/xpv-frontend.conf
install -D -m755 frontend/initramfs/xpv build/deb/dkms/usr/share/initramfs-tools/hooks/xpv
package xpv-frontend-dkms all build/deb/dkms

# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Base images: dom0's and a guest's userspace, and a guest's modules for each kernel. Cached by what goes in.

# image_key FILES... : everything that shapes an image
image_key() {
	{ cat "$LAB"/host/{image,closure,kernel,common}.sh "$LAB/host/stubs"; printf '%s\n' "$@"; cat /dev/stdin; } | digest
}

# base_image KIND VERSION: directory with `root` and `cpio` for KIND dom0 or guest
base_image() {
	local kind=$1 version=$2 programs=$LAB/$1/programs MULTIARCH=x86_64-linux-gnu pool kernel dir name
	[[ $(arch "$version") = amd64 ]] || { programs+=.i386; MULTIARCH=i386-linux-gnu; }
	pool=$(pool_root "$(arch "$version")") || return
	kernel=$(kernel_root "$version") || return
	dir=$CACHE/$kind-$version-$(cat "$programs" "$LAB/$kind/modules" | image_key "$pool" "$kernel")
	if [[ ! -e $dir/cpio ]]; then
		say "building the $kind image for $version"
		rm -rf "$dir.new"
		mkdir -p "$dir.new/root"
		skeleton "$pool" "$dir.new/root"
		while read -r name; do
			install_program "$pool" "$dir.new/root" "$name" || return
		done < <(list "$programs")
		[[ $kind = dom0 ]] && xen_files "$pool" "$dir.new/root"
		close_libraries "$pool" "$dir.new/root" || return
		busybox_links "$dir.new/root"
		pick_modules "$kernel" "$version" "$LAB/$kind/modules" "$dir.new/root"
		find "$dir.new/root/usr/"{bin,lib/$MULTIARCH} -type f -exec strip -s {} + 2>/dev/null
		pack "$dir.new/root" >"$dir.new/cpio"
		rm -rf "$dir"
		mv "$dir.new" "$dir"
	fi
	touch "$dir"	# used now, see prune
	echo "$dir"
}

# What no lab has used for two weeks: images of package versions and lists that are no more, and packages.
prune() {
	find "$CACHE" -mindepth 1 -maxdepth 1 -ctime +14 \( -name 'dom0-*' -o -name 'guest-*' -o -name 'root-*' -o -name 'kernel-*' \) \
		-exec rm -rf {} +
	find "$CACHE/deb" "$CACHE/resolved" -type f -ctime +14 -delete 2>/dev/null
	return 0
}

# the folders and links of a merged-/usr Debian, and what programs take for granted
skeleton() {
	local pool=$1 root=$2 dir
	mkdir -p "$root"/{dev,proc,sys,tmp,run/lock,mnt,root,etc,lab,usr/{bin,sbin,lib/"$MULTIARCH",lib64,libexec},var/{log,lib,tmp}}
	for dir in bin sbin lib lib64; do ln -s usr/$dir "$root/$dir"; done
	ln -s /run "$root/var/run"
	ln -s /run/lock "$root/var/lock"
	ln -s /proc/mounts "$root/etc/mtab"
	case $MULTIARCH in
	x86_64*) ln -s "../lib/$MULTIARCH/ld-linux-x86-64.so.2" "$root/usr/lib64/" ;;
	i386*) ln -s "$MULTIARCH/ld-linux.so.2" "$root/usr/lib/" ;;
	esac
	echo 'root:x:0:0:root:/root:/bin/bash' >"$root/etc/passwd"
	echo 'nobody:x:65534:65534:nobody:/:/bin/false' >>"$root/etc/passwd"
	printf 'root:x:0:\ndisk:x:6:\nnogroup:x:65534:\n' >"$root/etc/group"
	echo 'hosts: files' >"$root/etc/nsswitch.conf"
	echo '127.0.0.1 localhost' >"$root/etc/hosts"
	ln -s bash "$root/usr/bin/sh"
	ln -s ../bin/modprobe "$root/usr/sbin/modprobe"		# where the kernel looks for it
	install -m755 "$pool/bin/busybox" "$root/usr/bin/"
}

busybox_links() {
	local root=$1 applet
	# asked of this machine's kind: it may not run 32-bit programs
	while read -r applet; do
		[[ -e $root/usr/bin/$applet || -L $root/usr/bin/$applet ]] || ln -s busybox "$root/usr/bin/$applet"
	done < <("$(pool_root)/bin/busybox" --list)
}

xen_files() {
	local pool=$1 root=$2
	cp -a "$pool/etc/xen" "$root/etc/"
	mkdir -p "$root"/var/{log/xen/console,lib/xen/dump,lib/xenstored,cache} "$root/usr/lib/xen-4.17/bin"
	# libxl looks for its helpers there
	ln -s /usr/bin/libxl-save-helper /usr/bin/xen-init-dom0 "$root/usr/lib/xen-4.17/bin/"
	[[ -d $pool/etc/default ]] && cp -a "$pool/etc/default" "$root/etc/"
	ln -s /usr/bin/xen-qemu-system-i386 "$root/usr/libexec/"
	install -D /dev/null "$root/usr/share/qemu/keymaps/en-us"	# QEMU reads one even for no display
	install -D -m644 "$pool/usr/share/openvswitch/vswitch.ovsschema" -t "$root/usr/share/openvswitch"
	gunzip -c "$pool/boot/xen-4.17-amd64.gz" >"$root/../xen"
	return 0
}

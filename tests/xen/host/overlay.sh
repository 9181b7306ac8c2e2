# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What is laid over the base images: the lab's own scripts, the product, and the guests that dom0 boots. Made
# anew for each run in a second or two; the base images never change with it.

# stage_tree FROM TO: copy with the top-level folders that a merged-/usr system has as links put under usr
stage_tree() {
	local from=$1 to=$2 dir
	cp -a "$from/." "$to/"
	for dir in bin sbin lib lib64; do
		[[ -d $to/$dir && ! -L $to/$dir ]] || continue
		mkdir -p "$to/usr/$dir"
		cp -a "$to/$dir/." "$to/usr/$dir/"
		rm -r "${to:?}/$dir"
	done
}

# guest_initrd VERSION OVERLAY OUT
guest_initrd() {
	local version=$1 overlay=$2 out=$3 base stage=$BUILD/stage/guest name MULTIARCH=$MULTIARCH
	[[ $(arch "$version") = amd64 ]] || MULTIARCH=i386-linux-gnu
	base=$(base_image guest "$version") || return
	rm -rf "$stage"
	mkdir -p "$stage/etc" "$stage/usr/sbin"
	[[ -z $overlay ]] || stage_tree "$overlay" "$stage"
	install -m755 "$LAB/guest/init" "$stage/init"
	install -m755 "$LAB/guest/agent" "$stage/usr/sbin/agent"
	for name in poweroff reboot halt; do install -m755 "$LAB/guest/poweroff" "$stage/usr/sbin/$name"; done
	modules_to_load guest >"$stage/etc/modules"
	echo ext4 >"$stage/etc/filesystems"	# which mount tries, and so the kernel loads
	find "$stage/usr/lib/modules" -mindepth 1 -maxdepth 1 ! -name "$version" -exec rm -r {} + 2>/dev/null
	[[ -d $stage/usr/lib/modules/$version ]] && index_modules "$base/root" "$stage" "$version"
	close_libraries "$(pool_root "$(arch "$version")")" "$stage" "$base/root" || return
	{ cat "$base/cpio"; pack "$stage"; } >"$out"
}

# the module index of base and overlay together, put into the overlay
index_modules() {
	local base=$1 stage=$2 version=$3 both=$BUILD/stage/modules
	rm -rf "$both"
	mkdir -p "$both/lib/modules"
	cp -a "$base/usr/lib/modules/$version" "$both/lib/modules/"
	cp -a "$stage/usr/lib/modules/$version/." "$both/lib/modules/$version/"
	/sbin/depmod -b "$both" "$version"
	cp "$both/lib/modules/$version"/modules.{dep,alias,symbols,softdep} "$stage/usr/lib/modules/$version/"
}

modules_to_load() { list "$LAB/$1/modules" | sed -n 's/^load //p'; }

# stage_guests OVERLAY: every guest kernel with its initramfs, in the folder that dom0 shares; it copies what it needs
stage_guests() {
	local version dir=$SHARE/guest
	for version in "${GUEST_KERNELS[@]}"; do
		mkdir -p "$dir/$version"
		ln "$(kernel_root "$version")/vmlinux" "$dir/$version/vmlinux" 2>/dev/null ||
			cp "$(kernel_root "$version")/vmlinux" "$dir/$version/vmlinux"
		cp "$(kernel_root "$version")/boot/vmlinuz-$version" "$dir/$version/vmlinuz"	# what kexec takes
		guest_initrd "$version" "$1" "$dir/$version/initrd" || return
	done
	echo "${GUEST_KERNELS[0]}" >"$dir/default"
	[[ -z $1 ]] || : >"$dir/ours"
}

# stage_dom0 OVERLAY BASE: the archive that follows dom0's base image
stage_dom0() {
	local overlay=$1 base=$2 stage=$BUILD/stage/dom0
	rm -rf "$stage"
	mkdir -p "$stage/lab/out" "$stage/etc" "$stage/usr"
	[[ -z $overlay ]] || stage_tree "$overlay" "$stage"
	install -m755 "$LAB/dom0/init" "$stage/init"
	modules_to_load dom0 >"$stage/etc/modules"
	cp -r "$LAB"/{lib,scenarios,dom0} "$stage/lab/"
	close_libraries "$(pool_root)" "$stage" "$base/root" || return
	pack "$stage"
}

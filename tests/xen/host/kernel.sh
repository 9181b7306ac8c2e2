# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Kernels: the bare vmlinux (Xen and xl then have nothing to decompress in emulation) and its modules.

# The product's modules are built against the headers of this machine, so the default kernel is theirs.
default_kernel() {
	local build
	for build in $(printf '%s\n' /lib/modules/6.1.*-amd64/build | sort -rV); do
		build=${build%/build}
		apt-cache show "linux-image-${build##*/}" >/dev/null 2>&1 && { echo "${build##*/}"; return; }
	done
	apt-cache depends linux-image-amd64 | awk '/Depends: linux-image-6/ { sub("linux-image-", "", $2); print $2; exit }'
}

# newest_32bit: the 32-bit kernel that apt would install
newest_32bit() (
	use_apt i386
	apt-cache depends linux-image-686-pae | awk '/Depends: linux-image-6/ { sub("linux-image-", "", $2); print $2; exit }'
)

# kernel_root VERSION: path of a root with /vmlinux and /lib/modules/VERSION
kernel_root() {
	local root
	root=$(use_apt "$(arch "$1")"; echo "linux-image-$1" | locate | unpack kernel) || return
	if [[ ! -e $root/vmlinux ]]; then
		extract_vmlinux "$root/boot/vmlinuz-$1" "$root/vmlinux.new" || die "no kernel in $root/boot/vmlinuz-$1"
		find "$root/lib/modules" -name '*.ko.xz' -exec xz -d {} +
		# Without their signatures modules load several times faster: nothing is left for the kernel to verify.
		find "$root/lib/modules" -name '*.ko' -print0 | xargs -0 -P2 -n200 strip --strip-debug
		/sbin/depmod -b "$root" "$1"
		mv "$root/vmlinux.new" "$root/vmlinux"
	fi
	echo "$root"
}

# A bzImage holds the compressed kernel somewhere after its boot code: look for where xz or zstd begins.
extract_vmlinux() {
	local image=$1 out=$2 magic at tool
	for tool in xz zstd; do
		[[ $tool = xz ]] && magic=$'\xfd7zXZ' || magic=$'\x28\xb5\x2f\xfd'
		while IFS=: read -r at _; do
			# what follows the kernel is not part of the stream, so the tool's own verdict says nothing
			tail -c +$((at + 1)) "$image" | "$tool" -dcq >"$out" 2>/dev/null
			[[ $(head -c4 "$out" | tail -c3) = ELF ]] && return 0
		done < <(LC_ALL=C grep -abo -- "$magic" "$image")
	done
	return 1
}

# pick_modules ROOT VERSION LIST DEST: the modules that a list names, with all that they need
pick_modules() {
	local root=$1 version=$2 names=$3 dest=$4 name path
	while read -r _ name; do
		/sbin/modprobe -d "$root" -S "$version" --show-depends "$name" 2>/dev/null ||
			say "kernel $version has no module $name"
	done < <(list "$names") | awk '$1 == "insmod" { print $2 }' | sort -u |
		while read -r path; do
			install -D -m644 "$path" "$dest/${path#"$root"/}"
		done
	cp "$root/lib/modules/$version"/modules.{builtin,builtin.modinfo,order} "$dest/lib/modules/$version/"
	/sbin/depmod -b "$dest" "$version"
}

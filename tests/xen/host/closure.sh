# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Programs and the shared libraries that they need, read from the ELF files themselves.

# Where Debian keeps the libraries of the image in the making; a caller with a 32-bit image shadows it.
MULTIARCH=x86_64-linux-gnu

# install_program ROOT DEST NAME[=PROVIDER]: from wherever Debian keeps it to DEST/usr/bin
install_program() {
	local root=$1 dest=$2 name=${3%%=*} from=${3#*=} dir
	[[ $name = *.so.* ]] && { install_library "$root" "$dest" "$name"; return; }
	# the real Xen tools come first: those in sbin choose among versions at run time
	for dir in usr/lib/xen-4.17/bin usr/bin usr/sbin bin sbin usr/libexec usr/lib/openvswitch-switch; do
		[[ -f $root/$dir/$from ]] || continue
		mkdir -p "$dest/usr/bin"
		install -m755 "$root/$dir/$from" "$dest/usr/bin/$name"
		return
	done
	die "no program $from in $root"
}

# where a library lies: in the unpacked packages, else on this machine
find_library() {
	local root=$1 name=$2 path
	path=$(find "$root"/{usr/,}lib -name "$name" ! -path '*/libfakeroot/*' 2>/dev/null | head -n1)
	[[ $path || $MULTIARCH != x86_64-linux-gnu ]] || path=$(/sbin/ldconfig -p | awk -v n="$name" '$1 == n && /x86-64/ { print $NF; exit }')
	[[ $path ]] && readlink -f "$path"
}

install_library() {
	local root=$1 dest=$2 name=$3 path
	[[ -e $dest/usr/lib/$MULTIARCH/$name ]] && return
	path=$(find_library "$root" "$name") || die "no library $name: neither packaged nor on this machine"
	install -D -m755 "$path" "$dest/usr/lib/$MULTIARCH/$name"
}

# close_libraries ROOT DEST [HAVE]: bring in what the ELF files under DEST need, over and over until nothing is
# missing; HAVE is an image below this one, whose libraries count as present.
close_libraries() {
	local root=$1 dest=$2 have=${3:-/nonexistent} lib=usr/lib/$MULTIARCH name missing=1
	while ((missing)); do
		missing=0
		while read -r name; do
			[[ -e $dest/$lib/$name || -e $have/$lib/$name ]] && continue
			grep -qx "$name" "$LAB/host/stubs" && { install_stub "$root" "$dest" "$name"; continue; }
			install_library "$root" "$dest" "$name"
			missing=1
		done < <(find "$dest" -type f ! -name '*.ko' ! -path "$dest/lab/*" -exec readelf -d {} + 2>/dev/null |
			sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort -u)
	done
}

# All stubs are one library: every entry point of theirs that a program calls, under the version that it asks for.
install_stub() {
	local root=$1 dest=$2 name=$3 dir=$2/usr/lib/$MULTIARCH calls
	if [[ ! -e $dir/libstub.so ]]; then
		mkdir -p "$dir"
		calls=$(find "$dest/usr/bin" -type f -exec nm -D --undefined-only {} + 2>/dev/null | sed -n 's/.* U //p' |
			grep -E '^(glfs|ibv|jpeg|libusb|nbd|pmem|pmemblk|rados|rbd|rdma|spice)_' | sort -u)
		awk -F@ '$2 { of[$2] = of[$2] $1 ";" } END { for (v in of) print v " { " of[v] " };" }' \
			<<<"$calls" >"$dir/stub.map"
		sed 's/@.*//; s/.*/long &(void) { return -1; }/' <<<"$calls" |
			gcc -w -fno-builtin -shared -fPIC -nostdlib -Wl,--version-script="$dir/stub.map" \
				-x c -o "$dir/libstub.so" -
		rm "$dir/stub.map"
	fi
	ln -s libstub.so "$dir/$name"
}

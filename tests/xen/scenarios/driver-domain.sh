# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A guest whose disk and NIC are served by another guest: xpvd and `xl devd` run in that driver domain, dom0 serves
# neither. Data, hotplug, and the death of a worker there.
#
#	dom0: xenstored, xl      driver: xpvd, xl devd, /srv/disk, br0 10.9.0.1      a: xvda, eth0 10.9.0.2
# timeout: 240

[[ $back = xpv ]] || skip "about xpvd"

# What a driver domain has beside a guest's image: our daemon, the toolstack's part, modules. Taken from dom0, whose kernel
# is the same, as one more archive behind the guest's own.
tree=$WORK/tree
take() { # FILE...: with its libraries
	local file lib
	for file; do
		file=$(readlink -f "$file")
		[[ ! -e $tree$file ]] || continue
		mkdir -p "$tree${file%/*}"
		cp "$file" "$tree$file"
		[[ $(head -c 4 "$file") = $'\x7fELF' ]] || continue
		while read -r _ arrow lib _; do
			[[ $arrow = '=>' && $lib = /* ]] || continue
			[[ $lib = /usr/* ]] || lib=/usr$lib
			mkdir -p "$tree${lib%/*}"
			[[ -e $tree$lib ]] || cp -L "$lib" "$tree$lib"
		done < <(/lib64/ld-linux-x86-64.so.2 --list "$file" 2>/dev/null)
	done
}
modules=(drivers/net/tun net/llc/llc net/802/stp net/bridge/bridge)
driver_image() { # VERSION OUT
	local program module
	mkdir -p "$tree/etc/xen" "$tree/driver"
	for program in xl xenstore-{read,write,rm,list,exists,watch} xpvd xpv; do take "$(command -v "$program")"; done
	# the last one is loaded at run time, by xl
	take /usr/libexec/xpv/xpv-worker /usr/lib/x86_64-linux-gnu/libgcc_s.so.1
	cp -r /etc/xen/scripts "$tree/etc/xen/"
	for module in "${modules[@]}"; do cp "/lib/modules/$1/kernel/$module.ko" "$tree/driver/"; done
	(cd "$tree" && find . | cpio -o -H newc 2>/dev/null) >"$WORK/more"
	cat "$GUEST_IMAGES/$1/initrd" "$WORK/more" >"$2"
	rm -r "$tree" "$WORK/more"
}

version=$(guest_kernel "$kernel")
guest_images "$version"
driver_image "$version" "$WORK/driver.img"
guest_create driver --mem 384 --set "ramdisk = \"$WORK/driver.img\"" --set "driver_domain = 1"
rm "$WORK/driver.img"
driver=$(guest_id driver)
guest_must driver "modprobe -a xen-gntdev xen-evtchn xenfs; mount -t xenfs xenfs /proc/xen
	for module in ${modules[*]##*/}; do insmod /driver/\$module.ko || exit; done
	mkdir -p /srv /run/lock /run/xen /var/lock /var/log/xen /var/run/xen-hotplug /var/lib/xen
	truncate -s 32M /srv/disk /srv/more; ip link add br0 type bridge; ip addr add 10.9.0.1/24 dev br0; ip link set br0 up"
guest_must driver "setsid xpvd >/tmp/xpvd.log 2>&1 </dev/null & setsid xl devd -F >/tmp/devd.log 2>&1 </dev/null & sleep 2; cat /tmp/*.log; pidof xpvd && pidof xl"

trap 'guest_run driver "tail -n 50 /tmp/xpvd.log /tmp/devd.log /var/log/xen/*" || true' EXIT
served="backend=driver,vdev=xvda,format=raw,access=rw,script=block-xpv,target=/srv/disk"
guest_create a --disk "$served" --vif "backend=driver,bridge=br0"
id=$(guest_id a)
connected() { [[ $(xenstore-read "/local/domain/$driver/backend/vbd/$id/51712/state" "/local/domain/$driver/backend/vif/$id/0/state") = $'4\n4' ]]; }
wait_until 20 connected || fail "not connected"
works() { # WORD
	guest_must a "echo $1 | dd of=/dev/xvda bs=512 conv=sync,fsync 2>/dev/null"
	assert_equal "$(guest_run driver "head -n1 /srv/disk | tr -d '\0'")" "$1" "what the driver domain's disk holds"
	wait_until 20 guest_run a "ping -c 1 -W 2 10.9.0.1" || fail "no network after $1"
}
guest_address a eth0 10.9.0.2/24
works first
guest_must driver "killall -9 xpv-worker"
works another
guest_must driver "killall -9 xpvd; sleep 0.5; (setsid xpvd >>/tmp/xpvd.log 2>&1 </dev/null &); sleep 1"
works adopted
assert xl block-attach a "backend=driver,vdev=xvdb,format=raw,access=rw,script=block-xpv,target=/srv/more"
wait_until 20 guest_run a "test -b /dev/xvdb" || fail "no second disk"
guest_must a "dd if=/dev/urandom of=/dev/xvdb bs=64k count=16 conv=fsync 2>/dev/null"
assert xl block-detach a xvdb
guest_shutdown a
wait_until 20 guest_run driver "! pidof xpv-worker" || fail "the worker stays"
[[ -z $(vifs) && $(xenstore-list /local/domain/0/backend 2>/dev/null) != *vbd* ]] || fail "dom0 served something"
trap - EXIT
guest_shutdown driver

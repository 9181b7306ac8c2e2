# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The machine: QEMU in software emulation, with Xen, dom0's kernel and its initramfs.

# SMAP must be off: this QEMU faults a PV kernel's iret under it. SVM is on for PVH guests, and then what its nested
# mode cannot carry (rdtscp, xsave, pku) has to be off.
XEN_CPU=${XPV_CPU:-max,-smap,-smep,-rdtscp,-xsave,-pku,-la57}
# One CPU: with two, each of the many TLB flushes of a PV dom0 waits until the host has run the other one too. A fork
# takes 12 ms instead of 70, a session half to a third of the time, above all on a busy host.
XEN_CPUS=${XPV_CPUS:-1}
XEN_MEMORY=${XPV_MEMORY:-5120}
DOM0_MEMORY=${XPV_DOM0_MEMORY:-2048}

# prepare OVERLAY GUEST-OVERLAY: all that boot needs, in $BUILD
prepare() {
	local base
	base=$(base_image dom0 "$DOM0_KERNEL") || return
	stage_guests "$2" || return
	{ cat "$base/cpio" && stage_dom0 "$1" "$base"; } >"$BUILD/dom0.img" || return
	cp "$base/xen" "$BUILD/xen"
	[[ ${GUEST_KERNELS[*]} != *686* ]] || allow_accessed "$BUILD/xen" || return
	cp "$(kernel_root "$DOM0_KERNEL")/vmlinux" "$BUILD/dom0.vmlinux"
}

# allow_accessed XEN: for 32-bit guests. QEMU (7.2 to this day) sets the Accessed bit of a PAE guest's page directory
# pointers, where it is reserved and real CPUs leave it alone. Xen refuses such an entry when it walks the guest's tables
# itself, for an instruction or a hypercall's argument, and the guest makes no step. This is the one mask of reserved
# bits in Xen that has to go without it (GUEST_L3_PAGETABLE_RSVD and NX: 0xfff00000000001e6).
allow_accessed() {
	local at
	at=$(LC_ALL=C grep -aboP '\xe6\x01\x00\x00\x00\x00\xf0\xff' "$1" | cut -d: -f1)
	[[ $at =~ ^[0-9]+$ ]] || { say "Xen's mask of reserved bits is not where it was: no 32-bit guests"; return 1; }
	printf '\xc6' | dd of="$1" bs=1 seek="$at" conv=notrunc status=none
}

# machine WORDS QEMU-ARGUMENTS...: boots; WORDS go to dom0's command line
machine() {
	local words=$1
	shift
	exec qemu-system-x86_64 -accel tcg,thread=multi -cpu "$XEN_CPU" -smp "$XEN_CPUS" -m "$XEN_MEMORY" \
		-display none -no-reboot -net none -nodefaults -kernel "$BUILD/xen" \
		-append "console=com1 com1=115200,8n1 dom0_mem=${DOM0_MEMORY}M,max:${DOM0_MEMORY}M dom0_max_vcpus=$XEN_CPUS bootscrub=0 spec-ctrl=no xpti=no" \
		-initrd "$BUILD/dom0.vmlinux console=hvc0 quiet mitigations=off nokaslr $words,$BUILD/dom0.img" \
		-virtfs "local,path=$SHARE,mount_tag=lab,security_model=none" "$@"
}

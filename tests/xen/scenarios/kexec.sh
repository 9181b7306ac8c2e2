# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A PVH guest goes on in another kernel, in the same domain: first by kexec, when its frontends have closed, then because
# it panics under load, when the crash kernel finds its disks and its NIC as the dead one left them and closes them first.
# Each time they work, and what was written is there. Neither a PV guest nor xl does this; see README.
# timeout: 300

[[ $type = pvh ]] || skip "a PV guest has no kexec"

make_bridge xenbr0 192.168.77.1/24
disk=$(mkdisk root 224)
mkfs.ext4 -q "$disk"
mkdir "$WORK/mnt"
mount -t ext4 -o loop "$disk" "$WORK/mnt"
cp "$OUT/guest/$(guest_kernel "$kernel")"/{vmlinuz,initrd} "$WORK/mnt/"
umount "$WORK/mnt"
guest_create a --mem 768 --append crashkernel=256M --set 'on_soft_reset = "preserve"' --disk "$disk" \
	--disk "$(mkdisk load 32),xvdb" --vif xenbr0
id=$(guest_id a)
states() { xenstore-read "/local/domain/$id/device/"{vbd/51712,vbd/51728,vif/0}/state | tr '\n' ' '; }

# The next kernel is told where ACPI begins: Linux does not hand on what a PVH guest was told. And not where that was:
# Xen 4.17's DSDT has 128 processors, whatever the guest has, and sets a bit for each of them, from the end of the MADT on,
# into the tables behind it and the first of all (method PRSC of libacpi/mk_dsdt.c). So those two are written anew, to
# where a BIOS would have them.
cat >"$WORK/acpi" <<'END'
le() { for ((n = 0; n < $2; n++)); do printf %02x $(($1 >> 8 * n & 255)); done; }
sum() { local sum=0 i; for ((i = 0; i < ${#1}; i += 2)); do sum=$((sum + 0x${1:i:2})); done; le $((-sum)) 1; }
at() { dmesg | sed -n "s/.*ACPI: $1 0x0*\([0-9A-F]*\) .*/0x\1/p"; }
put() { printf "$(sed 's/../\\x&/g' <<<"$1")" | dd of=/dev/mem bs=1 seek=$(($2)) conv=notrunc 2>/dev/null; }
rsdp=5253442050545220__58656e202020020000000024000000$(le 0xf0040 8)
rsdp=${rsdp/__/$(sum "${rsdp/__/}")}
put "$rsdp$(sum "$rsdp")000000" 0xf0000
xsdt=5853445434000000"01__"58656e20202058656e20202020200000000058656e2000000000$(le "$(at FACP)" 8)$(le "$(at APIC)" 8)
put "${xsdt/__/$(sum "${xsdt/__/}")}" 0xf0040
END
guest_push a "$WORK/acpi" /root/acpi
guest_must a "bash /root/acpi"

load_kernel() { # OPTION
	guest_must a "kexec -s $1 /mnt/vmlinuz --initrd=/mnt/initrd --append=\"\$(cat /proc/cmdline) acpi_rsdp=0xf0000\""
}

works() { # BOOT: disks and NIC, and what the kernel before wrote
	guest_wait a "$1"
	guest_address a eth0 192.168.77.2/24
	guest_ping a 192.168.77.1
	guest_must a "mount -t ext4 /dev/xvda /mnt && cd /mnt && { ! test -e sums || sha256sum -c sums >/dev/null; }"
	echo "kernel $1 has its disks and its NIC"
	guest_must a "cd /mnt && head -c 4000000 /dev/urandom >file$1 && sha256sum file$1 >>sums && sync"
}

# reset STATES BOOT: the guest waits for it, its devices in these states
reset() {
	wait_until 30 waits_for_reset || fail "no soft reset is asked for"
	assert_equal "$(states)" "$1" "states of the frontends when kernel $(($2 - 1)) ended"
	assert soft-reset "$id"
	works "$2"
}
waits_for_reset() { [[ $(xl list "$id") = *sS* ]]; }	# down, for a soft reset

works 1
load_kernel -l
guest_must a "umount /mnt"
# it may be gone before it answers
guest_run a "(sleep 1; kexec -e) </dev/null >/dev/null 2>&1 &" 5 || true
reset "6 6 6 " 2

# what a kernel says that is told to panic; the first and the third have no word to say
expect_in_log '^a/2: .*(Kernel panic - not syncing: sysrq triggered crash|Call Trace:)'
load_kernel -p
guest_run a "(dd if=/dev/urandom of=/dev/xvdb bs=64k oflag=direct & dd if=/dev/xvdb of=/dev/null bs=64k iflag=direct & sleep 1
	echo c >/proc/sysrq-trigger) </dev/null >/dev/null 2>&1 &" 5 || true
reset "4 4 4 " 3
assert_equal "$(guest_run a 'ls /proc/vmcore')" /proc/vmcore "what a crash kernel has"

# xl no longer waits for this domain's end, and xenstored tells nobody of a second one
assert xl shutdown a
is_down() { [[ $(xl list "$id") = *---s-* ]]; }
wait_until 40 is_down || fail "the guest does not shut down"
assert xl destroy a
wait_until 20 guest_gone a || fail "the guest stays"
assert e2fsck -fn "$disk"
disk_mount "$disk" "$WORK/mnt"
(cd "$WORK/mnt" && sha256sum -c sums) || fail "what the guest wrote is not there"
umount "$WORK/mnt"

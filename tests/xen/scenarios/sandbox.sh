# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Two guests' workers: each behind its walls, each somebody else, and both serve.
# timeout: 180

[[ $back = xpv ]] || skip "walls are of our workers"
make_bridge xenbr0 192.168.77.1/24
for name in a b; do
	guest_create $name --no-wait --disk "$(mkdisk $name 16)" --vif xenbr0
done
guest_wait a
guest_wait b
uids=()
for pid in $(pidof xpv-worker); do
	mapfile -t lines <"/proc/$pid/status"
	status=$(printf '%s\n' "${lines[@]}")
	for line in 'CapEff:	0000000000000000' 'CapBnd:	0000000000000000' 'NoNewPrivs:	1' 'Seccomp:	2'; do
		[[ $status = *"$line"* ]] || fail "worker $pid has no line '$line' in its status"
	done
	for ns in mnt net ipc uts pid cgroup; do
		[[ $(readlink "/proc/$pid/ns/$ns") != "$(readlink /proc/self/ns/$ns)" ]] || fail "worker $pid is in our $ns namespace"
	done
	[[ $(ls -A "/proc/$pid/root/") = '' ]] || fail "the root of worker $pid is not empty"
	[[ $status =~ Uid:.([0-9]+) ]]
	uids+=("${BASH_REMATCH[1]}")
done
assert_equal "${#uids[@]}" 2 "workers"
[[ ${uids[0]} != "${uids[1]}" ]] || fail "two workers share uid ${uids[0]}"
for name in a b; do guest_must $name "dd if=/dev/urandom of=/dev/xvda bs=64k count=64 conv=fsync 2>/dev/null"; done
for name in a b; do guest_shutdown $name; done
# the rings were made before the walls stood, on this kernel too
[[ $(cat /var/log/xpvd.log) != *'using threads'* ]] || fail "a disk has no ring: $(grep -m1 'using threads' /var/log/xpvd.log)"

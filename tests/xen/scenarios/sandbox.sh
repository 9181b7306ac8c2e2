# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Two guests' workers: each behind its walls, each somebody else, and both serve. One that wants more memory than it may
# have is killed, alone, and its guest goes on.
# timeout: 180

[[ $back = xpv ]] || skip "walls are of our workers"
# the kernel says at length whom it kills for want of memory
expect_in_log '^dom0: .*Call Trace'
make_bridge xenbr0 192.168.77.1/24
for name in a b; do
	guest_create $name --no-wait --disk "$(mkdisk $name 16)" --vif xenbr0
done
guest_wait a
guest_wait b
no_groups() { ! compgen -G '/sys/fs/cgroup/xpv/guest-*'; }
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
	[[ $(<"/proc/$pid/cgroup") = 0::/xpv/guest-* ]] || fail "worker $pid is in the group $(<"/proc/$pid/cgroup")"
	[[ $status =~ Uid:.([0-9]+) ]]
	uids+=("${BASH_REMATCH[1]}")
done
assert_equal "${#uids[@]}" 2 "workers"
[[ ${uids[0]} != "${uids[1]}" ]] || fail "two workers share uid ${uids[0]}"
for name in a b; do guest_must $name "dd if=/dev/urandom of=/dev/xvda bs=64k count=64 conv=fsync 2>/dev/null"; done

group=/sys/fs/cgroup/xpv/guest-$(guest_id a)
worker() { read -r pid _ <"/run/xpv/worker-$(guest_id "$1")" && echo "$pid"; }
other_worker() { local now; now=$(worker "$1") && [[ $now != "$2" ]] && kill -0 "$now"; }
assert_equal "$(<"$group/memory.max") $(<"$group/pids.max") $(<"$group/cpu.weight")" "$((1024 << 20)) 1024 100" "limits"
echo "a worker at its peak: $(<"$group/memory.peak") bytes of memory, $(<"$group/pids.peak") threads" || true
was=$(worker a) other=$(worker b)
echo 1M >"$group/memory.max"
guest_must a "dd if=/dev/urandom of=/dev/xvda bs=64k count=64 conv=fsync 2>/dev/null"
wait_until 20 other_worker a "$was" || fail "a worker without memory lives: $(<"$group/memory.events")"
wait_until 20 grep -q "worker of domain $(guest_id a) was killed for want of memory" /var/log/xpvd.log || fail "no word of it"
wait_until 20 guest_run a "dd if=/dev/xvda of=/dev/null bs=64k count=64" || fail "its disk does not come back"
assert_equal "$(worker b)" "$other" "the other guest's worker"
assert_equal "$(<"$group/memory.max")" "$((1024 << 20))" "the limit of the next one"
for name in a b; do guest_shutdown $name; done
wait_until 10 no_groups || fail "groups stay: $(ls -d /sys/fs/cgroup/xpv/*/)"
# the rings were made before the walls stood, on this kernel too
[[ $(cat /var/log/xpvd.log) != *'using threads'* ]] || fail "a disk has no ring: $(grep -m1 'using threads' /var/log/xpvd.log)"

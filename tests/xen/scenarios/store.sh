# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# xenstored is updated in place under a guest that does I/O: nobody notices, and devices come and go as before.
# With kill=1 it is killed instead, and a new one begins with an empty store: the guest's disk and NIC work on, before and
# after xpvd is started again. That leaves a host that no tool can manage: in no suite, to be run alone.
# timeout: 180

[[ $back = xpv ]] || skip "about xpvd"
make_bridge xenbr0 192.168.77.1/24
disk=$(mkdisk root 32)
guest_create a --disk "$disk" --vif xenbr0
guest_address a eth0 192.168.77.2/24
id=$(guest_id a)
worker() { read -r pid _ <"/run/xpv/worker-$id" && echo "$pid"; }
states() { xenstore-read "/local/domain/0/backend/vbd/$id/51712/state" "/local/domain/0/backend/vif/$id/0/state"; }
# a counter on the disk, which nobody has to ask the guest for
guest_must a "(n=0; while echo \$n | dd of=/dev/xvda bs=512 conv=sync,fsync 2>/dev/null; do n=\$((n + 1)); sleep 0.1; done) >/dev/null 2>&1 &"
count() { head -n1 "$disk" | tr -d '\0'; }
goes_on() { # WHEN
	local was now
	was=$(count)
	wait_until 20 counted_on "$was" || fail "the disk stands still at $was $1"
	ping_guest 192.168.77.2
}
counted_on() { local now; now=$(count); [[ $now ]] && ((now > ${1:-0} + 3)); }
goes_on "at first"
was=$(worker) xenstored=$(</run/xenstored.pid)

if [[ ${kill:-} ]]; then
	kill -9 "$xenstored"
	nap 3
	goes_on "without a store"
	rm -f /run/xenstored/socket
	xenstored --pid-file /run/xenstored.pid
	wait_until 10 test -S /run/xenstored/socket
	xen-init-dom0
	wait_until 10 grep -q "the store is back" /var/log/xpvd.log || fail "xpvd does not come back"
	nap 3
	goes_on "with an empty store"
	kill -9 "$(cat /run/lab-xpvd.pid)"
	backend_start_xpv
	nap 3
	goes_on "under another xpvd"
	assert_equal "$(worker)" "$was" worker
	cat /var/log/xpvd.log
	exit 0
fi

for n in 1 2; do
	assert xenstore-control live-update "$(readlink -f "$(command -v xenstored)")"
	goes_on "after update $n"
done
assert_equal "$(states)" $'4\n4' "states"
xl block-attach a "$(disk_spec "$(mkdisk more 16),xvdb")"
wait_until 20 guest_run a "test -b /dev/xvdb" || fail "no second disk"
xl block-detach a xvdb
wait_until 10 guest_run a "! test -b /dev/xvdb" || fail "xvdb stays in the guest"
assert_equal "$(worker)" "$was" worker
assert_equal "$(</run/xenstored.pid)" "$xenstored" xenstored
guest_shutdown a

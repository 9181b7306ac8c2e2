# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A guest at work is paused, checkpointed (its suspend is cancelled), saved and restored, and migrated to this very host.
# fio verifies all the while, and one TCP stream each way arrives whole.
# timeout: 300

make_bridge xenbr0 192.168.77.1/24
guest_create a --disk "$(mkdisk root 32)" --vif xenbr0
guest_address a eth0 192.168.77.2/24

# both ends note what they send, until told to stop
STREAM='while ! test -e stop; do head -c 20000 /dev/urandom | tee -a sent; sleep 0.2; done'
guest_must a "cd /tmp && (socat -u TCP-LISTEN:5000 OPEN:got,creat,trunc; touch ended) >/dev/null 2>&1 &
	cd /tmp; while ! test -e stop; do
		fio --output-format=terse --name=v --filename=/dev/xvda --ioengine=libaio --direct=1 --iodepth=16 --rw=randwrite \
			--bsrange=4k-64k --size=8m --verify=crc32c --verify_fatal=1 >fio.log 2>&1 || { echo \$? >fio.failed; break; }
		echo >>rounds
	done &"
wait_until 20 guest_run a "netstat -ltn | grep -q :5000" || fail "guest a does not listen"
socat -u TCP-LISTEN:5001,reuseaddr OPEN:"$WORK/got,creat,trunc" &
from=$!
guest_must a "cd /tmp; { $STREAM; } | socat -u - TCP:192.168.77.1:5001,retry=10 >/dev/null 2>&1 &"
(cd "$WORK" && eval "$STREAM" | socat -u - TCP:192.168.77.2:5000,retry=10) &
to=$!

# counts of what arrived here, arrived there, and was written
counts() {
	stat -c %s "$WORK/got"
	guest_run a "stat -c %s /tmp/got; awk '{ print \$5 }' /sys/block/xvda/stat"
}
all_moved() {
	local now i
	mapfile -t now < <(counts)
	for i in 0 1 2; do ((${now[i]:-0} > ${was[i]:-0})) || return 1; done
}
works() { # AFTER-WHAT
	mapfile -t was < <(counts)
	wait_until 60 all_moved || fail "after $1 not all goes on: $(counts | tr '\n' ' '), before ${was[*]}"
	assert_fails guest_run a "test -e /tmp/fio.failed"
	echo "$1: all goes on at $(uptime_ms) ms"
}
# xenconsoled names a log after the domain when it first sees it, and again when told to
same_log() { kill -HUP "$(cat /run/xenconsoled.pid)"; }

works start
assert xl pause a
nap 2
assert xl unpause a
works pause

id=$(guest_id a)
assert xl save -c a "$WORK/image"
assert_equal "$(guest_id a)" "$id" "domain after its checkpoint"
works checkpoint

assert xl save a "$WORK/image"
guest_gone a || fail "guest a is still there after its save"
assert xl restore "$WORK/image"
rm "$WORK/image"
works restore

# xl migrates live alone, and Debian's Xen cannot log the pages that a PV guest writes: it has no shadow paging
if [[ $type = pvh || $(xl info virt_caps) = *shadow* ]]; then
	assert xl migrate -s '' a 'xl migrate-receive'
	same_log
	works migration
fi

guest_must a "touch /tmp/stop"
touch "$WORK/stop"
wait $from || fail "stream from the guest: receiver gave $?"
wait $to || fail "stream to the guest: sender gave $?"
wait_until 20 guest_run a "test -e /tmp/ended" || fail "stream to the guest does not end"
assert_equal "$(sha256sum <"$WORK/got")" "$(guest_run a 'sha256sum </tmp/sent')" "what dom0 got"
assert_equal "$(guest_run a 'sha256sum </tmp/got')" "$(sha256sum <"$WORK/sent")" "what the guest got"
wait_until 60 guest_run a '! pidof fio' || fail "fio does not end"
assert_fails guest_run a "test -e /tmp/fio.failed"
assert guest_run a "test -s /tmp/rounds"
guest_shutdown a
wait_until 10 no_vifs || fail "vifs left: $(vifs)"
wait_until 10 no_loops || fail "loop devices left: $(losetup -a)"

# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A backend that breaks the protocol costs the guest that disk and nothing else: one line in its log, an error for what
# was under way, and the disk can be detached. Ours only: what the stock frontend makes of it is its own affair.
# timeout: 300

[[ $front == ours ]] || skip "a test of our frontend"
[[ -x $BAD_BACKEND ]] || skip "no $BAD_BACKEND in the overlay"
backend_use none
disk=$(mkdisk empty 4)
broken() { guest_run a "dmesg | grep -c 'broke the protocol'"; }

# beyond sector 4096 the backend acts on it
touch_it() { guest_run a "dd if=/dev/xvdb of=/dev/null bs=4k skip=512 count=1 iflag=direct 2>/dev/null" 30; }
one_read="dd if=/dev/xvdb of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null skip"
touch_twice() { guest_run a "($one_read=520) & ($one_read=530) & wait %1 && wait %2" 30; }

# of the page that the backend keeps mapped
expect_in_log "grant_table: WARNING: g.e. 0x[0-9a-f]+ still in use!"
guest_create a --vcpus 2 --append "xpv_blkfront.feature_persistent=N"
lines=0

for mode in id idle op beyond backwards mapped twice; do
	bad_attach_there "$mode"
	assert_fails "$([[ $mode == twice ]] && echo touch_twice || echo touch_it)"
	lines=$((lines + 1))
	assert_equal "$(broken)" "$lines" "mode $mode: lines in the log"
	assert_fails guest_run a "dd if=/dev/xvdb of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null" 30
	bad_detach
done

# these break nothing
for mode in status storm huge; do
	bad_attach_there "$mode"
	case $mode in
	status) assert_fails touch_it ;;
	*) assert touch_it ;;
	esac
	[[ $mode != huge ]] || assert_equal "$(guest_run a 'cat /sys/block/xvdb/ro')" 1 "mode huge: read-only"
	guest_must a "dd if=/dev/xvdb of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null"
	bad_detach
done

# what lies beside the data in its page is seen by a backend that is trusted, and by no other
sectors_mixed="fio --name=mixed --filename=/dev/xvdb --offset=2m --size=1m --io_size=64k --bs=512 --rw=randrw --iodepth=8 \
	--ioengine=libaio --direct=1 --output-format=terse >/dev/null 2>&1"
for trusted in 'Y peek' 'N peek' 'Y untrusted'; do
	guest_must a "echo ${trusted% *} >/sys/module/xpv_blkfront/parameters/trusted"
	bad_attach_there "${trusted#* }"
	case $trusted in
	'Y peek') assert_fails guest_run a "$sectors_mixed" ;;
	*) guest_must a "$sectors_mixed" ;;
	esac
	bad_detach
done

# a size that cannot be: no disk, and the reason where the toolstack looks for it
declare -A reason=([offer]="sectors: .*out of range" [sector]="sector-size: .*out of range")
for mode in offer sector; do
	bad_attach $mode
	wait_until 20 guest_run a "dmesg | grep -q '${reason[$mode]}'" || fail "mode $mode: nothing in the log"
	assert_fails guest_run a "test -b /dev/xvdb"
	xl block-detach a xvdb || true
	wait "$peer" || fail "mode $mode: the frontend did not close"
done

# an answer that takes longer than xl waits: the disk goes when it has come, and no request fails before
bad_attach_there late
guest_must a "($one_read=520; echo \$? >/run/late) >/dev/null 2>&1 & sleep 1"
assert_fails timeout 60 xl block-detach a xvdb
assert_fails guest_run a "test -e /run/late"
wait "$peer" || fail "mode late: the frontend did not close"
assert_equal "$(guest_run a 'cat /run/late')" 0 "mode late: the exit code of a read that was under way"
wait_until 10 guest_run a "! test -b /dev/xvdb" || fail "mode late: xvdb stays in the guest"
assert xl block-detach a xvdb

# no answer at all of a backend that lives: it is waited for until the administrator will not
bad_attach_there silent
guest_must a "($one_read=520; echo \$? >/run/silent) >/dev/null 2>&1 & sleep 1"
assert_fails timeout 60 xl block-detach a xvdb
assert_fails guest_run a "test -e /run/silent"
assert xl block-detach --force a xvdb
wait "$peer" || fail "mode silent: the backend did not close"
wait_until 10 guest_run a "! test -b /dev/xvdb" || fail "mode silent: xvdb stays in the guest"
assert_equal "$(guest_run a 'cat /run/silent')" 1 "mode silent: the exit code of a read that was under way"

assert_equal "$(broken)" "$lines" "lines in the log at the end"
guest_shutdown a

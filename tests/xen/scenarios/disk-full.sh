# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# No space left in dom0: the guest's writes wait and its reads go on; xpv list says so; with space they are done.
# A guest that waits can be destroyed; full=error tells the guest.
# timeout: 180

mkdir -p "$WORK/fs"
mount -t tmpfs -o size=8m full "$WORK/fs"
truncate -s 32M "$WORK/fs/disk" "$WORK/fs/failing"
other=$(mkdisk other 8)
spec="format=raw,access=rw,script=block-xpv"
guest_create a --disk "$spec,vdev=xvda,target=$WORK/fs/disk" --disk "$other,xvdb"
paused() { [[ $(xpv list) = *"writes wait for space: No space left on device"* ]]; }

guest_must a "head -c 16M /dev/urandom >/tmp/data"
guest_must a "(dd if=/tmp/data of=/dev/xvda bs=1M oflag=direct 2>/tmp/dd; echo \$? >/tmp/done) >/dev/null 2>&1 </dev/null &"
wait_until 20 paused || fail "xpv list: $(xpv list)"
assert_match "$(cat /var/log/xpvd.log)" "writes wait for space" "the log"
guest_must a "dd if=/dev/xvdb of=/dev/null bs=1M count=4 iflag=direct 2>/dev/null"
guest_must a "dd if=/dev/zero of=/dev/xvdb bs=1M count=4 oflag=direct 2>/dev/null"
assert_fails guest_run a "test -e /tmp/done"

mount -o remount,size=64m "$WORK/fs"
wait_until 30 guest_run a "test -e /tmp/done" || fail "the write never ends"
assert_equal "$(guest_run a 'cat /tmp/done')" 0 "what dd gave"
guest_must a "echo 3 >/proc/sys/vm/drop_caches; head -c 16M /dev/xvda | cmp - /tmp/data"
unpaused() { ! paused; }
wait_until 10 unpaused || fail "xpv list: $(xpv list)"
assert_fails grep -q "I/O error" <(guest_run a dmesg)

# full again, and away with it at once
mount -o remount,size=17m "$WORK/fs"
guest_must a "dd if=/tmp/data of=/dev/xvda bs=1M seek=16 oflag=direct >/dev/null 2>&1 </dev/null &"
wait_until 20 paused || fail "xpv list: $(xpv list)"
began=$(uptime_ms)
xl destroy a
wait_until 20 guest_gone a || fail "a guest that waits for space stays"
devices_gone() { [[ -z $(xenstore-list /local/domain/0/backend/vbd 2>/dev/null) ]]; }
wait_until 10 devices_gone || fail "left: $(xenstore-ls /local/domain/0/backend/vbd)"
(($(uptime_ms) - began < 15000)) || fail "destroying it took $(seconds_since "$began") s"

guest_create b --disk "$spec,vdev=xvda,target=file:$WORK/fs/failing?full=error"
assert_fails guest_run b "dd if=/dev/zero of=/dev/xvda bs=1M count=20 oflag=direct 2>/dev/null"
guest_must b "dd if=/dev/xvda of=/dev/null bs=1M count=4 iflag=direct 2>/dev/null"
guest_shutdown b
umount "$WORK/fs"

# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What is wrong with a device is said where people look, and troubles that device alone.
# timeout: 150

[[ $back = xpv ]] || skip "about xpvd"
disk=$(mkdisk root 32)
shared=$(mkdisk shared 16)
guest_create a --disk "$disk"
id=$(guest_id a)

attach() { xl block-attach a "format=raw,vdev=$1,access=$2,script=block-xpv,target=$3" >"$WORK/said" 2>&1; }
refused() { # WORDS VDEV MODE TARGET: xl fails and prints the words
	assert_fails attach "$2" "$3" "$4"
	assert_match "$(<"$WORK/said")" "$1" "what xl says"
}

# the script's words reach the terminal
refused "/nonexistent: No such file" xvdb w /nonexistent
refused "is a directory" xvdb w /tmp
truncate -s 1000 "$WORK/odd"
refused "$WORK/odd" xvdb w "$WORK/odd"

# one writer, or many readers
assert attach xvdb r "$shared"
guest_create b --disk "format=raw,vdev=xvda,access=r,script=block-xpv,target=$shared"
xl block-detach a xvdb
refused "in use by domain" xvdb w "$shared"
guest_shutdown b
assert attach xvdb w "$shared"
xl block-detach a xvdb

# rubbish from a toolstack: both error nodes, one line in the log
dir=backend/vbd/$id/51840 front=/local/domain/$id/device/vbd/51840
xenstore-write "/local/domain/0/$dir/frontend" "$front" "/local/domain/0/$dir/frontend-id" "$id" \
	"/local/domain/0/$dir/online" 1 "/local/domain/0/$dir/mode" sideways "/local/domain/0/$dir/state" 1
wait_until 10 xenstore-read "/local/domain/0/error/$dir/error" || fail "no error in the kernel's place"
assert_match "$(xenstore-read "/local/domain/0/$dir/error")" "/mode = \"sideways\"" "error"
assert_equal "$(grep -c sideways /var/log/xpvd.log)" 1 "lines in the log"
assert_match "$(xpv show a 51840)" "sideways" "xpv show"
xenstore-rm "/local/domain/0/$dir"

# the first disk never minded
guest_must a "echo fine | dd of=/dev/xvda bs=512 conv=sync,fsync 2>/dev/null"
assert_equal "$(head -n1 "$disk" | tr -d '\0')" fine "what the disk holds"
guest_shutdown a

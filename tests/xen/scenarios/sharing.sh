# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A disk has one writer or many readers: block-xpv refuses the rest, and xl says who has it.
# timeout: 120

[[ $back = xpv ]] || skip "about xpvd"
shared=$(mkdisk shared 16)
ln -s "$shared" "$WORK/alias"
guest_create a
guest_create b --disk "format=raw,vdev=xvda,access=r,script=block-xpv,target=$shared"

attach() { xl block-attach a "format=raw,vdev=xvdb,access=$1,script=block-xpv,target=$2" >"$WORK/said" 2>&1; }
# libxl leaves the nodes of a device whose script failed
detach() { assert xl block-detach a xvdb; }
refused() { # MODE TARGET: xl fails and says who has it
	assert_fails attach "$1" "$2"
	assert_match "$(<"$WORK/said")" "in use by" "what xl says"
	detach
}

refused w "$shared"
refused w "$WORK/alias"
assert attach r "$shared"
detach
guest_shutdown b
assert attach w "$shared"
detach
# the stock script's loop device is a user like any other
loop=$(losetup -f --show "$shared")
refused w "$shared"
losetup -d "$loop"
guest_shutdown a

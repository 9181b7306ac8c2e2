# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What an administrator gets wrong and what a frontend makes up: xl or the `error` node says which key, which value
# and why, the log has one line for it, and every other device goes on.
# timeout: 150

xpvd_log() { cat /var/log/xpvd.log; }
make_bridge xenbr0 192.168.77.1/24
guest_create a --disk "$(mkdisk good 16)" --vif xenbr0
guest_address a eth0 192.168.77.2/24

# targets: xl prints the reason and the guest gets nothing
mkdir "$WORK/folder"
: >"$WORK/empty"
head -c 1000 /dev/zero >"$WORK/odd"
mkfifo "$WORK/pipe"
bad_disk() { # TARGET REASON [MODE]
	local said
	said=$(xl block-attach a "format=raw,vdev=xvdb,access=${3:-w},script=block-xpv,target=$1" 2>&1) &&
		fail "xl takes $1 as a disk"
	assert_match "$said" "$1.*$2" "what xl says"
	# libxl leaves the nodes of a device whose script failed; it goes like any other
	assert xl block-detach a xvdb
	assert_equal "$(xl block-list a | awk 'NR > 1' | wc -l)" 1 "disks listed after $1"
}
bad_disk "$WORK/missing" 'No such file'
bad_disk "$WORK/folder" 'is a directory'
bad_disk "$WORK/empty" 'is empty'
bad_disk "$WORK/odd" '1000 bytes.*multiple of 512'
bad_disk "$WORK/pipe" 'is a FIFO'
mkdisk fixed 1
chattr +i "$WORK/fixed" 2>/dev/null && { bad_disk "$WORK/fixed" 'not permitted'; chattr -i "$WORK/fixed"; }
assert_equal "$(guest_run a 'ls /sys/block | grep -c xvd')" 1 "disks in the guest"

# the network: a bridge that is not there, a MAC that no NIC can have
said=$(xl network-attach a bridge=nowhere 2>&1) && fail "xl takes a bridge that is not there"
assert_match "$said" nowhere "what xl says of the bridge"
xl network-attach a mac=01:00:5e:00:00:01 bridge=xenbr0 >/dev/null 2>&1 || true
node=/local/domain/0/backend/vif/$(guest_id a)
mac_error() { xenstore-ls -f "$node" 2>/dev/null | grep 'error = ' || xpvd_log | grep 'mac'; }
wait_until 10 mac_error
assert_match "$(mac_error)" '01:00:5e:00:00:01' "what is said of the MAC"

# a frontend that publishes rubbish: a device made by hand, one bad key at a time
guest=$(guest_id a)
make_vbd() { # HANDLE FRONT-KEYS...
	local back=/local/domain/0/backend/vbd/$guest/$1 front=/local/domain/$guest/device/vbd/$1
	shift
	xenstore-write -- "$front/backend" "$back" "$front/backend-id" 0 "$front/state" 1 "$@"
	xenstore-write -- "$back/frontend" "$front" "$back/frontend-id" "$guest" "$back/online" 1 "$back/mode" "${mode:-w}" \
		"$back/params" "$WORK/rubbish" "$back/dev" xvdz "$back/device-type" disk \
		"$back/physical-device-path" "$WORK/rubbish" "$back/hotplug-status" connected "$back/state" 1
}
error_of() { xenstore-read "/local/domain/0/backend/vbd/$guest/$1/error" 2>/dev/null; }
has_error() { [[ $(error_of "$1") ]]; }
mkdisk rubbish 1
rubbish() { # HANDLE EXPECTED KEY VALUE ...
	local handle=$1 expected=$2 front=/local/domain/$guest/device/vbd/$1 keys=()
	shift 2
	while (($#)); do keys+=("$front/$1" "$2"); shift 2; done
	make_vbd "$handle"
	wait_until 10 backend_waits "$handle" || fail "backend of $handle does not get to InitWait"
	xenstore-write -- "${keys[@]}" "$front/state" 3
	wait_until 10 has_error "$handle" || fail "no error node for ${keys[*]}"
	assert_match "$(error_of "$handle")" "$expected" "error node"
	assert_equal "$(xpvd_log | grep -c "vbd $guest/$handle.*${expected%%.\**}")" 1 "lines in the log for $expected"
	xenstore-rm "/local/domain/0/backend/vbd/$guest/$handle"
	xenstore-rm "$front"
}
backend_waits() { [[ $(xenstore-read "/local/domain/0/backend/vbd/$guest/$1/state") = 2 ]]; }
rubbish 51840 'ring-ref.*8x' ring-ref 8x event-channel 5
rubbish 51856 'event-channel.*-1' ring-ref 8 event-channel -1
rubbish 51872 'ring-page-order.*99' ring-ref0 8 ring-page-order 99 event-channel 5
rubbish 51888 'protocol.*vax' ring-ref 8 event-channel 5 protocol vax-abi
rubbish 51904 'ring-ref.*4000000000' ring-ref 4000000000 event-channel 5 protocol x86_64-abi
mode=q make_vbd 51920
wait_until 10 has_error 51920 || fail "no error node for mode q"
assert_match "$(error_of 51920)" 'mode.*q' "error node"
xenstore-rm "/local/domain/0/backend/vbd/$guest/51920"

# and the guest's own devices never noticed
guest_must a "dd if=/dev/urandom of=/dev/xvda bs=64k count=16 conv=fsync 2>/dev/null"
guest_ping a 192.168.77.1
guest_shutdown a

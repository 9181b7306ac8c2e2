# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Bridges and the guests' addresses. dom0 is .1, guests choose theirs.

make_bridge() { # NAME [ADDRESS/LEN]
	ip link add "$1" type bridge stp_state 0 forward_delay 0
	[[ -z ${2:-} ]] || ip addr add "$2" dev "$1"
	ip link set "$1" up
}

bridges() { ip -o link show type bridge | sed 's/^[0-9]*: \([^:@]*\).*/\1/'; }

# BRIDGE -> an xl vif line; a full one passes as it is
vif_spec() { [[ $1 == *=* ]] && echo "$1" || echo "bridge=$1"; }

guest_address() { # NAME DEVICE ADDRESS/LEN
	guest_must "$1" "ip addr add $3 dev $2 && ip link set $2 up"
}

guest_ping() { # NAME ADDRESS
	guest_must "$1" "ping -c 3 -W 5 $2" >/dev/null
}

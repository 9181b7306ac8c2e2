# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A guest on a switch of ours is migrated live to this very host while TCP runs both ways between it and a guest that
# stays: for a moment two guests on the switch have one address. Each byte arrives, and the way out is there again.
# timeout: 300

# shellcheck disable=SC2154
[[ $back == xpv ]] || skip "the switch is xpvd's"
# shellcheck disable=SC2154
[[ $type = pvh || $(xl info virt_caps) = *shadow* ]] || skip "no shadow paging: what a PV guest writes cannot be logged"

make_bridge xenbr0 192.168.77.1/24
for name in a b; do guest_create $name --no-wait --vif script=vif-xpv,bridge=xenbr0; done
for name in a b; do guest_wait $name; done
guest_address a eth0 192.168.77.2/24
guest_address b eth0 192.168.77.3/24
stream_begin a b 192.168.77.3 5002
stream_begin b a 192.168.77.2 5003
move_on() {
	stream_moves b 5002
	stream_moves a 5003
	echo "$1: both streams go on at $(uptime_ms) ms"
}
move_on start

id=$(guest_id a)
assert xl migrate -s '' a 'xl migrate-receive'
# xenconsoled names a log after the domain when it first sees it, and again when told to
kill -HUP "$(cat /run/xenconsoled.pid)"
[[ $(guest_id a) != "$id" ]] || fail "guest a is still the same domain"
move_on migration
stream_end a b 5002
stream_end b a 5003
guest_ping a 192.168.77.1
tcp_to_guest a 192.168.77.2 1
tcp_from_guest a 192.168.77.1 1
guest_shutdown b
guest_shutdown a

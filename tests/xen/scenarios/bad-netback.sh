# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A network backend that breaks the protocol costs the guest that interface and nothing else: one line in its log, and
# the device can be detached. What makes no sense but breaks nothing is dropped and counted by its reason.
# timeout: 400

[[ $front == ours ]] || skip "a test of our frontend"
bad=/usr/libexec/xpv/bad-netback
[[ -x $bad ]] || skip "no $bad in the overlay"
backend_use none
# the kernel's word for a page that the backend kept
expect_in_log 'g\.e\. .* still in use'
make_bridge xenbr0 192.168.77.1/24
guest_create a --vcpus 2
id=$(guest_id a)

counter() { guest_run a "ethtool -S eth0" | awk -v name="_$1:\$" '$1 ~ name { sum += $2 } END { print sum + 0 }'; }
# lines that the driver wrote of devices it gave up
broken() { guest_run a "dmesg | grep -c 'device disabled'"; }

attach() { # MODE
	# the hotplug script wants an interface to put into the bridge
	ip tuntap add dev "vif$id.0" mode tap
	$bad "$1" "$id" 0 &
	peer=$!
	assert xl network-attach a bridge=xenbr0 mac=00:16:3e:00:80:01
	# up, the guest may send at once, and the backend break its word before anybody sees a carrier
	wait_until 20 guest_run a "ip link set eth0 up" || fail "mode $mode: no eth0"
}

detach() {
	# libxl waits for the frontend, which has closed or will
	xl network-detach a 0 || fail "mode $mode: cannot be detached"
	wait $peer || fail "mode $mode: the frontend did not close"
	wait_until 20 guest_run a "! test -e /sys/class/net/eth0" || fail "mode $mode: eth0 stays in the guest"
	ip link del "vif$id.0" 2>/dev/null || true
	xenstore-rm "/local/domain/0/backend/vif/$id" 2>/dev/null || true
}

# a packet, whatever comes of it: what the backend waits for
poke() { guest_run a "ip addr add 192.168.77.2/24 dev eth0 2>/dev/null; ping -q -c 2 -W 1 192.168.77.9" >/dev/null || true; }

lines=0
for mode in tx-id tx-idle tx-extra tx-held tx-beyond tx-backwards rx-id rx-held rx-beyond; do
	attach $mode
	poke
	wait_until 10 guest_run a "grep -q 0 /sys/class/net/eth0/carrier" || fail "mode $mode: the carrier stays on"
	lines=$((lines + 1))
	assert_equal "$(broken)" $lines "mode $mode: lines in the log"
	poke
	detach
done

for mode in tx-error storm rx-nonsense; do
	attach $mode
	poke
	nap 2
	case $mode in
	tx-error) (($(counter tx_errors) > 0)) || fail "the error was not counted" ;;
	storm)
		taken=$(guest_run a "awk '/eth0/ { for (i = 2; i <= 3; i++) sum += \$i } END { print sum }' /proc/interrupts")
		((taken < 5000)) || fail "the guest took $taken interrupts of 50000 that meant nothing"
		;;
	rx-nonsense)
		# lengths 0 to 13, two offsets; three errors in chains; extras; offloads of nothing
		assert_equal "$(counter rx_err_size)" 17 rx_err_size
		assert_equal "$(counter rx_err_status)" 3 rx_err_status
		assert_equal "$(counter rx_err_frags)" 1 rx_err_frags
		assert_equal "$(counter rx_err_extra)" 6 rx_err_extra
		assert_equal "$(counter rx_err_header)" 3 rx_err_header
		(($(counter rx_packets) > 0)) || fail "the good frame did not arrive"
		;;
	esac
	guest_must a "grep -q 1 /sys/class/net/eth0/carrier"
	assert_equal "$(broken)" $lines "mode $mode: lines in the log"
	detach
done
guest_shutdown a
